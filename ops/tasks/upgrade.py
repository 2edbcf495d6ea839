"""Upgrading LiquidFeedback."""

from pathlib import Path

from invoke import Context

from ops.errors import BadInput
from ops.tasks.command import command
from ops.tasks.work import INVENTORY, at_work
from ops.upgrade import procedure


@command(
    help={
        "to": "the version of the core, e.g. 4.2.2; the archive must have its package",
        "reason": "why, in a sentence; it stands in the record",
        "yes": "answer the question with the number of hosts",
        "inventory": INVENTORY,
    },
)
def upgrade(
    c: Context, to: str = "", reason: str = "new release", yes: bool = False, inventory: str = "inventory/lab"
) -> None:
    """Bring LiquidFeedback to another release: schema and package together, tried on a copy of the database first.

    If anything fails, package and database are brought back as they were.

    Example: invoke upgrade --to 4.2.2
    """
    if not to:
        raise BadInput("--to is missing", left="nothing was done", next_step="add --to with a version, e.g. --to 4.2.2")
    with at_work(Path(inventory), hosts=True) as session:
        procedure.upgrade(session, procedure.Wish(to, reason, yes))
