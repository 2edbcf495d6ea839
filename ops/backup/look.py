"""Ask the hosts how backups stand, and record what timers did meanwhile."""

import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from ops.backup import outcome
from ops.backup.facts import Database, Looked, Repository, Waiting
from ops.change import run as change
from ops.change.session import Session
from ops.errors import BadInput, Failed
from ops.logbook.files import RESULT, RESULT_SIGNATURE, events_bytes, file_bytes
from ops.logbook.judge_machine import TIMER, unsigned
from ops.logbook.model import Event, Record, Start
from ops.playbook import Playbook, told
from ops.request import new_id

Status = Literal["changed", "failed"]
PLAYBOOK, MODULE = "backup_look.yml", "backup_facts"


def look(session: Session, *, whole: bool = False) -> Looked:
    """Return how backups stand; results of timers that waited on the host are recorded.

    Args:
        session: who looks.
        whole: whether every file of the repository is read, and a WAL file is sent through.

    Raises:
        BadInput: the inventory has no backups.
        Failed: the host of the repository did not answer.
    """
    seen = ask(session.inventory.path, {"backup_whole": whole})
    if seen.repository is None:
        words = "; ".join(f"{host}: {why}" for host, why in seen.silent.items())
        if not words:
            raise BadInput("this inventory has no backup_host", next_step="see docs/howto/set-up-backups.md")
        raise Failed(f"how backups stand is not known ({words})", left="nothing was done", next_step="invoke deploy")
    collected, untrusted = collect(session, seen)
    if collected:
        ask(session.inventory.path, {"backup_collected": collected})
    return seen.model_copy(update={"untrusted": untrusted})


def ask(inventory: Path, variables: dict[str, object]) -> Looked:
    """Return the answers of the hosts of *inventory*."""
    with tempfile.TemporaryDirectory(prefix="bordbuch-") as spool:
        events = Playbook(PLAYBOOK, inventory, Path(spool), variables).run(lambda _event: None)
        return answers(events, told(Path(spool)))


def answers(events: Iterable[Event], said: dict[str, str]) -> Looked:
    """Return what the hosts answered, by the *events* of the look and what failed tasks *said*."""
    host, repository, databases, silent = "", None, {}, {}
    for event in events:
        if event.type != "result" or event.status == "skipped":
            continue
        if event.status in ("failed", "unreachable"):
            silent[event.host] = said.get(event.host) or "did not answer"
            continue
        try:
            if "places" in event.data:
                host, repository = event.host, Repository.model_validate(event.data)
            else:
                databases[event.host] = Database.model_validate(event.data)
        except ValidationError:
            silent[event.host] = "its answer cannot be read"
    return Looked(repository_host=host, repository=repository, databases=databases, silent=silent)


def collect(session: Session, seen: Looked) -> tuple[list[str], dict[str, str]]:
    """Record the results that waited on the host, and return their ids, and why others wait on.

    A result whose change has a record already, one that lost contact, gets a record of its own that corrects the other. One that
    the host has not signed with the key that the inventory knows of it is not recorded.
    """
    done: list[str] = []
    untrusted: dict[str, str] = {}
    for waiting in seen.repository.queue if seen.repository else ():
        identifier, text = str(waiting.result["id"]), waiting.text.encode()
        hosts, moment = (seen.repository_host,), datetime.now(UTC)
        if problem := unsigned(text, waiting.signature.encode(), session.operators, hosts, moment):
            untrusted[identifier] = problem
            continue
        before = session.logbook.read(identifier).record if session.logbook.files(identifier) else None
        if before is None or before.outcome != outcome.ended(waiting.result):
            record(session, seen.repository_host, waiting, before)
        done.append(identifier)
    return done, untrusted


def record(session: Session, host: str, waiting: Waiting, before: Record | None) -> None:
    """Add the record of what *waiting* on *host* says; *before* is what the logbook says of the same change."""
    result = waiting.result
    fields = outcome.record_fields(host, result)
    made = Record(
        id=new_id(fields["ended"]) if before else str(result["id"]),
        category="standard",
        reason=before.reason if before else "by the timer",
        digest=None,
        requester=before.requester if before else session.operator,
        operator=session.operator,
        controller=before.controller if before else host,
        command=before.command if before else TIMER,
        links={"corrects": before.id} if before else {},
        **fields,
    )
    change.finish(session, made, evidence(made, host, waiting))


def evidence(made: Record, host: str, waiting: Waiting) -> dict[str, bytes]:
    """Return the files that show what the record *made* says: when it began, and the result as *host* wrote and signed it."""
    start = Start(
        id=made.id,
        run=1,
        digest=None,
        operator=made.operator,
        controller=made.controller,
        time=made.started,
        command=made.command,
    )
    status: Status = "changed" if made.outcome == "verified" else "failed"
    seen = Event(
        time=made.ended,
        type="result",
        task="Take over what the host's timer did",
        action=outcome.MODULE,
        host=host,
        status=status,
        data=waiting.result,
    )
    return {
        "start-1.json": file_bytes(start),
        "events-1.jsonl": events_bytes([seen, Event(time=made.ended, type="end")]),
        RESULT: waiting.text.encode(),
        RESULT_SIGNATURE: waiting.signature.encode(),
    }
