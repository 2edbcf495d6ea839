"""`invoke patch` from the command line to the record: what is open, the plan, the question, the waves, the summary."""

import socket
from dataclasses import dataclass
from datetime import UTC, datetime

from ops import policy, terminal
from ops.change import run as change
from ops.change.record import record_of
from ops.change.record import refusal as refusal_record
from ops.change.session import Session
from ops.errors import BadInput, Failed, Refused, Waiting
from ops.logbook.model import Approval, Category, Kind, Plan, Record, Request, Selection
from ops.logbook.repository import ChangeFiles, change_folder
from ops.patch import apply, outcome, show
from ops.patch.plan import difference
from ops.patch.prepare import prepare
from ops.patch.progress import Progress
from ops.request import make_request


@dataclass(frozen=True)
class Wish:
    """What was typed after ``invoke patch``."""

    limit: str = ""
    selection: Selection | None = None
    category: Category = "standard"
    reason: str = "security updates"
    ticket: str = ""
    yes: bool = False
    stage: bool = True


def patch(session: Session, wish: Wish) -> None:
    """Carry on with what is open, or plan, ask, apply, verify and record a patch.

    Raises:
        Refused: a freeze, a lock, a rejection; recorded. Or another operator's change is under way.
        Waiting: the question or an approval is not answered.
        Failed: a host failed or could not be judged, or a gate closed.
    """
    with change.alone(session):
        begun = [files for files in session.logbook.open_changes() if files.starts and files.plan]
        refuse_restores(begun)
        if begun:
            refuse_anothers(session, begun[0])
            resume(session, begun[0], wish.yes)
        else:
            fresh(session, wish)


def refuse_restores(begun: list[ChangeFiles]) -> None:
    """Raise ``Refused`` where one of the *begun* changes is a restore: what it left decides what there is to patch."""
    for files in begun:
        if files.plan and files.plan.request.kind == "restore":
            raise Refused(
                f"restore {files.id} was begun and has not ended",
                left="nothing was touched",
                next_step=f"invoke restore --change {files.id} goes on with it",
            )


def refuse_anothers(session: Session, files: ChangeFiles) -> None:
    """Raise ``Refused`` where the change was begun by another operator or from another machine: it may well go on there."""
    last = files.starts[-1]
    if (last.operator, last.controller) != (session.operator, socket.gethostname()):
        raise Refused(
            f"change {files.id} of {last.operator} on {last.controller} is under way since {show.moment(last.time)}",
            left="nothing was touched",
            next_step=f"wait for it; if that machine is dead, take it over: invoke patch --change {files.id}",
        )


def fresh(session: Session, wish: Wish) -> None:
    """Plan anew, ask, and apply."""
    request = requested(session, wish)
    refuse_frozen(session, request)
    plan = planned(session, request, wish)
    if not plan.actions.hosts:
        conclude_empty(plan)
        return
    decide(session, plan, wish)


def revert(session: Session, identifier: str, wish: Wish) -> None:
    """Return the hosts to exactly the package versions from before the change *identifier*, as a change of its own.

    Raises:
        BadInput: there is no such change, or it did nothing to packages.
        Refused: a freeze, a lock; or a change is under way.
        Waiting: the question or an approval is not answered.
        Failed: a host cannot go back, failed, or a gate closed.
    """
    with change.alone(session):
        refuse_begun(session)
        files = session.logbook.read(identifier)
        if files.plan is None or files.record is None or not files.plan.actions.hosts:
            raise BadInput(f"change {identifier} has not ended, or changed no package", left="nothing was touched")
        request = requested(session, wish, identifier)
        refuse_frozen(session, request)
        plan = planned(session, request, wish)
        if plan.actions.hosts:
            decide(session, plan, wish)
        elif plan.excluded:
            raise Failed(
                "; ".join(f"{host}: {reason}" for host, reason in plan.excluded.items()),
                left="nothing was changed",
                next_step="take back what came later first, or bring the older version by hand",
            )
        else:
            terminal.say(
                f"Nothing of {identifier} is left to be taken back: the hosts have the versions from before it."
            )


def refuse_begun(session: Session) -> None:
    """Raise ``Refused`` where a change has begun and not ended."""
    for files in session.logbook.open_changes():
        if files.starts:
            raise Refused(
                f"change {files.id} is under way", left="nothing was touched", next_step="end it first: invoke patch"
            )


def decide(session: Session, plan: Plan, wish: Wish) -> None:
    """Have *plan* approved as the policy wants, and apply it, or file it for another operator's approval.

    Raises:
        Waiting: the question or the approval is not answered.
    """
    rule = session.inventory.policy.approval[wish.category]
    if rule == "operator":
        file_request(session, plan)
        raise policy.approval(session.inventory.policy, plan, None) or Waiting("an approval is needed")
    ask(plan, wish.yes)
    change.record_plan(session, plan)
    if rule == "policy":
        change.record_approval(session, by_policy(session, plan))
    execute(session, plan, 1)


