"""Records of playbooks that were run without a plan: by hand, or by a command. Their spool becomes a record."""

import json
import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ops.change import run as change
from ops.change.session import ROOT, Session
from ops.logbook.files import events_bytes, file_bytes
from ops.logbook.model import Event, HostResult, Record, Start
from ops.playbook import Playbook, read_events
from ops.request import command_line, new_id

BAD = ("failed", "unreachable")


def by_hand_spools() -> Path:
    """Return where the callback plugin spools playbooks that were started by hand."""
    return Path(os.environ.get("BORDBUCH_SPOOLS", ROOT / ".spool"))


def collect(session: Session) -> list[Record]:
    """Make a record of every ended or killed run of a playbook on this inventory, and return them."""
    starts = sorted(by_hand_spools().glob("*/start.json"))
    spools = [path.parent for path in starts if _belongs(session, path) and not _alive(path)]
    return [_collected(session, spool) for spool in spools]


def _belongs(session: Session, start: Path) -> bool:
    return str(session.inventory.path.resolve()) in json.loads(start.read_text())["inventory"]


def _alive(start: Path) -> bool:
    """Return whether the run still goes on: its process is there and has not yet written its end."""
    ended = any(event.type == "end" for event in read_events(start.parent)[0])
    return not ended and Path(f"/proc/{json.loads(start.read_text())['pid']}").exists()


def _collected(session: Session, spool: Path) -> Record:
    meta = json.loads((spool / "start.json").read_text())
    command = f"ansible-playbook {meta['playbook']}{' --limit ' + meta['limit'] if meta['limit'] else ''}"
    began = datetime.fromisoformat(meta["time"])
    record = record_run(session, meta["id"], began, command, f"{meta['playbook']} by hand", read_events(spool)[0])
    shutil.rmtree(spool)
    return record


def run_playbook(session: Session, name: str, reason: str, limit: str = "") -> Record:
    """Run the playbook *name* as a change of its own and return its record."""
    began = datetime.now(UTC)
    identifier = new_id(began)
    spool = change.spool_of(session, identifier, 1)
    events = Playbook(name, session.inventory.path, spool, {}, limit).run(lambda event: None)
    record = record_run(session, identifier, began, command_line(), reason, events)
    shutil.rmtree(spool)
    return record


def record_run(
    session: Session, identifier: str, began: datetime, command: str, reason: str, events: Iterable[Event]
) -> Record:
    """Record a run that had no plan: its start, its events, how it ended on each host."""
    seen = tuple(events)
    start = Start(
        id=identifier,
        run=1,
        digest=None,
        operator=session.operator,
        controller=os.uname().nodename,
        time=began,
        command=command,
    )
    files = {"start-1.json": file_bytes(start), "events-1.jsonl": events_bytes(seen)}
    change.add(session, identifier, files, reason)
    record = Record(
        id=identifier,
        kind="playbook",
        category="standard",
        reason=reason,
        outcome=outcome(seen),
        digest=None,
        requester=session.operator,
        operator=session.operator,
        controller=start.controller,
        started=began,
        ended=seen[-1].time if seen else began,
        command=command,
        hosts=host_states(seen),
    )
    change.finish(session, record)
    return record


def outcome(events: tuple[Event, ...]) -> Literal["verified", "failed", "interrupted"]:
    """Return how a run ended: failed if anything did, interrupted if its end was never written."""
    if any(event.status in BAD for event in events):
        return "failed"
    return "verified" if any(event.type == "end" for event in events) else "interrupted"


def host_states(events: tuple[Event, ...]) -> dict[str, HostResult]:
    """Return the state of each host that took part."""
    hosts = dict.fromkeys(event.host for event in events if event.host)
    ended = any(event.type == "end" for event in events)
    return {host: _host_state([event for event in events if event.host == host], ended) for host in hosts}


def _host_state(events: list[Event], ended: bool) -> HostResult:
    bad = next((event for event in events if event.status in BAD), None)
    if bad:
        return HostResult(state="failed" if bad.status == "failed" else "unreachable", reason=bad.task)
    return HostResult(state="verified" if ended else "interrupted")
