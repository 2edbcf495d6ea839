"""`invoke upgrade` from the command line to the record: which way, the question, the playbook."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops import terminal
from ops.change.collect import run_playbook
from ops.change.session import Session
from ops.errors import BadInput, Failed
from ops.logbook.model import Event, Record
from ops.patch.procedure import confirm, refuse_frozen
from ops.playbook import Playbook
from ops.request import make_request

LOOK, DO = "liquidfeedback_upgrade_plan.yml", "liquidfeedback_upgrade.yml"
SCHEMA = "liquidfeedback_schema"
CLOSING = "Put up the maintenance page"
RETURNED = "Say that the upgrade failed"
"""Tasks of the playbook: the first that touches the site, and the one that ends a return."""

COLUMNS = ("host", "schema", "steps", "note")


@dataclass(frozen=True)
class Wish:
    """What was typed after ``invoke upgrade``."""

    to: str
    reason: str
    yes: bool = False


def upgrade(session: Session, wish: Wish) -> None:
    """Say which way the schema would take, ask, try it on a copy, upgrade, record.

    Raises:
        BadInput: no script leads there, or the archive has no such version.
        Refused: a freeze; recorded.
        Waiting: the question is not answered.
        Failed: a step failed; package and database are as they were.
    """
    request = make_request("playbook", "standard", wish.reason, session.operator, session.inventory)
    refuse_frozen(session, request)
    found = ways(look(session.inventory.path, wish.to))
    terminal.table("Plan", COLUMNS, rows(found))
    refuse_no_way(found, wish.to)
    terminal.say(
        "It is tried on a copy of the database first. Then the maintenance page is up until the site has answered again."
    )
    confirm("To upgrade", len(found), wish.yes)
    with terminal.progress(f"Upgrading LiquidFeedback to {wish.to}"):
        record, why_not = run_playbook(
            session, DO, f"upgrade LiquidFeedback to {wish.to}: {wish.reason}", upgrade_version=wish.to
        )
    conclude(session, record, wish.to, why_not)


def look(inventory: Path, to: str) -> list[Event]:
    """Return the events of a look at the hosts that changes nothing but a folder with the new release's scripts."""
    with terminal.progress("Looking for the way"), tempfile.TemporaryDirectory(prefix="bordbuch-") as spool:
        return Playbook(LOOK, inventory, Path(spool), {"upgrade_version": to}).run(lambda _event: None)


def ways(events: Iterable[Event]) -> dict[str, dict[str, Any]]:
    """Return, by host, what the look found: versions and steps, or the ``complaint``; a host that got no further has one, too."""
    results = [event for event in events if event.type == "result" and event.status != "skipped"]
    found: dict[str, dict[str, Any]] = {}
    for event in results:
        if event.status in ("failed", "unreachable") and event.action != SCHEMA:
            found[event.host] = {"complaint": f"{event.task}: {event.status}"}
        elif event.action == SCHEMA:
            found[event.host] = event.data
    return found


def rows(found: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return one row per host."""
    return [
        (
            host,
            f"{way.get('from') or 'unknown'} → {way.get('to', 'unknown')}",
            ", ".join(f"{step['from']} → {step['to']}" for step in way.get("steps", ())) or "none",
            way.get("complaint", ""),
        )
        for host, way in found.items()
    ]


def refuse_no_way(found: dict[str, dict[str, Any]], to: str) -> None:
    """Raise ``BadInput`` where a host has no way to version *to*, or none was asked."""
    complaints = [f"{host}: {way['complaint']}" for host, way in found.items() if way.get("complaint")]
    if complaints or not found:
        raise BadInput(
            "; ".join(complaints) or "no application host was asked",
            left="nothing was touched",
            next_step=f"see that the archive has liquidfeedback {to}, and that scripts lead there",
        )


def left(events: Iterable[Event]) -> str:
    """Return what a failed upgrade has left on the hosts."""
    tasks = {(event.task, event.status) for event in events if event.type == "result"}
    if (RETURNED, "failed") in tasks:  # the playbook's last word, after the return
        return "package and database are as they were, the site is open again"
    if not any(task == CLOSING for task, _status in tasks):
        return "only a copy of the database was worked on, the site was open all the time"
    return "the return to what was before did not end either; the site is closed, the copy of before is on the database host"


def conclude(session: Session, record: Record, to: str, why_not: str) -> None:
    """Say how it ended, and raise ``Failed`` where it did not end well."""
    session.logbook.push()
    if record.outcome != "verified":
        raise Failed(
            f"the upgrade to {to} ended as {record.outcome} ({why_not})",
            left=left(session.logbook.read(record.id).events),
            next_step=f"invoke status shows how the site stands; invoke changes.show {record.id}",
        )
    terminal.say(f"LiquidFeedback is {to}. Record {record.id}: {record.outcome}.")
