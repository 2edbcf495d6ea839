"""Records of playbooks that were run without a plan: by hand, or by a command. Their spool becomes a record."""

import json
import os
import shlex
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ops.change import run as change
from ops.change.session import ROOT, Session
from ops.logbook.files import events_bytes, file_bytes
from ops.logbook.model import Event, HostResult, Record, Start
from ops.playbook import PROGRAM, Playbook, read_events, told
from ops.request import command_line, new_id

BAD = ("failed", "unreachable")
Ending = Callable[[tuple[Event, ...]], Mapping[str, Any]]
"""What else the events of a playbook say: fields of its record over those that every playbook has."""


def nothing_else(_events: tuple[Event, ...]) -> Mapping[str, Any]:
    """Return no further fields."""
    return {}


def by_hand_spools() -> Path:
    """Return where the callback plugin spools playbooks that were started by hand."""
    return Path(os.environ.get("BORDBUCH_SPOOLS", ROOT / ".spool"))


def collect(session: Session) -> list[Record]:
    """Make a record of every ended or killed run of a playbook on this inventory, and return them."""
    starts = sorted(by_hand_spools().glob("*/start.json"))
    spools = [path.parent for path in starts if _belongs(session, path) and not _alive(path)]
    return [*(_collected(session, spool) for spool in spools), *_killed(session)]


def _killed(session: Session) -> Iterator[Record]:
    """Record the end of playbooks that a command of this machine ran and was killed in."""
    for files in session.logbook.open_changes():
        spool = change.spool_of(session, files.id, 1)
        if files.plan is None and files.starts and spool.is_dir() and change.is_free(session):
            yield _end(session, files.starts[0], "killed while it ran", read_events(spool)[0])


def _belongs(session: Session, start: Path) -> bool:
    meta = json.loads(start.read_text())
    here = (str(session.inventory.path.resolve()), os.environ.get("BORDBUCH_LAB", ""))
    return here[0] in meta["inventory"] and here[1] == meta["lab"]


def _alive(start: Path) -> bool:
    """Return whether the run still goes on: its process is there and has not yet written its end."""
    ended = any(event.type == "end" for event in read_events(start.parent)[0])
    return not ended and Path(f"/proc/{json.loads(start.read_text())['pid']}").exists()


def _collected(session: Session, spool: Path) -> Record:
    meta = json.loads((spool / "start.json").read_text())
    words = [PROGRAM, meta["playbook"], *(["--limit", meta["limit"]] if meta["limit"] else [])]
    start = _start(session, meta["id"], datetime.fromisoformat(meta["time"]), shlex.join(words))
    known = session.logbook.read(start.id).record if session.logbook.files(start.id) else None
    ran = meta.get("operator", "")
    requester = ran if ran in session.operators.names() else session.operator
    record = known or _end(session, start, f"{meta['playbook']} by hand", read_events(spool)[0], requester)
    shutil.rmtree(spool)
    return record


def run_playbook(
    session: Session, name: str, reason: str, limit: str = "", ending: Ending = nothing_else, **variables: str
) -> tuple[Record, str]:
    """Run the playbook *name* with *variables* as a change of its own, whose record *ending* completes.

    Returns:
        Its record, and why it failed in the words of the tasks, for the screen only; empty if nothing did.

    Raises:
        Refused: another command of this checkout is at work.
    """
    with change.alone(session):
        now = datetime.now(UTC)
        start = _start(session, new_id(now), now, command_line())
        spool = change.spool_of(session, start.id, 1)
        spool.mkdir(parents=True, mode=0o700)
        change.add(session, start.id, {"start-1.json": file_bytes(start)}, reason)
        change.announce(session, start.id)
        names = {"BORDBUCH_CHANGE": start.id, "BORDBUCH_USER": start.operator, "BORDBUCH_CONTROLLER": start.controller}
        play = Playbook(name, session.inventory.path, spool, dict(variables), limit, names)
        events = play.run(lambda _event: None)
        said = told(spool)
        record = _end(session, start, reason, events, ending=ending)
        bad = {host: said.get(host) or result.reason for host, result in record.hosts.items() if result.reason}
        return record, "; ".join(f"{host}: {words}" for host, words in bad.items())


def _start(session: Session, identifier: str, began: datetime, command: str) -> Start:
    return Start(
        id=identifier,
        run=1,
        digest=None,
        operator=session.operator,
        controller=socket.gethostname(),
        time=began,
        command=command,
    )


def _end(
    session: Session,
    start: Start,
    reason: str,
    events: Iterable[Event],
    requester: str = "",
    ending: Ending = nothing_else,
) -> Record:
    """Record how a run without a plan ended: its events, the state of each host, and its start if that is not there yet.

    Whoever records it signs it; *requester* is who ran it, if that was another.
    """
    seen = tuple(events)
    record = Record(
        id=start.id,
        kind="playbook",
        category="standard",
        reason=reason,
        outcome=outcome(seen),
        digest=None,
        requester=requester or start.operator,
        operator=session.operator,
        controller=start.controller,
        started=start.time,
        ended=seen[-1].time if seen else start.time,
        command=start.command,
        hosts=host_states(seen),
    ).model_copy(update=dict(ending(seen)))
    files = {"start-1.json": file_bytes(start), "events-1.jsonl": events_bytes(seen)}
    there = session.logbook.files(start.id)
    more = {name: content for name, content in files.items() if name not in there and content}
    return change.finish(session, record, more)


def outcome(events: tuple[Event, ...]) -> Literal["verified", "failed", "interrupted"]:
    """Return how a run ended: failed if anything did, interrupted if its end was never written."""
    if any(event.status in BAD for event in events):
        return "failed"
    return "verified" if any(event.type == "end" for event in events) else "interrupted"


def host_states(events: tuple[Event, ...]) -> dict[str, HostResult]:
    """Return the state of each host that took part; one where every task was skipped did not."""
    hosts = dict.fromkeys(event.host for event in events if event.host and event.status != "skipped")
    ended = any(event.type == "end" for event in events)
    return {host: _host_state([event for event in events if event.host == host], ended) for host in hosts}


def _host_state(events: list[Event], ended: bool) -> HostResult:
    bad = next((event for event in events if event.status in BAD), None)
    if bad:
        return HostResult(state="failed" if bad.status == "failed" else "unreachable", reason=bad.task)
    return HostResult(state="verified" if ended else "interrupted")
