"""`invoke patch` from the command line to the record: what is open, the plan, the question, the waves, the summary."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ops import policy, terminal
from ops.change import run as change
from ops.change.session import Session
from ops.errors import BadInput, Failed, OpsError, Refused, Waiting
from ops.logbook.model import Approval, Category, Plan, Record, Request, Selection
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
        Refused: a freeze, a lock, a rejection; recorded.
        Waiting: the question or an approval is not answered.
        Failed: a host failed or could not be judged, or a gate closed.
    """
    with change.alone(session):
        begun = [one.id for one in session.logbook.open_changes() if one.state == "running"]
        if begun:
            resume(session, session.logbook.read(begun[0]), wish)
        else:
            fresh(session, wish)


def fresh(session: Session, wish: Wish) -> None:
    """Plan anew, ask, and apply."""
    plan = planned(session, wish)
    if not plan.actions.hosts:
        conclude_empty(plan)
        return
    if session.inventory.policy.approval[wish.category] == "operator":
        file_request(session, plan)
        session.logbook.push()
        raise policy.approval(session.inventory.policy, plan, None) or Waiting("an approval is needed")
    ask(plan, wish.yes)
    change.record_plan(session, plan)
    if wish.category == "standard":
        change.record_approval(session, by_policy(session, plan))
    execute(session, plan, 1)


def planned(session: Session, wish: Wish) -> Plan:
    """Return the plan for *wish*, shown, with nothing changed on any host.

    Raises:
        Refused: a freeze is in force; the refusal is recorded.
    """
    inventory = session.inventory
    request = make_request(
        "patch", wish.category, wish.reason, session.operator, inventory, limit=wish.limit, ticket=wish.ticket
    )
    refusal = policy.freeze(inventory.policy, wish.category, datetime.now(UTC))
    if refusal:
        record_refusal(session, request, refusal)
        raise refusal
    plan = ask_hosts(session, request, wish.selection, wish.stage)
    display(plan)
    return plan


def ask_hosts(session: Session, request: Request, selection: Selection | None, stage: bool) -> Plan:
    """Return the plan for *request*, with progress while the hosts answer."""
    hosts = session.inventory.select(request.limit)
    with Progress(f"Planning on {len(hosts)} hosts{' and bringing the packages to them' * stage}", len(hosts)) as progress:
        return prepare(session, request, selection, stage, progress.plan_event)


def display(plan: Plan) -> None:
    """Show a plan: the state of each host, and each package change."""
    terminal.table("Hosts", show.STATE_COLUMNS, show.state_rows(plan))
    if plan.actions.hosts:
        terminal.table("Plan", show.PLAN_COLUMNS, show.plan_rows(plan))
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
    terminal.say("Stopping is safe until the first host is touched, and after that too: what began ends by itself on its")
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
    """Record *plan* so that another operator can approve it."""
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
    close(session, record)


def close(session: Session, record: Record) -> None:
    """Push the record, show the summary and raise the outcome where it is not ``verified``."""
    pushed = session.logbook.push()
    page = session.logbook.path / change_folder(record.id) / "page.md"
    terminal.table("Result", show.RESULT_COLUMNS, show.result_rows(record))
    for line in show.summary(record, str(page), "off-host" if pushed.off_host else f"not yet off-host: {pushed.reason}"):
        terminal.say(line)
    kinds: dict[str, type[OpsError]] = {"refused": Refused, "failed": Failed}
    if record.outcome in kinds:
        bad = {host: result for host, result in record.hosts.items() if result.state not in ("verified", "not-begun")}
        raise kinds[record.outcome](
            "; ".join(f"{host}: {result.state}, {result.reason}" for host, result in bad.items()),
            left="later waves have not begun" if record.outcome == "failed" else "nothing was touched",
            next_step=f"invoke changes.show {record.id}, then plan again with invoke patch",
        )


def resume(session: Session, files: ChangeFiles, wish: Wish) -> None:
    """Go on with a change that was begun and has no end yet: what runs or ended on hosts is adopted, nothing is repeated."""
    plan = files.plan
    assert plan is not None  # a change that was begun has one
    last = files.starts[-1]
    change.record_events(session, plan.request.id, last.run)
    events = session.logbook.read(plan.request.id).events
    results = outcome.host_results(plan, events)
    age = show.age(int((datetime.now(UTC) - last.time).total_seconds()))
    terminal.say(f"Change {plan.request.id} of {last.operator} on {last.controller} was begun {age} ago and has not ended:")
    terminal.table("Open", show.RESULT_COLUMNS, [show.result_row(host, result) for host, result in results.items()])
    left = apply.unfinished_hosts(plan, events)
    terminal.say(f"To end it as it is instead: invoke patch.close {plan.request.id} --reason …")
    if not wish.yes and not terminal.ask_number(f"To resume, type the number of hosts left ({len(left)})", len(left)):
        raise Waiting("not resumed", left="the change stays open")
    execute(session, plan, last.run + 1, left)


def apply_approved(session: Session, identifier: str, yes: bool) -> None:
    """Apply a change that waits for, or has, its approval.

    Raises:
        Waiting: nobody has approved it yet.
        Refused: it was rejected, or what the hosts and archives offer has moved on; recorded, with the difference.
    """
    with change.alone(session):
        files = session.logbook.read(identifier)
        plan = waiting_plan(files, identifier)
        frozen = policy.freeze(session.inventory.policy, plan.request.category, datetime.now(UTC))
        objection = frozen or policy.approval(session.inventory.policy, plan, files.approval)
        if objection:
            raise objection
        now = ask_hosts(session, plan.request, plan.actions.selection, True)
        if now.digest != plan.digest:
            raise moved_on(session, plan, files.approval, difference(plan, now))
        display(plan)
        ask(plan, yes)
        execute(session, plan, 1)


def waiting_plan(files: ChangeFiles, identifier: str) -> Plan:
    """Return the plan of a change that has not begun.

    Raises:
        BadInput: there is no such change, or it has begun or ended.
    """
    if files.plan is None:
        raise BadInput(f"there is no plan {identifier}", next_step="invoke changes lists what there is")
    if files.record or files.starts:
        raise BadInput(f"change {identifier} has {'ended' if files.record else 'begun'} already")
    return files.plan


def moved_on(session: Session, plan: Plan, given: Approval | None, lines: list[str]) -> Refused:
    """Record that *plan* is refused because the hosts or archives have moved on, and return the refusal."""
    record = apply.make_record(session, plan, given, "refused", "; ".join(lines))
    change.finish(session, record)
    session.logbook.push()
    return Refused(
        f"what was approved is no longer what would be applied: {'; '.join(lines[:10])}",
        left="nothing was touched",
        next_step=f"invoke patch --category {plan.request.category} --reason … makes a new plan to approve",
    )


def record_refusal(session: Session, request: Request, refusal: Refused) -> None:
    """Record that *request* was refused before anything was planned."""
    record = Record(
        id=request.id,
        kind=request.kind,
        category=request.category,
        reason=request.reason,
        outcome="refused",
        detail=refusal.what,
        digest=None,
        requester=request.requester,
        operator=session.operator,
        controller=request.controller,
        started=request.time,
        ended=datetime.now(UTC),
        command=request.command,
    )
    change.finish(session, record)
    session.logbook.push()
