"""`invoke restore` from the command line to the record: what comes back, what is lost, whose yes, and how it ended."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ops import terminal
from ops.backup import show
from ops.backup.facts import Backup, Database, Looked, Place
from ops.backup.judge import span
from ops.backup.look import look
from ops.backup.outcome import Ended
from ops.backup.procedure import refuse_unfit
from ops.backup.restored import host_result, left, seconds_of
from ops.backup.undone import Undone, followed, refuse_undone, spans
from ops.change import run as change
from ops.change.record import record_of
from ops.change.session import Session
from ops.errors import BadInput, Failed, OpsError, Refused, Waiting
from ops.logbook.canonical import digest
from ops.logbook.model import (
    Approval,
    Category,
    Plan,
    Record,
    RestoreActions,
    RestoreHost,
    Start,
)
from ops.logbook.repository import ChangeFiles
from ops.patch.procedure import by_policy, confirm, file_request, refuse_begun, refuse_frozen
from ops.playbook import Playbook
from ops.request import make_request, new_id

PAGE_MINUTES = 120
COLUMNS = ("host", "backup", "until", "what is lost", "what is there now")


@dataclass(frozen=True)
class Wish:
    """What was typed after ``invoke restore``."""

    to: str = ""
    label: str = ""
    target: str = ""
    repository: int = 1
    reason: str = ""
    confirm: str = ""
    yes: bool = False


def restore(session: Session, wish: Wish) -> Record:
    """Plan a restore, show it, ask; carry it out and return its record, or file it where data would be replaced.

    Raises:
        BadInput: there is no such backup, time or host.
        Refused: a freeze, versions that do not fit, or a change is under way.
        Waiting: the question is not answered, or another operator has to approve it.
        Failed: it failed; what was there before is there again.
    """
    with change.alone(session):
        refuse_begun(session)
        with terminal.progress("Looking at the repositories"):
            seen = look(session)
        refuse_unfit(seen)
        live = live_host(session)
        host, actions = chosen(seen, wish, live, spans(session.logbook, live, seen))
        category: Category = "normal" if actions.replaces else "standard"
        request = make_request("restore", category, wish.reason, session.operator, session.inventory, limit=host)
        refuse_frozen(session, request)
        plan = plan_of(request, host, actions)
        display(plan, seen)
        if actions.replaces:
            file_request(session, plan)
            raise waiting(plan)
        confirm("To restore", 1, wish.yes)
        change.record_plan(session, plan)
        change.record_approval(session, by_policy(session, plan))
        return execute(session, plan, 1)


def waiting(plan: Plan) -> Waiting:
    """Return that another operator has to approve *plan*."""
    return Waiting(
        "data is replaced: another operator has to approve it",
        left="nothing was touched",
        next_step=f"invoke patch.approve {plan.request.id} --reason …, then invoke restore --change {plan.request.id}",
    )


def live_host(session: Session) -> str:
    """Return the host that the application asks: the first of its group."""
    return next(iter(session.inventory.groups.get("database", ())), "")


def chosen(seen: Looked, wish: Wish, live: str, taken_back: tuple[Undone, ...] = ()) -> tuple[str, RestoreHost]:
    """Return which host is restored onto (*live* if nobody names another), and what onto it.

    Raises:
        BadInput: there is no such backup, time, repository or host, or the time was *taken_back* by an earlier restore.
    """
    host = wish.target or live
    if host not in seen.databases:
        known = ", ".join(seen.databases) or "none answered"
        why = f": {seen.silent[host]}" if host in seen.silent else ""
        raise BadInput(
            f"{host or 'a database host'} cannot be restored onto{why}", next_step=f"database hosts: {known}"
        )
    place = place_of(seen, wish.repository)
    moment = time_of(wish.to)
    refuse_undone(moment, taken_back)
    backup = backup_of(place, wish.label, moment, taken_back)
    until = f"{moment:%Y-%m-%d %H:%M:%S}+00" if moment else "backup" if wish.label else "newest"
    return host, RestoreHost(
        label=backup.label, until=until, repository=wish.repository, replaces=holds_data(seen.databases[host])
    )


def place_of(seen: Looked, number: int) -> Place:
    """Return the repository *number*."""
    for place in seen.repository.places if seen.repository else ():
        if place.number == number and place.opens:
            return place
        if place.number == number:
            raise BadInput(f"repository {number} cannot be read: {place.status}", left="nothing was touched")
    raise BadInput(f"there is no repository {number}", left="nothing was touched", next_step="invoke backup.list")


def time_of(text: str) -> datetime | None:
    """Return the time that *text* names, None where it is empty.

    Raises:
        BadInput: it is none, has no zone, or lies ahead.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no time", next_step="write it like 2026-11-25T23:00:00Z") from None
    if moment.tzinfo is None:
        raise BadInput(f"{text!r} has no time zone", next_step="write it like 2026-11-25T23:00:00Z")
    if moment > datetime.now(UTC):
        raise BadInput(f"{text} lies ahead", left="nothing was touched")
    return moment.astimezone(UTC)


