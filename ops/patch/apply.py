"""A plan carried out, or one that was begun carried on: in waves, with its record."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ops.change import run as change
from ops.change.record import record_of
from ops.change.session import Session
from ops.logbook.model import Event, Plan, Record, Start
from ops.logbook.repository import ChangeFiles
from ops.patch import outcome
from ops.playbook import Playbook


def variables(plan: Plan, start: Start, hosts: Iterable[str]) -> dict[str, Any]:
    """Return what ``playbooks/patch.yml`` is given: the approved packages of *hosts*, in the order and sizes of the waves."""
    wanted = set(hosts)
    waves = [[host for host in wave if host in wanted] for wave in plan.actions.waves]
    waves = [wave for wave in waves if wave]
    return {
        "change": {
            "id": start.id,
            "operator": start.operator,
            "controller": start.controller,
            "since": f"{start.time:%Y-%m-%dT%H:%M:%SZ}",
            "order": [host for wave in waves for host in wave],
            "serial": [len(wave) for wave in waves],
            "hosts": {host: plan.actions.hosts[host].model_dump(mode="json") for wave in waves for host in wave},
            "touched": {
                host: plan.observations[host].model_dump(mode="json", include={"restarts", "reboots"})
                for wave in waves
                for host in wave
            },
        }
    }


def unfinished_hosts(plan: Plan, events: Iterable[Event]) -> list[str]:
    """Return the hosts of *plan* that are not yet verified, by the *events* of its runs, in the order of the waves."""
    results = outcome.host_results(plan, events)
    return [host for wave in plan.actions.waves for host in wave if results[host].state != "verified"]


def carry_out(
    session: Session,
    plan: Plan,
    number: int,
    hosts: list[str],
    report: Callable[[Event], None],
    say: Callable[[str], None],
) -> Record | None:
    """Apply *plan* to *hosts* as run *number* and return its record, None if it stays open because contact was lost.

    Args:
        session: who acts.
        plan: what was approved.
        number: 1, or one more for each time that it is resumed.
        hosts: those that are left to do.
        report: is told each event as it comes.
        say: shows a line, the command that is run.
    """

    def playbook(start: Start, spool: Path) -> Playbook:
        play = Playbook("patch.yml", session.inventory.path, spool, variables(plan, start, hosts))
        say(play.shown())
        return play

    change.run(session, plan, number, playbook, report)
    return conclude(session, plan)


def conclude(session: Session, plan: Plan) -> Record | None:
    """Record how *plan* ended and return that record, None if it is not known yet."""
    files = session.logbook.read(plan.request.id)
    results = outcome.host_results(plan, files.events)
    ended = outcome.outcome(results)
    if ended == "interrupted":
        return None
    record = record_of(session, plan, files.approval, ended).model_copy(
        update={
            "started": files.starts[0].time,
            "seconds": seconds(plan, files),
            "hosts": results,
            "follow_up": outcome.follow_up(plan, results),
        }
    )
    return change.finish(session, record)


def seconds(plan: Plan, files: ChangeFiles) -> dict[str, int]:
    """Return the measured seconds of the phases, all runs together, without the time between them.

    ``stage`` is that of the slowest host; in ``window`` hosts are touched; ``verify`` is the last gate.
    """
    answers = [seen.checked - timedelta(seconds=seen.clock_offset_seconds or 0) for seen in plan.observations.values()]
    planned = max(answers, default=plan.request.time)
    spans = [run_seconds(events) for events in by_run(files)]
    stage = max((seen.stage_seconds for seen in plan.observations.values()), default=0)
    return {
        "plan": max(0, int((planned - plan.request.time).total_seconds()) - stage),
        "stage": stage,
        "window": sum(window for window, _verify in spans),
        "verify": sum(verify for _window, verify in spans),
    }


def by_run(files: ChangeFiles) -> list[list[Event]]:
    """Return the events of each run; a run begins with its start."""
    begins = [start.time for start in files.starts]
    ends = [*begins[1:], datetime.max.replace(tzinfo=UTC)]
    spans = zip(begins, ends, strict=True)
    return [[event for event in files.events if begin <= event.time < end] for begin, end in spans]


def run_seconds(events: Iterable[Event]) -> tuple[int, int]:
    """Return for one run how long hosts were touched and how long the look at them took; 0 where none was touched."""
    done = [event for event in events if event.status in ("ok", "changed", "failed")]
    started = [event.time for event in done if event.action == outcome.START and event.status != "failed"]
    waited = [event.time for event in done if event.action == outcome.WAIT]
    gates = [event.time for event in done if event.action == outcome.GATE]
    window = int((max([*started, *waited]) - min(started)).total_seconds()) if started else 0
    return window, max(0, int((max(gates) - max([*started, *waited])).total_seconds())) if gates and started else 0
