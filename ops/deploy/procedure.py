"""`invoke deploy` and `invoke drift` from the command line to the end: look, say, ask, apply, record."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops import terminal
from ops.change import run as change
from ops.change.session import Session
from ops.deploy import apply, show, site
from ops.deploy.foresee import Foreseen, foreseen
from ops.errors import Failed, Refused
from ops.inventory import Inventory
from ops.logbook.model import Event, Record, Request
from ops.logbook.repository import change_folder
from ops.patch.procedure import confirm, refuse_frozen
from ops.request import make_request
from ops.status.ask import answers, ask
from ops.status.facts import Status


@dataclass(frozen=True)
class Wish:
    """What was typed after ``invoke deploy``."""

    limit: str = ""
    tags: str = ""
    reason: str = "as the roles say"
    yes: bool = False
    json: bool = False


def deploy(session: Session, wish: Wish) -> None:
    """Look what would change, ask, change it, look at the hosts, and record it.

    Raises:
        Refused: a freeze, a lock, a policy that wants another operator's yes; a freeze is recorded.
        Waiting: the question is not answered.
        Failed: a host failed or did not answer.
    """
    with change.alone(session):
        request = requested(session, wish)
        refuse_frozen(session, request)
        refuse_unapproved(session)
        before, plan = planned(session.inventory, wish, refuse_locked)
        if plan.changes:
            carry_out(session, request, plan, before, wish)
        elif wish.json:
            terminal.data(show.as_data(plan))
        conclude(plan)


def requested(session: Session, wish: Wish) -> Request:
    """Return the request that *wish* makes, as of now."""
    reason = f"deploy: {wish.reason}"
    return make_request("playbook", "standard", reason, session.operator, session.inventory, limit=wish.limit)


def refuse_unapproved(session: Session) -> None:
    """Raise ``Refused`` where the policy wants another operator's yes: what a check run foresees is no plan to approve."""
    if session.inventory.policy.approval["standard"] != "policy":
        raise Refused(
            "the policy asks for another operator's approval of standard changes, and a deploy cannot be filed for one",
            left="nothing was touched",
            next_step="invoke deploy --check shows what would change",
        )


def planned(
    inventory: Inventory, wish: Wish, judge: Callable[[Status], None] = lambda _status: None
) -> tuple[Status, Foreseen]:
    """Return how the hosts stand and what would change on them, shown; *judge* may object before that is looked for.

    Raises:
        Failed: the check run failed on a host, or none answered.
    """
    chosen = inventory.select(wish.limit)
    with Progress(f"Comparing {len(chosen)} hosts with the roles") as progress:
        before = answers(chosen, ask(inventory.path, progress.event, ",".join(chosen)))
        judge(before)
        plan = compared(inventory.path, chosen, before, wish.tags, progress.event)
    display(plan)
    refuse_unknown(plan)
    return before, plan


def compared(
    inventory: Path, chosen: tuple[str, ...], before: Status, tags: str, report: Callable[[Event], None]
) -> Foreseen:
    """Return what the roles would change on those of *chosen* that answer."""
    there = tuple(host for host in chosen if host in before.hosts)
    began = time.monotonic()
    runs = site.look(inventory, there, tags, report) if there else []
    return foreseen(chosen, before.silent, runs, round(time.monotonic() - began))


def display(plan: Foreseen) -> None:
    """Show what would change, or that nothing would and how that is known."""
    if plan.changes or plan.silent:
        terminal.table("Plan", show.PLAN_COLUMNS, show.rows(plan))
    for line in show.differences(plan):
        terminal.say(line)
    if plan.changes:
        terminal.say(show.headline(plan))
    elif plan.hosts and plan.ended and not plan.complaints:
        terminal.say(show.nothing(plan))


