"""What a person decides about a change without carrying it out: approve, reject, close, unlock."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal

from ops.change import run as change
from ops.change.collect import host_states, run_playbook
from ops.change.record import record_of
from ops.change.session import Session
from ops.errors import BadInput, Failed, Refused
from ops.logbook.model import Approval, Event, HostResult, Plan, Record, Start
from ops.logbook.repository import ChangeFiles


def decide(session: Session, identifier: str, verdict: Literal["approved", "rejected"], reason: str) -> Approval:
    """Record the operator's *verdict* on the plan of a change.

    Raises:
        BadInput: there is no such plan, or it was decided already.
        Refused: the operator requested it.
    """
    files = session.logbook.read(identifier)
    plan = undecided(files, identifier)
    if plan.request.requester == session.operator:
        raise Refused(
            f"{session.operator} requested {identifier} and cannot decide on it", next_step="ask another operator"
        )
    approval = Approval(
        id=identifier,
        digest=plan.digest,
        verdict=verdict,
        basis="operator",
        by=session.operator,
        reason=reason,
        time=datetime.now(UTC),
    )
    change.record_approval(session, approval)
    if verdict == "rejected" and not files.starts:
        change.finish(session, closing(session, files, "rejected", reason))
    return approval


def undecided(files: ChangeFiles, identifier: str) -> Plan:
    """Return the plan of a change on which a decision is still asked for: before it begins, or owed after an emergency.

    Raises:
        BadInput: there is no such plan, it was decided, or it has ended.
    """
    if files.plan is None:
        raise BadInput(f"there is no plan {identifier}", next_step="invoke changes lists what there is")
    if files.approval is not None:
        given = files.approval
        raise BadInput(f"{identifier} was {given.verdict} by {given.by} on {given.time:%Y-%m-%d %H:%M} UTC")
    if files.record is not None and files.record.approval_owed_until is None:
        raise BadInput(f"{identifier} has ended ({files.record.outcome})", next_step="nothing is left to decide")
    return files.plan


def verb_of(session: Session, identifier: str) -> str:
    """Return the command that carries out the plan of a change."""
    plan = session.logbook.read(identifier).plan
    return "restore" if plan and plan.request.kind == "restore" else "patch"


Results = Callable[[Plan, Iterable[Event]], dict[str, HostResult]]


def close(session: Session, identifier: str, reason: str, results: Results) -> Record:
    """End an open change as it is, with the *reason*; nothing on hosts is touched.

    Args:
        session: who ends it.
        identifier: of the change.
        reason: why.
        results: what became of the hosts of a plan, by the events of its runs.

    Raises:
        BadInput: there is no such open change.
    """
    files = session.logbook.read(identifier)
    if files.record is not None or not (files.plan or files.starts):
        raise BadInput(f"there is no open change {identifier}", next_step="invoke changes lists what there is")
    for start in files.starts:
        change.record_events(session, identifier, start.run)
    seen = session.logbook.read(identifier).events
    hosts = results(files.plan, seen) if files.plan and files.starts else host_states(seen)
    record = closing(session, files, "aborted", reason).model_copy(update={"hosts": hosts})
    return change.finish(session, record)


def closing(session: Session, files: ChangeFiles, ended: Literal["aborted", "rejected"], reason: str) -> Record:
    """Return the record of a change that ends without having been carried out to its end."""
    if files.plan is None:
        return _without_plan(session, files.starts[0], ended, reason)
    return record_of(session, files.plan, files.approval, ended, reason)


def _without_plan(session: Session, start: Start, ended: Literal["aborted", "rejected"], reason: str) -> Record:
    return Record(
        id=start.id,
        kind="playbook",
        category="standard",
        reason=start.command,
        outcome=ended,
        detail=reason,
        digest=None,
        requester=start.operator,
        operator=session.operator,
        controller=start.controller,
        started=start.time,
        ended=datetime.now(UTC),
        command=start.command,
    )


def unlock(session: Session, host: str, reason: str) -> Record:
    """Break the lock that a dead change left on *host*, and record it.

    Raises:
        BadInput: there is no such host.
        Failed: the host did not answer.
    """
    if host not in session.inventory.hosts:
        raise BadInput(f"there is no host {host}", next_step=f"use one of: {', '.join(session.inventory.hosts)}")
    record, why_not = run_playbook(session, "unlock.yml", f"unlock {host}: {reason}", unlock_host=host)
    if record.outcome != "verified":
        raise Failed(f"the lock was not freed ({why_not})", host=host, next_step=f"invoke changes.show {record.id}")
    return record