def requested(session: Session, wish: Wish, reverts: str | None = None) -> Request:
    """Return the request that *wish* makes, as of now; *reverts* is the change that it takes back."""
    kind: Kind = "revert" if reverts else "patch"
    where = {"limit": wish.limit, "ticket": wish.ticket}
    return make_request(kind, wish.category, wish.reason, session.operator, session.inventory, reverts=reverts, **where)


def refuse_frozen(session: Session, request: Request, what: str = "") -> None:
    """Raise the refusal by a freeze that is in force, recorded under *request*, with *what* was to be applied."""
    refusal = policy.freeze(session.inventory.policy, request.category, datetime.now(UTC))
    if refusal:
        change.finish(session, refusal_record(session, request, f"{what}{refusal.what}"))
        raise refusal


def planned(session: Session, request: Request, wish: Wish) -> Plan:
    """Return the plan for *request*, shown, with nothing changed on any host."""
    plan = ask_hosts(session, request, wish.selection, wish.stage)
    display(plan)
    return plan


def ask_hosts(session: Session, request: Request, selection: Selection | None, stage: bool) -> Plan:
    """Return the plan for *request*, with progress while the hosts answer."""
    hosts = session.inventory.select(request.limit)
    bringing = " and bringing the packages to them" * (stage and not request.reverts)
    with Progress(f"Planning on {len(hosts)} hosts{bringing}", len(hosts)) as progress:
        return prepare(session, request, selection, stage, progress.plan_event)


def display(plan: Plan) -> None:
    """Show a plan: the state of each host, and each package change."""
    terminal.table("Hosts", show.STATE_COLUMNS, show.state_rows(plan))
    if plan.actions.hosts:
        terminal.table("Plan", show.plan_columns(plan), show.plan_rows(plan))
        terminal.say(show.headline(plan))


def conclude_empty(plan: Plan) -> None:
    """Say that nothing is pending and how that is known.

    Raises:
        Failed: it is not known for every host.
    """
    if plan.excluded:
        names = "; ".join(f"{host} ({reason})" for host, reason in plan.excluded.items())
        raise Failed(
            f"nothing is pending on the hosts that could be judged, but not known for {names}",
            left="nothing was changed",
            next_step=repair_hint(plan),
        )
    terminal.say(show.nothing_pending(plan))


def repair_hint(plan: Plan) -> str:
    """Return what to do about hosts that could not be judged."""
    broken = [host for host, seen in plan.observations.items() if seen.verdict == "needs-repair"]
    return f"invoke patch.repair --limit {','.join(broken)} --reason …" if broken else "mend that, then run it again"


def ask(plan: Plan, yes: bool) -> None:
    """Ask whether to go on with *plan*, and say until when stopping is safe.

    Raises:
        Waiting: nobody is there to answer, or the answer was another.
    """
    terminal.say(
        "Stopping is safe until the first host is touched, and after that too: what began ends by itself on its"
    )
    terminal.say("host, later waves do not begin, and the next invoke patch goes on from there.")
    confirm("To patch", len(plan.actions.hosts), yes)


def confirm(purpose: str, count: int, yes: bool) -> None:
    """Ask for the number of hosts, *count*, unless *yes* answers.

    Raises:
        Waiting: nobody is there to answer, or the answer was another.
    """
    if not yes and not terminal.ask_number(f"{purpose}, type the number of hosts", count):
        raise Waiting("not confirmed", left="nothing was changed", next_step="run it again when you are ready")


def file_request(session: Session, plan: Plan) -> None:
    """Record *plan* so that another operator can approve it.

    Raises:
        BadInput: it does nothing, so that there is nothing to approve.
    """
    if not plan.actions.hosts:
        raise BadInput("the plan changes nothing, so there is nothing to approve", left="nothing was recorded")
    change.record_plan(session, plan)
    terminal.say(f"Filed. Another operator runs: invoke patch.approve {plan.request.id} --reason …")


def by_policy(session: Session, plan: Plan) -> Approval:
    """Return the approval that the policy gives to a standard change once the operator has confirmed it."""
    return Approval(
        id=plan.request.id,
        digest=plan.digest,
        verdict="approved",
        basis="policy",
        by=session.operator,
        reason=f"standard change, {len(plan.actions.hosts)} hosts confirmed",
        time=datetime.now(UTC),
    )


def execute(session: Session, plan: Plan, number: int, hosts: list[str] | None = None) -> None:
    """Apply *plan* to *hosts* (all of it) as run *number*, show how it ended, and raise if that is not well."""
    todo = hosts if hosts is not None else [host for wave in plan.actions.waves for host in wave]
    with Progress(f"Patching {len(todo)} hosts", len(todo)) as progress:
        record = apply.carry_out(session, plan, number, todo, progress.event, terminal.say)
    if record is None:
        raise Failed(
            f"contact was lost, change {plan.request.id} stays open",
            left="what began on a host ends there by itself; later waves have not begun",
            next_step="invoke patch goes on from there",
        )
    close(session, plan, record)


