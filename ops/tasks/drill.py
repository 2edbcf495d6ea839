"""Drills: backups that are restored and read, so that they count for something."""

from pathlib import Path

from invoke import Collection, Context

from ops import terminal
from ops.backup import procedure
from ops.tasks.backup import JSON
from ops.tasks.command import command
from ops.tasks.patch import REASON, required
from ops.tasks.work import INVENTORY, at_work

LABEL = "a backup by its label, see invoke backup.list"
TO = "a time, e.g. 2026-11-25T23:00:00Z: as it was then"


@command(
    help={
        "label": LABEL,
        "to": TO,
        "repository": "1, or 2 for the second place",
        "reason": REASON,
        "inventory": INVENTORY,
    }
)
def drill(
    c: Context,
    label: str = "",
    to: str = "",
    repository: int = 1,
    reason: str = "on demand",
    inventory: str = "inventory/lab",
) -> None:
    """Restore a backup into a throwaway place, start it, read all of it, measure, and remove it.

    The live database is not touched. Exits 1 if the verdict is fail, with the step that failed and why.

    Example: invoke drill --repository 2
    """
    with at_work(Path(inventory), hosts=True) as session:
        procedure.drill(session, procedure.Trial(label, to, repository, required(reason)))


@command(help={"json": JSON, "inventory": INVENTORY})
def history(c: Context, json: bool = False, inventory: str = "inventory/lab") -> None:
    """List the drills that are on record: verdict, how long each took, how much would have been lost.

    Example: invoke drill.history
    """
    terminal.quiet(json)
    with at_work(Path(inventory)) as session:
        procedure.history(session, json)


namespace = Collection("drill", history)
namespace.add_task(drill, name="drill", default=True)
