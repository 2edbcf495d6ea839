"""Who may do what on the hosts, against what is configured."""

from pathlib import Path

from invoke import Context

from ops import terminal
from ops.access import procedure
from ops.tasks.command import command
from ops.tasks.patch import LIMIT
from ops.tasks.work import INVENTORY, at_work


@command(
    help={
        "limit": LIMIT,
        "json": "print the record as JSON",
        "inventory": INVENTORY,
    }
)
def access(c: Context, limit: str = "", json: bool = False, inventory: str = "inventory/lab") -> None:
    """Compare who may do what on the hosts with what is configured: accounts, keys, passwords, sudo, database roles.

    Reads only, and records what it found. Exits 1 if anything differs or a host did not answer, with each difference.

    Example: invoke access --limit database
    """
    terminal.quiet(json)
    with at_work(Path(inventory), hosts=True) as session:
        procedure.compare(session, limit, json)
