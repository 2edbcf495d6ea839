"""A deploy carried out: recorded before it begins, with what was foreseen, and at its end, with what came of it."""

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ops.change import run as change
from ops.change.session import Session
from ops.deploy import show
from ops.deploy.foresee import Foreseen, as_events, unforeseen
from ops.deploy.outcome import results
from ops.deploy.site import NAME, Site, options
from ops.logbook.files import events_bytes, file_bytes
from ops.logbook.model import Event, Record, Request, Start
from ops.playbook import Playbook, read_events, told
from ops.status.ask import PLAYBOOK as LOOK
from ops.status.ask import answers
from ops.status.facts import Status


def carry_out(
    session: Session,
    request: Request,
    plan: Foreseen,
    before: Status,
    tags: str,
    report: Callable[[Event], None],
    say: Callable[[str], None],
) -> tuple[Record, dict[str, str]]:
    """Run the playbook, look at the hosts, record it, and return the record and what failed tasks said (for the screen only).

    Args:
        session: who acts.
        request: why.
        plan: what was confirmed.
        before: how the hosts stood.
        tags: limit it to tasks with these.
        report: is told each event as it comes.
        say: shows a line, the command that is run.
    """
    start, spool = begin(session, request, plan)
    began = time.monotonic()
    events = apply(session, start, spool, plan, tags, report, say)
    said, touched = told(spool), time.monotonic()
    after = answers(plan.hosts, look(session, spool, plan, report))
    spans = {"plan": plan.seconds, "window": touched - began, "verify": time.monotonic() - touched}
    record = recorded(session, request, start, plan, events, before, after).model_copy(
        update={"seconds": {name: round(span) for name, span in spans.items()}}
    )
    every = read_events(spool)[0]
    return change.finish(session, record, {"events-1.jsonl": events_bytes(every)}), said


def begin(session: Session, request: Request, plan: Foreseen) -> tuple[Start, Path]:
    """Record that the change begins, spool what was foreseen as its first events, and return its start and its spool."""
    now = datetime.now(UTC)
    start = Start(
        id=request.id,
        run=1,
        digest=None,
        operator=session.operator,
        controller=socket.gethostname(),
        time=now,
        command=request.command,
    )
    spool = change.spool_of(session, start.id, 1)
    spool.mkdir(parents=True, mode=0o700)
    foreseen = as_events(plan, Event(time=now, type="result", play="Foreseen by a check run"))
    (spool / "events.jsonl").write_bytes(events_bytes(foreseen))
    what = f"deploy, {len(plan.changes)} changes foreseen on {len(plan.changing())} hosts, plan {plan.digest[:12]}"
    change.add(session, start.id, {"start-1.json": file_bytes(start)}, what)
    session.logbook.push()
    change.announce(session, start.id)
    return start, spool


def apply(
    session: Session,
    start: Start,
    spool: Path,
    plan: Foreseen,
    tags: str,
    report: Callable[[Event], None],
    say: Callable[[str], None],
) -> list[Event]:
    """Run the playbook on the hosts of *plan* and return its events."""
    names = {"BORDBUCH_CHANGE": start.id, "BORDBUCH_USER": start.operator, "BORDBUCH_CONTROLLER": start.controller}
    limit = ",".join(plan.hosts) if len(plan.hosts) < len(session.inventory.hosts) else ""
    play = Site(NAME, session.inventory.path, spool, {}, limit, names, options(tags, check=False))
    say(play.shown())
    return play.run(report)


def look(session: Session, spool: Path, plan: Foreseen, report: Callable[[Event], None]) -> list[Event]:
    """Return the events of a look at the hosts, that asks failing checks again until they have had their time."""
    return Playbook(LOOK, session.inventory.path, spool, {"status_patient": True}, ",".join(plan.hosts)).run(report)


def recorded(
    session: Session,
    request: Request,
    start: Start,
    plan: Foreseen,
    events: list[Event],
    before: Status,
    after: Status,
) -> Record:
    """Return the record of the run."""
    hosts = results((*plan.hosts, *plan.silent), plan.silent, events, before, after)
    touched = {host: result for host, result in hosts.items() if host not in plan.silent}
    good = all(result.state in ("verified", "not-begun") for result in touched.values())
    done = [event for event in events if event.type == "result" and event.status == "changed"]
    beyond = unforeseen([(change.host, change.task) for change in plan.changes], events)
    return Record(
        id=start.id,
        kind=request.kind,
        category=request.category,
        reason=request.reason,
        outcome="verified" if good and ended(events) else "failed",
        detail=show.summary(plan, len(done), beyond),
        digest=None,
        requester=request.requester,
        operator=session.operator,
        controller=start.controller,
        started=request.time,
        ended=datetime.now(UTC),
        command=start.command,
        hosts=hosts,
        follow_up=tuple(f"{host}: {left.state}, {left.reason}" for host, left in hosts.items() if left.reason),
    )


def ended(events: list[Event]) -> bool:
    """Return whether the run came to its end."""
    return any(event.type == "end" for event in events)
