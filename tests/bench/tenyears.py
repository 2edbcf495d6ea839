"""What a fleet does in ten years, as the phases of its changes: made up, plausible, and the same for the same seed.

Patches mostly; backups and drills by timer, deploys, restores; failures at the canary, emergencies with an approval that came
later, rejections, refusals, runs that were resumed, patches taken back.
"""

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta

from ops.logbook.canonical import digest
from ops.logbook.files import events_bytes, file_bytes
from ops.logbook.model import (
    Actions,
    Check,
    Event,
    HostResult,
    Plan,
    Record,
    RestoreActions,
    RestoreHost,
)
from ops.patch.outcome import follow_up, host_results, outcome
from tests.bench.fleet import (
    END,
    PEOPLE,
    TEN_YEARS,
    Fleet,
    Step,
    approval_of,
    end_of,
    events_of,
    plan_of,
    record_of,
    request_of,
    start_of,
    updates_of,
)

REASONS = ("security updates", "security updates of the week", "point release", "weekly patch day", "after an advisory")
KINDS = {
    "patch": 560,
    "failed": 25,
    "emergency": 12,
    "rejected": 12,
    "refused": 15,
    "resumed": 15,
    "revert": 11,
    "backup": 240,
    "drill": 60,
    "playbook": 40,
    "restore": 10,
}
"""Of a thousand changes."""


def history(changes: int, hosts: int, seed: int) -> Iterator[Step]:
    """Yield what was added in the years before ``END``, in the order of time."""
    fleet = Fleet(hosts, seed)
    span = max(TEN_YEARS * changes / 10_000, timedelta(days=365))
    kinds = fleet.chance.choices(list(KINDS), list(KINDS.values()), k=changes)
    waiting: list[Step] = []
    for place, kind in enumerate(kinds):
        began = (END - span + span * place / changes).replace(second=0, microsecond=0)
        while waiting and waiting[0].time <= began:
            yield heapq.heappop(waiting)
        for step in _change(fleet, kind, began + timedelta(seconds=fleet.chance.randint(0, 50))):
            heapq.heappush(waiting, step)
    while waiting:
        yield heapq.heappop(waiting)


def _change(fleet: Fleet, kind: str, began: datetime) -> Iterator[Step]:
    if kind in ("backup", "drill", "playbook"):
        return _unplanned(fleet, kind, began)
    if kind == "restore":
        return _restore(fleet, began)
    if kind == "refused":
        return _refused(fleet, began)
    if kind == "revert" and fleet.patched:
        return _revert(fleet, began)
    return _patch(fleet, kind, began)


def _patch(fleet: Fleet, kind: str, began: datetime) -> Iterator[Step]:
    category = {"emergency": "emergency", "rejected": "normal"}.get(kind) or fleet.chance.choice(
        ("standard", "standard", "normal")
    )
    request = request_of(fleet, "patch", category, fleet.chance.choice(REASONS), began)
    plan = plan_of(fleet, request, fleet.some(), updates_of(fleet, fleet.chance.randint(1, 6)))
    if kind == "patch":
        fleet.patched = [*fleet.patched[-5:], (request.id, plan)]
    yield from _carried_out(fleet, plan, kind)


def _carried_out(fleet: Fleet, plan: Plan, kind: str, **more: object) -> Iterator[Step]:
    request, when = plan.request, plan.request.time
    contents = {"plan.json": file_bytes(plan)}
    yield fleet.step(when, request.id, request.requester, "plan", dict(contents))
    given = None
    if kind != "emergency":
        given = approval_of(fleet, plan, when + timedelta(minutes=2), "rejected" if kind == "rejected" else "approved")
        contents["approval.json"] = file_bytes(given)
        words = f"{given.verdict} by {given.by}"
        yield fleet.step(given.time, request.id, given.by, words, {"approval.json": contents["approval.json"]})
    if kind == "rejected" and given:
        record = record_of(plan, given, given.by, given.time, outcome="rejected", detail=given.reason)
        yield fleet.step(given.time, request.id, given.by, "rejected", end_of(contents, record))
        return
    at, waves = when + timedelta(minutes=3), list(plan.actions.waves)
    bad = waves[0][0] if kind == "failed" else ""
    runs = [waves[:1], waves[1:]] if kind == "resumed" and len(waves) > 1 else [waves]
    seen: list[Event] = []
    for number, part in enumerate(runs, start=1):
        start, events = (
            start_of(request.id, number, request.requester, at, plan),
            events_of(plan, part, at + timedelta(seconds=1), bad),
        )
        files = {f"start-{number}.json": file_bytes(start), f"events-{number}.jsonl": events_bytes(events)}
        for name, content in files.items():
            moment = start.time if name.startswith("start") else events[-1].time
            yield fleet.step(moment, request.id, start.operator, name, {name: content}, name.startswith("start"))
        contents, at = contents | files, events[-1].time + timedelta(minutes=1)
        seen += events
    results = host_results(plan, seen)
    fields = {"hosts": results, "outcome": outcome(results), "follow_up": follow_up(plan, results), **more}
    owed = None if given else at + timedelta(hours=20)
    seconds = {"plan": 20, "stage": 5, "window": round((at - when).total_seconds()), "verify": 2}
    record = record_of(plan, given, request.requester, at, approval_owed_until=owed, seconds=seconds, **fields)
    yield fleet.step(at, request.id, record.operator, record.outcome, end_of(contents, record))
    if owed:
        late = approval_of(fleet, plan, at + timedelta(hours=5))
        yield fleet.step(late.time, request.id, late.by, f"approved by {late.by}", {"approval.json": file_bytes(late)})


