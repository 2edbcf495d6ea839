"""The logbook: what was changed, by whom, why, and whether its records are what they claim to be."""

from datetime import UTC, datetime
from pathlib import Path

from invoke import Collection, Context

from ops import terminal
from ops.change import look
from ops.errors import BadInput
from ops.patch import show
from ops.tasks.command import command
from ops.tasks.work import INVENTORY, at_work

COLUMNS = ("id", "kind", "outcome", "operator", "hosts", "packages", "reason")


@command(
    default=True,
    name="list",
    help={
        "host": "only changes that touched this host",
        "package": "only changes of this package",
        "cve": "only changes that closed this CVE or advisory, or opened it again",
        "since": "only changes since this day, e.g. 2026-11-01",
        "json": "print the records as JSON",
        "inventory": INVENTORY,
    },
)
def changes(
    c: Context,
    host: str = "",
    package: str = "",
    cve: str = "",
    since: str = "",
    json: bool = False,
    inventory: str = "inventory/lab",
) -> None:
    """List what was changed, the newest first, and what is still open.

    Example: invoke changes --cve CVE-2026-1234
    """
    with at_work(Path(inventory)) as session:
        found = look.find(session, host=host, package=package, advisory=cve, since=day(since))
        if json:
            terminal.data([record.model_dump(mode="json") for record in found])
            return
        terminal.table("Changes", COLUMNS, show.change_rows(found))
        for line in look.open_lines(session):
            terminal.say(line)


def day(text: str) -> datetime | None:
    """Return the beginning of the UTC day *text* (``2026-11-01``), None for an empty one.

    Raises:
        BadInput: it is no day.
    """
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError:
        raise BadInput(f"{text!r} is no day", next_step="write it like 2026-11-01") from None


@command(
    positional=["change"],
    help={
        "change": "id of the change, e.g. 2026-11-25-2300-k7xq",
        "json": "print everything that is recorded as JSON",
        "inventory": INVENTORY,
    },
)
def show_change(c: Context, change: str, json: bool = False, inventory: str = "inventory/lab") -> None:
    """Show one change: why, who, what on which host, the gates, what is open, how to verify it.

    Example: invoke changes.show 2026-11-25-2300-k7xq
    """
    with at_work(Path(inventory)) as session:
        files = look.one(session, change)
        if json:
            terminal.data(files.model_dump(mode="json"))
        else:
            terminal.say(look.page(files))
            for line in look.later(session, change):
                terminal.say(line)


@command(help={"inventory": "the inventory's folder; by default all that playbooks were run on by hand"})
def collect(c: Context, inventory: str = "inventory/lab") -> None:
    """Record the playbooks that were run by hand. Every other command does this first; a playbook does it at its end.

    Example: invoke changes.collect
    """
    with at_work(Path(inventory)):
        pass


namespace = Collection("changes", changes, collect)
namespace.add_task(show_change, name="show")
