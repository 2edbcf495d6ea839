"""Whether a record says what was planned, and what the events of its runs show. Pure."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from ops.logbook.files import ChangeFiles
from ops.logbook.finding import Rule
from ops.logbook.model import HostResult, Plan, Record

HERE = ("", "localhost")
"""Hosts of events that concern none of the inventory."""

CARRIED_OUT = ("verified", "failed", "interrupted")
"""Outcomes of a change that was begun and not given up: its record has all hosts of its plan."""

STEP = timedelta(minutes=10)


class Complaint(NamedTuple):
    """What is wrong with which file."""

    name: str
    rule: Rule
    what: str


def judge_result(files: ChangeFiles) -> Iterator[Complaint]:
    """Yield what is wrong with the record of *files*, and with the events of its runs."""
    yield from _events(files)
    if files.record is None:
        return
    if files.plan:
        yield from _header(files.plan, files.record)
        yield from _hosts(files.plan, files.record, begun=bool(files.starts))
    yield from _outcome(files.record)
    yield from _left_out(files, files.record)
    yield from _shown_by_events(files, files.record)


def _header(plan: Plan, record: Record) -> Iterator[Complaint]:
    for field in ("kind", "category", "reason", "requester"):
        if getattr(record, field) != getattr(plan.request, field):
            yield Complaint("record.json", "result", f"has another {field} than its plan")
    if record.waves and record.waves != plan.actions.waves:
        yield Complaint("record.json", "result", "has other waves than its plan")


def _hosts(plan: Plan, record: Record, *, begun: bool) -> Iterator[Complaint]:
    planned = set(plan.actions.hosts)
    if begun and record.outcome in CARRIED_OUT:
        for host in sorted(planned - set(record.hosts)):
            yield Complaint("record.json", "result", f"leaves out {host}, which was planned")
    for host in sorted(set(record.hosts) - planned):
        yield Complaint("record.json", "result", f"has {host}, which was not planned")
    for host in sorted(set(record.hosts) & planned):
        yield from _packages(plan, host, record.hosts[host])


def _packages(plan: Plan, host: str, result: HostResult) -> Iterator[Complaint]:
    planned = {
        (one.name, one.architecture, one.from_version, one.to_version) for one in plan.actions.hosts[host].packages
    }
    came = {(one.name, one.architecture, one.from_version, one.to_version) for one in result.packages if one.came}
    if result.state != "verified":
        return
    for name, architecture, _old, new in sorted(came - planned, key=str):
        yield Complaint("record.json", "result", f"{host}: {name}:{architecture} {new} was applied and not planned so")
    for name, architecture, _old, new in sorted(planned - came, key=str):
        yield Complaint(
            "record.json", "result", f"{host}: {name}:{architecture} {new} was planned and is not said to be applied"
        )


def _outcome(record: Record) -> Iterator[Complaint]:
    if record.ended < record.started:
        yield Complaint("record.json", "clock", "ended before it began")
    for host, result in sorted(record.hosts.items()):
        if record.outcome == "verified" and result.state != "verified":
            yield Complaint("record.json", "result", f"is said to be verified, and {host} is {result.state}")
        closed = [check.name for check in result.checks if not check.passed]
        if result.state == "verified" and closed:
            yield Complaint(
                "record.json", "result", f"{host} is said to be verified, and did not pass {', '.join(closed)}"
            )


def _events(files: ChangeFiles) -> Iterator[Complaint]:
    if not files.starts:
        return
    for event in files.events:
        if files.plan and event.host not in HERE and event.host not in files.plan.actions.hosts:
            yield Complaint("events-1.jsonl", "result", f"something was done on {event.host}, which was not planned")
        if event.time < files.starts[0].time - STEP or (files.record and event.time > files.record.ended + STEP):
            yield Complaint("events-1.jsonl", "clock", f"an event of {event.time} lies outside of its change")


def _left_out(files: ChangeFiles, record: Record) -> Iterator[Complaint]:
    """Each host on which the events show anything is in the record; planned ones are compared with the plan."""
    seen = {event.host for event in files.events if event.status not in ("", "skipped")} - set(HERE)
    named = set(files.plan.actions.hosts) if files.plan and record.outcome in CARRIED_OUT else set()
    for host in sorted(seen - set(record.hosts) - named):
        yield Complaint("record.json", "result", f"leaves out {host}, on which events show work")


def _shown_by_events(files: ChangeFiles, record: Record) -> Iterator[Complaint]:
    seen = {event.host for event in files.events if event.status in ("ok", "changed")}
    for host, result in sorted(record.hosts.items()):
        if result.state == "verified" and host not in seen:
            yield Complaint("record.json", "result", f"{host} is said to be verified, and no event shows it")
        if result.state == "not-begun" and host in seen and record.kind in ("patch", "revert"):
            changed = any(event.host == host and event.status == "changed" for event in files.events)
            if changed:
                yield Complaint("record.json", "result", f"{host} is said to be not begun, and events show changes")