def refuse_unknown(plan: Foreseen) -> None:
    """Raise ``Failed`` where the check run did not come to its end, with the task that stopped it."""
    for host, words in plan.complaints.items():
        raise Failed(
            f"the check run failed: {words}",
            host=host,
            left="nothing was changed",
            next_step="mend that, then run it again",
        )
    if plan.hosts and not plan.ended:
        raise Failed("the check run stopped before its end", left="nothing was changed", next_step="run it again")
    if not plan.hosts:
        raise Failed("no host answered", left="nothing was changed", next_step="mend that, then run it again")


def refuse_locked(before: Status) -> None:
    """Raise ``Refused`` where another change holds one of the hosts, with who, what, since when."""
    for host, seen in before.hosts.items():
        if seen.lock:
            held = seen.lock
            raise Refused(
                f"locked by change {held['change']} of {held['operator']} on {held['controller']} since {held['since']}",
                host=host,
                left="nothing was touched",
                next_step=f"wait for it, or, if it is dead: invoke patch.unlock {host} --reason …",
            )


def carry_out(session: Session, request: Request, plan: Foreseen, before: Status, wish: Wish) -> None:
    """Ask, apply, and show how it ended.

    Raises:
        Waiting: the question is not answered.
        Failed: a host failed.
    """
    confirm("To deploy", len(plan.changing()), wish.yes)
    with Progress(f"Deploying to {len(plan.hosts)} hosts") as progress:
        record, said = apply.carry_out(session, request, plan, before, wish.tags, progress.event, terminal.say)
    report(session, record)
    if wish.json:
        terminal.data(record.model_dump(mode="json"))
    if record.outcome != "verified":
        raise failure(record, said)


def report(session: Session, record: Record) -> None:
    """Push the record and show how each host ended, and where the record is."""
    pushed = session.logbook.push()
    page = session.logbook.path / change_folder(record.id) / "page.md"
    where = "off-host" if pushed.off_host else f"not yet off-host: {pushed.reason or pushed.state}"
    terminal.table("Result", show.RESULT_COLUMNS, show.result_rows(record))
    terminal.say(f"{record.detail[:1].upper()}{record.detail[1:]}")
    terminal.say(f"Record {record.id}: {record.outcome}, {page}, {where}")


def failure(record: Record, said: dict[str, str]) -> Failed:
    """Return the fault of a deploy that did not end well: what, where, what was left, what next."""
    bad = {host: result for host, result in record.hosts.items() if result.state in ("failed", "unreachable")}
    words = [f"{host}: {said.get(host) or result.reason}" for host, result in bad.items()]
    rest = [host for host, result in record.hosts.items() if result.state in ("not-begun", "interrupted")]
    return Failed(
        "; ".join(words) or "the run did not come to its end",
        left=f"what was to follow on {', '.join(rest)}" if rest else "",
        next_step=f"mend that and run invoke deploy again, it goes on from there; invoke changes.show {record.id}",
    )


def conclude(plan: Foreseen) -> None:
    """Raise ``Failed`` for hosts that did not answer: nothing was done there, and nothing is known of them."""
    if plan.silent:
        names = "; ".join(f"{host} ({reason})" for host, reason in plan.silent.items())
        raise Failed(f"not deployed: {names}", left="they were not touched", next_step="mend that, then run it again")


def drifted(plan: Foreseen) -> None:
    """Raise ``Failed`` where a host differs from the roles, or is not known."""
    hosts = [*plan.changing(), *plan.silent]
    if hosts:
        raise Failed(
            f"{', '.join(plan.changing()) or 'no host'} differs from the roles"
            + (f"; not known: {', '.join(plan.silent)}" if plan.silent else ""),
            left="the hosts were only read",
            next_step="invoke deploy brings them there",
        )


class Progress:
    """A line of progress that says which task the hosts are at."""

    def __init__(self, title: str) -> None:
        self.line = terminal.progress(title)

    def __enter__(self) -> "Progress":
        self.line.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.line.__exit__(*error)  # type: ignore[arg-type]  # the three that a context manager gets

    def event(self, event: Event) -> None:
        """Show the task that has begun."""
        if event.type == "task":
            self.line.update(event.task)