def backup_of(place: Place, label: str, moment: datetime | None, taken_back: tuple[Undone, ...] = ()) -> Backup:
    """Return the backup to begin with: the one of this *label*, else the newest that had ended at *moment* and leads there.

    Raises:
        BadInput: there is none.
    """
    fitting = [one for one in place.backups if moment is None or one.stop <= moment.timestamp()]
    named = [one for one in fitting if one.label == label]
    fitting = named if label else [one for one in followed(fitting, taken_back) if not one.error]
    if not fitting:
        first = show.moment(place.backups[0].stop) if place.backups else "none"
        before = f"from before {moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "yet"
        raise BadInput(
            f"repository {place.number} has no backup {label or before}",
            left="nothing was touched",
            next_step=f"the oldest ended {first}: invoke backup.list",
        )
    return fitting[-1]


def holds_data(database: Database) -> bool:
    """Return whether a host has members, or may have some: its server does not answer, or not to that."""
    return database.members != 0 or (bool(database.data) and not database.runs)


def plan_of(request: Any, host: str, actions: RestoreHost) -> Plan:
    """Return the plan for *request*: *actions* on *host*."""
    made = RestoreActions(kind="restore", selection="all", waves=((host,),), hosts={host: actions})
    return Plan(request=request, actions=made, digest=digest(made.model_dump(mode="json")), observations={})


def display(plan: Plan, seen: Looked) -> None:
    """Show what comes back, and what is lost by it."""
    host, actions = only(plan)
    terminal.table("Plan", COLUMNS, [row(host, actions, seen.databases[host], datetime.now(UTC))])
    terminal.say(
        "Everybody who was locked or deleted since is locked or deleted again before the application starts; all sessions end."
    )
    if actions.replaces:
        terminal.say(f"The data that {host} has now is kept aside there until somebody deletes it.")


def row(host: str, actions: RestoreHost, database: Database, now: datetime) -> tuple[str, ...]:
    """Return the row of a plan: what comes back, what is lost, what is there."""
    if actions.until == "newest":
        lost = "what never reached the repository"
    elif actions.until == "backup":
        lost = f"everything since the backup {actions.label} ended"
    else:
        lost = f"the last {span(int((now - datetime.fromisoformat(actions.until)).total_seconds()))} of {now:%Y-%m-%d %H:%M} UTC"
    there = f"{database.members} members, kept aside" if actions.replaces else "no members"
    return (
        host,
        actions.label,
        actions.until,
        lost,
        there if database.runs or not database.data else "a server that does not answer",
    )


def only(plan: Plan) -> tuple[str, RestoreHost]:
    """Return the one host of a restore and what is done to it.

    Raises:
        BadInput: the plan is none of a restore.
    """
    if not isinstance(plan.actions, RestoreActions):
        raise BadInput(f"{plan.request.id} is no restore", next_step=f"invoke patch --change {plan.request.id}")
    return next(iter(plan.actions.hosts.items()))


def carry_on(session: Session, identifier: str, wish: Wish) -> None:
    """Carry out a restore that was approved, or go on with one that was begun.

    Raises:
        BadInput: there is no such restore, or it has ended.
        Waiting: nobody approved it, or the questions are not answered.
        Refused: it was rejected.
        Failed: it failed; what was there before is there again.
    """
    with change.alone(session):
        files = session.logbook.read(identifier)
        plan = open_plan(files, identifier)
        objection = disagreement(plan, files.approval)
        if objection and not files.starts:
            raise objection
        if not files.starts:
            refuse_begun(session)
            refuse_frozen(session, plan.request.model_copy(update={"id": new_id(datetime.now(UTC))}), f"{identifier}: ")
        with terminal.progress("Looking at the repositories"):
            seen = look(session)
        if not files.starts:
            refuse_unfit(seen)
            refuse_moved(plan, seen)
            display(plan, seen)
            ask_twice(plan, wish.confirm)
        execute(session, plan, len(files.starts) + 1)


def open_plan(files: ChangeFiles, identifier: str) -> Plan:
    """Return the plan of a restore that has not ended.

    Raises:
        BadInput: there is none.
    """
    if files.plan is None or files.record is not None:
        raise BadInput(f"there is no open restore {identifier}", next_step="invoke changes lists what there is")
    only(files.plan)
    return files.plan


