"""Looking into the logbook: lists, one change, what is open. Only reads."""

from datetime import datetime
from pathlib import Path

from ops.change.session import ROOT, Session
from ops.errors import BadInput
from ops.logbook import index
from ops.logbook.model import Record
from ops.logbook.page import render_change, render_index
from ops.logbook.repository import ChangeFiles


def find(
    session: Session, *, host: str = "", package: str = "", advisory: str = "", since: datetime | None = None
) -> list[Record]:
    """Return the records that touched *host*, changed *package*, closed *advisory*, began *since*; empty means any.

    The newest come first.
    """
    changes = index.ended(session.logbook, host=host, package=package, advisory=advisory)
    found = index.records(session.logbook, changes)
    return [record for record in found if _matches(record, host, package, advisory, since)]


def _matches(record: Record, host: str, package: str, advisory: str, since: datetime | None) -> bool:
    results = [result for name, result in record.hosts.items() if host in ("", name)]
    packages = [entry for result in results for entry in result.packages if package in ("", entry.name)]
    return (
        (not since or record.started >= since)
        and (not host or bool(results))
        and (not package or bool(packages))
        and (not advisory or any(advisory in entry.advisories for entry in packages))
    )


def one(session: Session, identifier: str) -> ChangeFiles:
    """Return everything that is recorded of one change.

    Raises:
        BadInput: there is no such change.
    """
    if identifier not in session.logbook.change_ids():
        raise BadInput(f"there is no change {identifier}", next_step="invoke changes lists what there is")
    return session.logbook.read(identifier)


def later(session: Session, identifier: str) -> list[str]:
    """Return one line per later change that took *identifier* back; its own record cannot know."""
    reverts = index.records(session.logbook, index.ended(session.logbook, reverts=identifier))
    return [f"Taken back by {record.id}: {record.outcome}." for record in reverts]


def page(files: ChangeFiles) -> str:
    """Return the page of a change, ended or not."""
    return render_change(files)


def open_lines(session: Session) -> list[str]:
    """Return one line per change that has no end yet, or for which an approval is still owed."""
    words = {"planned": "waits for approval", "approved": "approved, not begun", "running": "begun, not ended"}
    lines = []
    for files in session.logbook.read_all(index.unfinished(session.logbook)):
        if files.record is None:
            lines.append(f"Open: {files.id}, {words[files.state]}")
        elif files.record.approval_owed_until and files.approval is None:
            lines.append(
                f"Open: {files.id}, an approval is owed until {files.record.approval_owed_until:%Y-%m-%d %H:%M} UTC"
            )
    return lines


def write_index(session: Session) -> Path:
    """Write the index of all changes to ``docs/generated/changes.md`` and return its path."""
    path = ROOT / "docs" / "generated" / "changes.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_index(list(session.logbook.read_all())), encoding="utf-8")
    return path
