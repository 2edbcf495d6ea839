"""The one way in which a change is carried out: recorded before it begins, as it goes, and at its end.

One policy for failure: the lock on a host is freed once its work is done, what was held off is released by the host itself, and
the record says what was left as it was. What is not known to have ended stays open, and the next command goes on with it.
"""

import fcntl
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from ops.announce.meaning import closes_gate
from ops.change.session import Session
from ops.errors import Refused
from ops.logbook.files import events_bytes, file_bytes, parse_change
from ops.logbook.model import Approval, Event, Plan, Record, Start
from ops.logbook.page import render_change
from ops.logbook.repository import ChangeFiles, change_folder
from ops.playbook import Playbook, read_events
from ops.request import command_line


def record_plan(session: Session, plan: Plan) -> None:
    """Add *plan* to the logbook: from now on the change exists."""
    hosts, packages = len(plan.actions.hosts), sum(len(host.packages) for host in plan.actions.hosts.values())
    add(session, plan.request.id, {"plan.json": file_bytes(plan)}, f"plan, {hosts} hosts, {packages} packages")


def record_approval(session: Session, approval: Approval) -> None:
    """Add *approval* to the logbook."""
    add(session, approval.id, {"approval.json": file_bytes(approval)}, f"{approval.verdict} by {approval.by}")


def add(session: Session, change: str, files: dict[str, bytes], what: str) -> None:
    """Add *files* to the folder of *change* in one signed commit that says *what* it is."""
    folder = change_folder(change)
    session.logbook.add({f"{folder}/{name}": content for name, content in files.items()}, f"{change}: {what}")


@contextmanager
def alone(session: Session) -> Iterator[None]:
    """Keep other commands of this clone from changing hosts meanwhile; a killed one frees it by dying.

    Raises:
        Refused: one is at it, with who and since when.
    """
    session.spools.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (session.spools / "running").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise Refused(f"another command runs in this checkout: {file.read()}", left="nothing was touched") from None
        file.truncate(0)
        file.write(f"{session.operator}, pid {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        file.flush()
        yield


def is_free(session: Session) -> bool:
    """Return whether no command of this clone is changing hosts now."""
    try:
        with alone(session):
            return True
    except Refused:
        return False


def run(
    session: Session,
    plan: Plan,
    number: int,
    playbook: Callable[[Start, Path], Playbook],
    report: Callable[[Event], None],
) -> int:
    """Carry out *plan* by *playbook* as run *number*, recorded from start to events, and return the seconds that it took.

    Args:
        session: who acts.
        plan: what was approved.
        number: 1, or one more for each time that it is resumed.
        playbook: makes the playbook's run from the start and the folder of the spool.
        report: is told each event as it comes.
    """
    start = Start(
        id=plan.request.id,
        run=number,
        digest=plan.digest,
        operator=session.operator,
        controller=socket.gethostname(),
        time=datetime.now(UTC),
        command=command_line(),
    )
    add(session, start.id, {f"start-{number}.json": file_bytes(start)}, f"run {number} by {start.operator}")
    session.logbook.push()
    announce(session, start.id)
    began = time.monotonic()
    playbook(start, spool_of(session, start.id, number)).run(watching_gates(session, start.id, report))
    record_events(session, start.id, number)
    return round(time.monotonic() - began)


def announce(session: Session, change: str) -> None:
    """Tell others, where the inventory names any, that *change* has begun or how it ended."""
    session.announcer.change(lambda: session.logbook.read(change))


def watching_gates(session: Session, change: str, report: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return what hands events to *report*, and tells others of the first gate of a run of *change* that closes."""
    seen: list[Event] = []

    def told(event: Event) -> None:
        report(event)
        if not any(map(closes_gate, seen[-1:])):
            seen.append(event)
            if closes_gate(event):
                session.announcer.gate(lambda: with_events(session.logbook.read(change), seen))

    return told


def with_events(files: ChangeFiles, events: Iterable[Event]) -> ChangeFiles:
    """Return *files* with *events* that are not in the logbook yet."""
    return files.model_copy(update={"events": (*files.events, *events)})


def spool_of(session: Session, change: str, number: int) -> Path:
    """Return where run *number* of *change* spools its events on this machine."""
    return session.spools / f"{change}-{number}"


def record_events(session: Session, change: str, number: int) -> None:
    """Add the spooled events of run *number* to the logbook, if it left any here and they are not there yet."""
    events, _end = read_events(spool_of(session, change, number))
    if events and f"events-{number}.jsonl" not in session.logbook.files(change):
        add(session, change, {f"events-{number}.jsonl": events_bytes(events)}, f"events of run {number}")


def finish(session: Session, record: Record, more: Mapping[str, bytes] = MappingProxyType({})) -> Record:
    """Add *record* and its page, and *more* files of the change, in one commit: the change has ended. Return what was added.

    Others are told before, so that the record can say whom the news did not reach; that takes `LIMIT_SECONDS` at most. The page is
    made from everything as it is written.
    """
    known = session.logbook.raw(record.id) | dict(more) | {"record.json": file_bytes(record)}
    session.announcer.change(lambda: parse_change(record.id, known))
    if unsent := session.announcer.settle():
        record = record.model_copy(update={"follow_up": (*record.follow_up, *unsent)})
        known = {**known, "record.json": file_bytes(record)}
    page = render_change(parse_change(record.id, known))
    files = {**more, "record.json": known["record.json"], "page.md": page.encode()}
    add(session, record.id, files, f"{record.outcome}, {len(record.hosts)} hosts")
    for spool in session.spools.glob(f"{record.id}-*"):
        shutil.rmtree(spool)
    return record
