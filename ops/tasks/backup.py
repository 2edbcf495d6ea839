"""Backups: made, listed, checked, and the copy of their passphrase for the safe."""

from pathlib import Path
from typing import cast

from invoke import Collection, Context

from ops import terminal
from ops.backup import escrow as copies
from ops.backup import procedure
from ops.errors import BadInput
from ops.tasks.command import command
from ops.tasks.patch import REASON, required
from ops.tasks.work import INVENTORY, at_work

JSON = "print what was seen as JSON"
TYPES = {
    "full": "everything",
    "diff": "what changed since the last full one",
    "incr": "what changed since the last one",
}


@command(
    help={**TYPES, "reason": REASON, "yes": "answer the question with the number of databases", "inventory": INVENTORY}
)
def backup(
    c: Context,
    full: bool = False,
    diff: bool = False,
    incr: bool = False,
    reason: str = "on demand",
    yes: bool = False,
    inventory: str = "inventory/lab",
) -> None:
    """Make a backup of the database into each repository: show what it would do, ask, make it, record it.

    Without a type: what changed since the last backup, or everything where there is none yet, or where WAL has a gap since the last
    full one, which only that closes. Exits 1 if it was not made, 3 if nobody answers the question, 4 if versions of the hosts do
    not fit or another one runs.

    Example: invoke backup --full --reason 'before the assembly'
    """
    chosen = [name for name, given in (("full", full), ("diff", diff), ("incr", incr)) if given]
    if len(chosen) > 1:
        raise BadInput(f"--{' and --'.join(chosen)} cannot both be meant", left="nothing was done")
    with at_work(Path(inventory), hosts=True) as session:
        kind = cast(procedure.Type, chosen[0]) if chosen else None
        procedure.backup(session, procedure.Wish(kind, required(reason), yes))


@command(help={"json": JSON, "inventory": INVENTORY})
def listing(c: Context, json: bool = False, inventory: str = "inventory/lab") -> None:
    """List the backups that there are, in each repository, the newest first.

    Example: invoke backup.list --json
    """
    terminal.quiet(json)
    with at_work(Path(inventory), hosts=True) as session:
        procedure.listing(session, json)


@command(help={"json": JSON, "inventory": INVENTORY})
def check(c: Context, json: bool = False, inventory: str = "inventory/lab") -> None:
    """Read every file of the repositories, send a WAL file through, and compare with what is noted outside of them.

    Are archives whole, is WAL continuous, how old is the newest backup, have both repositories as much, is everything there that
    was made, do versions fit. Exits 1 if anything is not as it should be.

    Example: invoke backup.check
    """
    terminal.quiet(json)
    with at_work(Path(inventory), hosts=True) as session:
        procedure.check(session, json)


@command(help={"to": "a file that is not there yet; mode 0600", "reason": REASON, "inventory": INVENTORY})
def escrow(c: Context, to: str = "", reason: str = "for the safe", inventory: str = "inventory/lab") -> None:
    """Write the copy of the repository's passphrase that drills use into a file, to be printed and kept in the safe.

    Nothing of it is printed here or stands in the record.

    Example: invoke backup.escrow --to /media/usb/bordbuch-escrow.txt
    """
    if not to:
        raise BadInput(
            "--to is missing", left="nothing was done", next_step="add --to with a file that is not there yet"
        )
    with at_work(Path(inventory), hosts=True) as session:
        copies.write(session, Path(to), required(reason))


namespace = Collection("backup", check, escrow)
namespace.add_task(backup, name="backup", default=True)
namespace.add_task(listing, name="list")