def disagreement(plan: Plan, given: Approval | None) -> OpsError | None:
    """Return why *plan* must not be carried out: data is only replaced with the yes of a second person, whatever the policy."""
    _host, actions = only(plan)
    if given is None:
        return waiting(plan) if actions.replaces else None
    if given.verdict == "rejected":
        return Refused(f"{given.by} rejected it: {given.reason}", left="nothing was touched")
    if given.digest != plan.digest or (actions.replaces and given.by == plan.request.requester):
        return Refused(f"the approval by {given.by} is none for this plan", left="nothing was touched")
    return None


def refuse_moved(plan: Plan, seen: Looked) -> None:
    """Raise ``Refused`` where what was approved is no longer what would be done."""
    host, actions = only(plan)
    labels = [one.label for one in place_of(seen, actions.repository).backups]
    if actions.label not in labels:
        raise Refused(
            f"the backup {actions.label} is no longer there", left="nothing was touched", next_step="plan it anew"
        )
    if host not in seen.databases or holds_data(seen.databases[host]) != actions.replaces:
        raise Refused(
            f"{host} has {'no data any more' if actions.replaces else 'data now'}, other than what was approved",
            left="nothing was touched",
            next_step="plan it anew with invoke restore",
        )


def ask_twice(plan: Plan, confirmed: str) -> None:
    """Have the name of the host typed twice where its data is replaced.

    Raises:
        Waiting: it was not.
    """
    host, actions = only(plan)
    if not actions.replaces or confirmed == host:
        return
    questions = ("Type the name of the host whose data is replaced", "Once more: the name of the host, to begin")
    if confirmed or not all(terminal.ask_word(question, host) for question in questions):
        raise Waiting("not confirmed", left="nothing was touched", next_step=f"type {host} at both questions")


def execute(session: Session, plan: Plan, number: int) -> Record:
    """Carry out *plan* as run *number*, record it, say how it ended, and return the record.

    Raises:
        Failed: it did not end well, or contact was lost.
    """
    host, _actions = only(plan)

    def playbook(start: Start, spool: Path) -> Playbook:
        play = Playbook("restore.yml", session.inventory.path, spool, variables(session, plan, start))
        terminal.say(play.shown())
        return play

    with terminal.progress(f"Restoring onto {host}"):
        change.run(session, plan, number, playbook, lambda _event: None)
    record = concluded(session, plan)
    if record is None:
        raise Failed(
            f"contact was lost, restore {plan.request.id} stays open",
            host=host,
            left="what began there goes on by itself",
            next_step=f"invoke restore --change {plan.request.id} goes on from there",
        )
    report(session, record, host)
    return record


def variables(session: Session, plan: Plan, start: Start) -> dict[str, Any]:
    """Return what the playbook is given."""
    host, actions = only(plan)
    live = host == live_host(session)
    return {
        "restore": {
            **actions.model_dump(mode="json", include={"label", "until", "repository", "replaces"}),
            "host": host,
            "live": live,
            "change": plan.request.id,
            "operator": start.operator,
            "controller": start.controller,
            "until_page": f"{datetime.now(UTC) + timedelta(minutes=PAGE_MINUTES):%Y-%m-%dT%H:%M:00+00:00}",
        }
    }


def concluded(session: Session, plan: Plan) -> Record | None:
    """Record how *plan* ended; None where that is not known yet."""
    files = session.logbook.read(plan.request.id)
    host, _actions = only(plan)
    result = host_result(files.events)
    if result is None:
        return None
    ended: Ended = "verified" if result.state == "verified" else "failed"
    record = record_of(session, plan, files.approval, ended).model_copy(
        update={
            "started": files.starts[0].time,
            "hosts": {host: result},
            "seconds": {"restore": seconds_of(files.events)},
            "detail": result.reason,
            "follow_up": ("make a full backup of what was restored: invoke backup --full",)
            if ended == "verified"
            else (),
        }
    )
    return change.finish(session, record)


def report(session: Session, record: Record, host: str) -> None:
    """Say how it ended.

    Raises:
        Failed: not well.
    """
    session.logbook.push()
    result = record.hosts[host]
    terminal.table("Restore", ("step", "state", "what was seen"), show.steps_rows(record))
    if record.outcome != "verified":
        raise Failed(
            f"the restore failed ({result.reason})",
            host=host,
            left=left(result),
            next_step=f"invoke changes.show {record.id}",
        )
    terminal.say(
        f"Record {record.id}: {record.outcome} in {record.seconds['restore']} s. Next: invoke backup --full, invoke verify"
    )