def _revert(fleet: Fleet, began: datetime) -> Iterator[Step]:
    identifier, old = fleet.patched.pop()
    request = request_of(fleet, "revert", "normal", "the new version does not work", began, reverts=identifier)
    actions = old.actions.model_dump(mode="json") | {"kind": "revert"}
    for host in actions["hosts"].values():
        for package in host["packages"]:
            package["from_version"], package["to_version"] = package["to_version"], package["from_version"]
    made = Actions.model_validate(actions)
    number = digest(made.model_dump(mode="json"))
    plan = Plan(request=request, actions=made, digest=number, observations=old.observations)
    yield from _carried_out(fleet, plan, "revert", links={"reverts": identifier})


def _refused(fleet: Fleet, began: datetime) -> Iterator[Step]:
    request = request_of(fleet, "patch", "standard", fleet.chance.choice(REASONS), began)
    record = Record(
        **request.model_dump(include={"id", "kind", "category", "reason", "requester", "controller", "command"}),
        outcome="refused",
        detail="frozen until Monday: members vote",
        digest=None,
        operator=request.requester,
        started=began,
        ended=began + timedelta(seconds=8),
    )
    yield fleet.step(record.ended, record.id, record.operator, "refused", end_of({}, record))


def _unplanned(fleet: Fleet, kind: str, began: datetime) -> Iterator[Step]:
    identifier, person, failed = fleet.identifier(began), fleet.chance.choice(PEOPLE), fleet.chance.random() < 0.03
    host = "backup1" if kind != "playbook" and "backup1" in fleet.hosts else fleet.chance.choice(fleet.hosts)
    start, ended = start_of(identifier, 1, person, began), began + timedelta(minutes=fleet.chance.randint(2, 25))
    events = [
        Event(
            time=began + timedelta(seconds=place),
            type="result",
            task=f"step {place}",
            action="backup_run",
            host=host,
            status="ok",
        )
        for place in range(1, 6)
    ]
    if failed:
        events.append(events[-1].model_copy(update={"status": "failed", "task": "Wait for the result"}))
    checks = (
        Check(name=f"{kind} in repository 1", passed=not failed, detail="20261120-000000F, full, 1.2 GB of 9.8 GB"),
    )
    record = Record(
        id=identifier,
        kind=kind,
        category="standard",
        reason={"backup": "by the timer", "drill": "weekly drill", "playbook": "site.yml by hand"}[kind],
        outcome="failed" if failed else "verified",
        digest=None,
        requester=person,
        operator=person,
        controller="laptop1",
        started=began,
        ended=ended,
        command=start.command,
        seconds={} if kind == "playbook" else _measured(fleet, kind),
        hosts={host: HostResult(state="failed" if failed else "verified", checks=checks)},
    )
    yield fleet.step(began, identifier, person, record.reason, {"start-1.json": file_bytes(start)}, sent=False)
    contents = {"start-1.json": file_bytes(start)}
    last = end_of(contents, record, **{"events-1.jsonl": events_bytes(events)})
    yield fleet.step(ended, identifier, person, record.outcome, last)


def _measured(fleet: Fleet, kind: str) -> dict[str, int]:
    if kind == "backup":
        return {"backup": fleet.chance.randint(60, 900)}
    return {
        "drill": 300,
        "recovery_time": fleet.chance.randint(90, 700),
        "recovery_point": fleet.chance.randint(10, 300),
    }


def _restore(fleet: Fleet, began: datetime) -> Iterator[Step]:
    host = next((name for name in fleet.hosts if name.startswith("db")), fleet.hosts[0])
    request = request_of(fleet, "restore", "normal", "a table was emptied by mistake", began)
    action = RestoreHost(label="20261120-000000F", until="newest", repository=1, replaces=True)
    actions = RestoreActions(kind="restore", selection="all", waves=((host,),), hosts={host: action})
    plan = Plan(request=request, actions=actions, digest=digest(actions.model_dump(mode="json")), observations={})
    given = approval_of(fleet, plan, began + timedelta(minutes=9))
    at, done = began + timedelta(minutes=10), began + timedelta(minutes=18)
    start = start_of(request.id, 1, request.requester, at, plan)
    events = [Event(time=done, type="result", task="Restore", action="backup_run", host=host, status="changed")]
    contents = {
        "plan.json": file_bytes(plan),
        "approval.json": file_bytes(given),
        "start-1.json": file_bytes(start),
        "events-1.jsonl": events_bytes(events),
    }
    checks = (Check(name="markers are there", passed=True), Check(name="nobody came back who was locked", passed=True))
    fields = {"outcome": "verified", "hosts": {host: HostResult(state="verified", checks=checks)}}
    record = record_of(plan, given, request.requester, done, seconds={"restore": 480}, **fields)
    people = (request.requester, given.by, request.requester, request.requester)
    for (name, content), person, when in zip(contents.items(), people, (began, given.time, at, done), strict=True):
        yield fleet.step(when, request.id, person, name, {name: content}, name != "events-1.jsonl")
    yield fleet.step(done, request.id, record.operator, "verified", end_of(contents, record))