def close(session: Session, plan: Plan, record: Record) -> None:
    """Push the record, show the summary and raise the outcome where it is not ``verified`` on every host.

    Raises:
        Refused: every host that was asked refused.
        Failed: a host failed, or could not be judged in the first place.
    """
    pushed = session.logbook.push()
    page = session.logbook.path / change_folder(record.id) / "page.md"
    terminal.table("Result", show.RESULT_COLUMNS, show.result_rows(record))
    for line in show.summary(
        record, str(page), "off-host" if pushed.off_host else f"not yet off-host: {pushed.reason or pushed.state}"
    ):
        terminal.say(line)
    bad = {
        host: f"{result.state}, {result.reason}"
        for host, result in record.hosts.items()
        if result.state not in ("verified", "not-begun")
    }
    if record.outcome != "verified":
        raise (Refused if record.outcome == "refused" else Failed)(
            "; ".join(f"{host}: {words}" for host, words in bad.items()),
            left="later waves have not begun" if record.outcome == "failed" else "nothing was touched",
            next_step=f"invoke changes.show {record.id}, then plan again with invoke patch",
        )
    if plan.excluded:
        raise Failed(
            f"what was planned is done, but not planned were {'; '.join(f'{host} ({why})' for host, why in plan.excluded.items())}",
            next_step=repair_hint(plan),
        )


def resume(session: Session, files: ChangeFiles, yes: bool) -> None:
    """Go on with a change that was begun and has no end yet: what runs or ended on hosts is adopted, nothing is repeated.

    Raises:
        Waiting: nobody confirmed it.
    """
    plan, last = waiting_plan(files, files.id, begun=True), files.starts[-1]
    change.record_events(session, plan.request.id, last.run)
    events = session.logbook.read(plan.request.id).events
    results = outcome.host_results(plan, events)
    age = show.age(int((datetime.now(UTC) - last.time).total_seconds()))
    terminal.say(
        f"Change {plan.request.id} of {last.operator} on {last.controller} was begun {age} ago and has not ended:"
    )
    terminal.table("Open", show.RESULT_COLUMNS, [show.result_row(host, result) for host, result in results.items()])
    terminal.say(f"To end it as it is instead: invoke patch.close {plan.request.id} --reason …")
    left = apply.unfinished_hosts(plan, events)
    confirm("To resume", len(left), yes)
    execute(session, plan, last.run + 1, left)


def apply_approved(session: Session, identifier: str, yes: bool) -> None:
    """Apply a change that has its approval, or take over one that was begun elsewhere.

    Raises:
        Waiting: nobody has approved it yet.
        Refused: it was rejected, or what the hosts and archives offer has moved on; recorded, with the difference.
    """
    with change.alone(session):
        files = session.logbook.read(identifier)
        if files.plan and files.plan.request.kind == "restore":
            raise BadInput(f"{identifier} is a restore", next_step=f"invoke restore --change {identifier}")
        if files.starts and files.plan and not files.record:
            resume(session, files, yes)
            return
        plan = waiting_plan(files, identifier)
        begin_approved(session, plan, files.approval, yes)


def begin_approved(session: Session, plan: Plan, given: Approval | None, yes: bool) -> None:
    """Apply *plan* under the approval *given*, if it is still exactly what would be planned now."""
    objection = policy.approval(session.inventory.policy, plan, given)
    if objection:
        raise objection
    wish = Wish(plan.request.limit, category=plan.request.category, reason=f"apply {plan.request.id}")
    refuse_frozen(session, requested(session, wish), f"{plan.request.id}: ")
    now = ask_hosts(session, plan.request, plan.actions.selection, True)
    if now.digest != plan.digest:
        raise moved_on(session, plan, given, difference(plan, now))
    display(plan)
    ask(plan, yes)
    execute(session, plan, 1)


def waiting_plan(files: ChangeFiles, identifier: str, *, begun: bool = False) -> Plan:
    """Return the plan of a change that has not begun, or that has *begun* and not ended.

    Raises:
        BadInput: there is no such plan, or the change is further than that.
    """
    if files.plan is None:
        raise BadInput(f"there is no plan {identifier}", next_step="invoke changes lists what there is")
    if files.record or bool(files.starts) != begun:
        raise BadInput(f"change {identifier} has {'ended' if files.record else 'begun'} already")
    return files.plan


def moved_on(session: Session, plan: Plan, given: Approval | None, lines: list[str]) -> Refused:
    """Record that *plan* is refused because the hosts or archives have moved on, and return the refusal."""
    change.finish(session, record_of(session, plan, given, "refused", "; ".join(lines)))
    return Refused(
        f"what was approved is no longer what would be applied: {'; '.join(lines[:10])}",
        left="nothing was touched",
        next_step=f"invoke patch --category {plan.request.category} --reason … makes a new plan to approve",
    )
