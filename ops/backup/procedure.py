"""`invoke backup` and `invoke drill` from the command line to the record."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ops import terminal
from ops.backup import outcome, show
from ops.backup.facts import Looked
from ops.backup.judge import due, findings, untrusted, versions
from ops.backup.look import look
from ops.change.collect import Ending, run_playbook
from ops.change.session import Session
from ops.errors import Failed, Refused
from ops.logbook import index
from ops.logbook.model import Event, Record
from ops.patch.procedure import confirm

Type = Literal["full", "diff", "incr"]


@dataclass(frozen=True)
class Wish:
    """What was typed after ``invoke backup``; no type is the one that is due."""

    type: Type | None = None
    reason: str = "on demand"
    yes: bool = False


@dataclass(frozen=True)
class Trial:
    """What was typed after ``invoke drill``."""

    label: str = ""
    to: str = ""
    repository: int = 1
    reason: str = "on demand"


def backup(session: Session, wish: Wish) -> Record:
    """Say what a backup would do, ask, make it, and record it.

    Raises:
        Refused: versions do not fit, or one is being made.
        Waiting: the question is not answered.
        Failed: it was not made; what was there before is untouched.
    """
    with terminal.progress("Looking at the repositories"):
        seen = look(session)
    refuse_unfit(seen)
    wanted = wish.type or due(seen)
    terminal.table("Plan", show.PLAN_COLUMNS, show.plan_rows(seen, wanted, datetime.now(UTC)))
    confirm("To back up", len(seen.databases), wish.yes)
    with terminal.progress("Backing up"):
        record, why_not = carry_out(
            session, "backup", f"backup: {wish.reason}", backup_on=seen.repository_host, backup_type=wanted
        )
    conclude(record, why_not)
    for host in record.hosts.values():
        for check in host.checks:
            terminal.say(f"{check.name}: {check.detail}")
    for line in record.follow_up:
        terminal.warn(f"Still open: {line}")
    terminal.say(f"Record {record.id}: {record.outcome}. invoke drill proves it.")
    return record


def refuse_unfit(seen: Looked) -> None:
    """Raise ``Refused`` where versions do not fit or a backup or drill runs already."""
    repository = seen.repository
    if repository is None:
        return
    for finding in versions(seen.repository_host, repository, seen.databases):
        raise Refused(finding.what, host=finding.host, left="nothing was done", next_step=finding.next_step)
    if repository.running:
        raise Refused(
            f"{', '.join(repository.running)} runs",
            host=seen.repository_host,
            left="nothing was done",
            next_step="wait for it: invoke backup.list",
        )


def carry_out(session: Session, kind: str, reason: str, **variables: str) -> tuple[Record, str]:
    """Run the playbook named like *kind*, and have the result no longer wait on the host once it is recorded."""
    record, why_not = run_playbook(session, f"{kind}.yml", reason, ending=ending(kind), **variables)
    session.logbook.push()
    look(session)
    return record, why_not


def ending(kind: str) -> Ending:
    """Return what completes the record of a change of this *kind*."""

    def complete(events: tuple[Event, ...]) -> dict[str, object]:
        return {"kind": kind, **outcome.from_events(events)}

    return complete


def conclude(record: Record, why_not: str) -> None:
    """Raise ``Failed`` where *record* did not end well."""
    if record.outcome != "verified":
        raise Failed(
            f"{record.kind} {record.id}: {(record.detail or why_not or record.outcome).rstrip('.')}",
            left="the backups that were there are untouched",
            next_step=f"invoke changes.show {record.id}; invoke backup.check",
        )


def drill(session: Session, trial: Trial) -> Record:
    """Restore a backup into a throwaway place, read it, say how it went, and record it.

    Raises:
        Refused: versions do not fit, or one runs.
        Failed: the verdict is fail.
    """
    with terminal.progress("Looking at the repositories"):
        seen = look(session)
    refuse_unfit(seen)
    with terminal.progress("Drill"):
        record, why_not = carry_out(
            session,
            "drill",
            f"drill: {trial.reason}",
            drill_on=seen.repository_host,
            drill_label=trial.label,
            drill_to=trial.to,
            drill_repository=str(trial.repository),
        )
    terminal.table("Drill", ("step", "state", "what was seen"), show.steps_rows(record))
    terminal.say(f"Verdict {show.verdict(record)}. Record {record.id}")
    conclude(record, why_not)
    terminal.say(record.detail)
    return record


def check(session: Session, json: bool) -> None:
    """Read every file of the repositories, send a WAL file through, compare with what is noted elsewhere, and say what is wrong.

    Raises:
        Failed: something is.
    """
    with terminal.progress("Reading the repositories"):
        seen = look(session, whole=True)
    found = findings(seen, datetime.now(UTC))
    if json:
        terminal.data(show.as_data(seen, found))
    elif found:
        terminal.table("Findings", show.FINDING_COLUMNS, show.finding_rows(found))
    else:
        terminal.say(whole(seen))
    if found:
        raise Failed(f"{len(found)} findings", host=found[0].host, next_step=found[0].next_step)


def whole(seen: Looked) -> str:
    """Return that nothing is wrong, and what was looked at."""
    places = seen.repository.places if seen.repository else ()
    count = sum(len(place.backups) for place in places)
    return f"{count} backups in {len(places)} repositories: every file read and whole, WAL without a gap up to the last minutes."


def listing(session: Session, json: bool) -> None:
    """Print the backups that there are."""
    with terminal.progress("Looking at the repositories"):
        seen = look(session)
    if json:
        terminal.data(show.as_data(seen))
    else:
        terminal.table("Backups", show.LIST_COLUMNS, show.list_rows(seen))
        for finding in untrusted(seen):
            terminal.warn(f"{finding.host}: {finding.what}; {finding.next_step}")


def history(session: Session, json: bool) -> None:
    """Print the drills that are on record, with what they took."""
    records = [*reversed([*index.records(session.logbook, index.ended(session.logbook, kind="drill"))])]
    if json:
        terminal.data([record.model_dump(mode="json") for record in records])
    elif records:
        terminal.table("Drills", show.HISTORY_COLUMNS, show.history_rows(records))
    else:
        terminal.say("No drill is on record. invoke drill makes one.")
