"""Restoring the database, and in the lab the whole site."""

from pathlib import Path

from invoke import Context

from ops.backup import restore as restoring
from ops.tasks.command import command
from ops.tasks.drill import LABEL, TO
from ops.tasks.patch import REASON, required
from ops.tasks.work import INVENTORY, at_work


@command(
    help={
        "to": TO,
        "label": LABEL,
        "target": "the host that is restored onto; by default the database's",
        "repository": "1, or 2 for the second place",
        "change": "carry out a restore that another operator has approved",
        "confirm": "name of the host whose data is replaced, typed instead of answering both questions",
        "reason": REASON,
        "yes": "answer the question where no data is replaced",
        "inventory": INVENTORY,
    }
)
def restore(
    c: Context,
    to: str = "",
    label: str = "",
    target: str = "",
    repository: int = 1,
    change: str = "",
    confirm: str = "",
    reason: str = "",
    yes: bool = False,
    inventory: str = "inventory/lab",
) -> None:
    """Restore the database: the newest there is, or as it was at a time, onto a host without data or in place.

    Where data is replaced, another operator must approve it, and the name of the host is typed twice. The old data is kept aside.
    Before the application starts again, everybody who was locked or deleted since is locked or deleted again.

    Example: invoke restore --to 2026-11-25T23:00:00Z --reason 'members deleted by mistake'
    """
    with at_work(Path(inventory), hosts=True) as session:
        wish = restoring.Wish(to, label, target, repository, required(reason) if not change else "", confirm, yes)
        if change:
            restoring.carry_on(session, change, wish)
        else:
            restoring.restore(session, wish)
