"""What a fleet does in ten years, as the phases of its changes: made up, plausible, and the same for the same seed.

Patches mostly; backups and drills by timer, deploys, restores; failures at the canary, emergencies with an approval that came
later, rejections, refusals, runs that were resumed, patches taken back.
"""

import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ops.logbook.canonical import digest
from ops.logbook.files import events_bytes, file_bytes, parse_change
from ops.logbook.model import (
    Actions,
    Approval,
    Check,
    Event,
    HostActions,
    HostResult,
    Observations,
    PackageChange,
    Plan,
    Record,
    Request,
    RestoreActions,
    RestoreHost,
    Source,
    Start,
)
from ops.logbook.page import render_change
from ops.patch.outcome import follow_up, host_results, outcome

END = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TEN_YEARS = timedelta(days=3652)
ROLES = ("app", "db", "web", "mail", "cache", "git", "ci", "mon", "proxy", "backup")
# fmt: off
PACKAGES = (
    "openssl", "libssl3", "openssh-server", "openssh-client", "curl", "libcurl4", "bind9-libs", "bind9-host",
    "nginx", "haproxy", "postgresql-15", "libpq5", "postfix", "linux-image-amd64", "systemd", "libsystemd0",
    "dbus", "libexpat1", "zlib1g", "libxml2", "glibc-bin", "libc6", "perl-base", "python3.11", "git", "gnutls-bin",
    "libgnutls30", "sudo", "bash", "tzdata", "ca-certificates", "apt", "libapt-pkg6.0", "xz-utils",
    "liblzma5", "less", "vim-tiny", "rsync", "ntpsec", "tar", "gzip", "dpkg",
)
# fmt: on
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

PEOPLE = ("anna", "bert", "dora")
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(order=True)
class Step:
    """What one person adds in one commit: when, the change, what the commit says, its files, whether it is sent at once."""

    time: datetime
    number: int
    change: str = field(compare=False)
    person: str = field(compare=False)
    message: str = field(compare=False)
    files: dict[str, bytes] = field(compare=False)
    sent: bool = field(compare=False, default=True)


class Fleet:
    """The hosts, what runs there, and the hand that the seed guides."""

    def __init__(self, hosts: int, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 (no secret: the same seed must give the same logbook)
        self.hosts = [f"{ROLES[place % len(ROLES)]}{place // len(ROLES) + 1}" for place in range(hosts)]
        self.versions = dict.fromkeys(PACKAGES, 1)
        self.patched: list[tuple[str, Plan]] = []
        self.number = 0

    def some(self) -> list[str]:
        """Return the hosts of one patch: few mostly, many now and then."""
        most = self.chance.choices((3, 10, 40), (50, 35, 15))[0]
        count = min(len(self.hosts), self.chance.randint(1, most))
        return sorted(self.chance.sample(self.hosts, count), key=self.hosts.index)

    def identifier(self, when: datetime) -> str:
        return f"{when:%Y-%m-%d-%H%M}-{''.join(self.chance.choices(LETTERS, k=4))}"

    def step(
        self, when: datetime, change: str, person: str, message: str, files: dict[str, bytes], sent: bool = True
    ) -> Step:
        self.number += 1
        return Step(when, self.number, change, person, f"{change}: {message}", files, sent)


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


def _request(fleet: Fleet, kind: str, category: str, reason: str, began: datetime, **more: object) -> Request:
    return Request(
        id=fleet.identifier(began),
        kind=kind,
        category=category,
        reason=reason,
        ticket=f"OPS-{fleet.number}" if fleet.chance.random() < 0.3 else "",
        requester=fleet.chance.choice(PEOPLE),
        controller=fleet.chance.choice(("laptop1", "laptop2", "admin1")),
        time=began,
        command=f"invoke {'patch' if kind == 'patch' else kind}",
        inventory="production",
        inventory_digest=digest(fleet.hosts),
        repository_commit="0" * 40,
        tools={"ansible-core": "2.19.3", "git": "2.39.5", "python": "3.11.2"},
        **more,
    )


def _updates(fleet: Fleet, count: int) -> list[PackageChange]:
    found = []
    for name in sorted(fleet.chance.sample(PACKAGES, count)):
        fleet.versions[name] += 1
        old, new = (f"1.{fleet.versions[name] - back}-1+deb12u1" for back in (1, 0))
        file = f"{name}_{new}_amd64.deb"
        found.append(
            PackageChange(
                name=name,
                architecture="amd64",
                from_version=old,
                to_version=new,
                origin="Debian-Security",
                archive="oldstable-security",
                file=file,
                sha256=digest([file]),
                size_bytes=fleet.chance.randint(20_000, 30_000_000),
                security=True,
            )
        )
    return found


def _plan(fleet: Fleet, request: Request, hosts: Sequence[str], updates: Sequence[PackageChange]) -> Plan:
    advisories = {
        update.name: tuple(
            f"CVE-{request.time.year}-{fleet.chance.randint(1000, 9999)}" for _ in range(fleet.chance.randint(1, 3))
        )
        for update in updates
    }
    source = {
        "uri": "https://security.example.org/debian-security",
        "suite": "bookworm-security",
        "state": "answered",
        "key_known": True,
    }
    seen = Observations(
        verdict="pending",
        checked=request.time,
        lists_age_seconds=fleet.chance.randint(2, 60),
        sources=tuple(
            Source(**{**source, "suite": suite}) for suite in ("bookworm", "bookworm-updates", "bookworm-security")
        ),
        kernel_running="6.1.0-41-amd64",
        kernel_newest="6.1.0-41-amd64",
        automatic_updates="off",
        staged=True,
        stage_seconds=fleet.chance.randint(1, 20),
        advisories=advisories,
        restarts={update.name: ("ssh", "dbus") for update in updates if fleet.chance.random() < 0.3},
    )
    waves = tuple(tuple(hosts[start:end]) for start, end in ((0, 1), (1, 6), (6, len(hosts))) if hosts[start:end])
    actions = Actions(
        kind=request.kind,
        selection="security",
        waves=waves,
        hosts={host: HostActions(release="bookworm", reboot="when-needed", packages=tuple(updates)) for host in hosts},
    )
    number = digest(actions.model_dump(mode="json"))
    return Plan(request=request, actions=actions, digest=number, observations=dict.fromkeys(hosts, seen))


def _approval(fleet: Fleet, plan: Plan, when: datetime, verdict: str = "approved") -> Approval:
    policy = plan.request.category == "standard"
    others = [name for name in PEOPLE if name != plan.request.requester]
    by = plan.request.requester if policy else fleet.chance.choice(others)
    words = (
        "question answered"
        if policy
        else "compared with the advisory"
        if verdict == "approved"
        else "not before the election"
    )
    return Approval(
        id=plan.request.id,
        digest=plan.digest,
        verdict=verdict,
        basis="policy" if policy else "operator",
        by=by,
        reason=words,
        time=when,
    )


def _start(identifier: str, number: int, person: str, when: datetime, plan: Plan | None = None) -> Start:
    return Start(
        id=identifier,
        run=number,
        digest=plan.digest if plan else None,
        operator=person,
        controller="laptop1",
        time=when,
        command=plan.request.command if plan else "invoke backup",
    )


def _play(plan: Plan, waves: Sequence[Sequence[str]], when: datetime, bad: str = "") -> list[Event]:
    """Return the events of a run over *waves*; the gate closes on the host *bad*."""
    play, events = "Patch wave by wave", [Event(time=when, type="play", play="Patch wave by wave")]
    for number, wave in enumerate(waves):
        at = when + timedelta(seconds=60 * number)
        for place, (task, action) in enumerate(TASKS):
            events.append(Event(time=at + timedelta(seconds=place), type="task", play=play, task=task, action=action))
            for host in wave:
                status, data = _answer(action, plan, host, host == bad)
                moment = at + timedelta(seconds=place + 1)
                events.append(
                    Event(
                        time=moment,
                        type="result",
                        play=play,
                        task=task,
                        action=action,
                        host=host,
                        status=status,
                        data=data,
                    )
                )
        if bad in wave:
            break
    return [*events, Event(time=events[-1].time, type="end")]


TASKS = (
    ("Lock, compare with the plan, start the package work", "patch_start"),
    ("Wait for the package work", "patch_wait"),
    ("Reconnect where contact was lost", "ansible.builtin.include_tasks"),
    ("Reboot", "ansible.builtin.reboot"),
    ("Compare the host with the plan, free its lock", "patch_gate"),
    ("Remember that this host closes the gate", "ansible.builtin.set_fact"),
    ("Free the lock", "change_lock"),
)
CHECKS = (
    "versions are the planned ones",
    "nothing is half installed",
    "nothing else changed",
    "holds are as before",
    "units run",
)


def _answer(action: str, plan: Plan, host: str, bad: bool) -> tuple[str, dict[str, object]]:
    if action == "patch_start":
        return "changed", {"reasons": [], "state": "started"}
    if action == "patch_wait":
        return "ok", {
            "began": 1,
            "ended": 30,
            "exit_code": 0,
            "complaint": "",
            "restarted": ["ssh"],
            "state": "done",
            "rebooted": False,
        }
    if action == "patch_gate":
        states = {f"{package.name}:amd64": "installed" for package in plan.actions.hosts[host].packages}
        checks = [{"name": name, "passed": True, "detail": ""} for name in CHECKS]
        if bad:
            checks[-1] = {"name": CHECKS[-1], "passed": False, "detail": "postgresql@15-main.service has failed"}
        boot = {
            "boot_before": "b1",
            "boot_after": "b1",
            "kernel_before": "6.1.0-41-amd64",
            "kernel_after": "6.1.0-41-amd64",
        }
        return "failed" if bad else "ok", {"checks": checks, "package_states": states, "still_on_old_files": [], **boot}
    return "skipped" if action.startswith("ansible.builtin") else "ok", {}


def _patch(fleet: Fleet, kind: str, began: datetime) -> Iterator[Step]:
    category = {"emergency": "emergency", "rejected": "normal"}.get(kind) or fleet.chance.choice(
        ("standard", "standard", "normal")
    )
    request = _request(fleet, "patch", category, fleet.chance.choice(REASONS), began)
    plan = _plan(fleet, request, fleet.some(), _updates(fleet, fleet.chance.randint(1, 6)))
    if kind == "patch":
        fleet.patched = [*fleet.patched[-5:], (request.id, plan)]
    yield from _carried_out(fleet, plan, kind)


def _carried_out(fleet: Fleet, plan: Plan, kind: str, **more: object) -> Iterator[Step]:
    request, when = plan.request, plan.request.time
    contents = {"plan.json": file_bytes(plan)}
    yield fleet.step(when, request.id, request.requester, "plan", dict(contents))
    given = None
    if kind != "emergency":
        given = _approval(fleet, plan, when + timedelta(minutes=2), "rejected" if kind == "rejected" else "approved")
        contents["approval.json"] = file_bytes(given)
        words = f"{given.verdict} by {given.by}"
        yield fleet.step(given.time, request.id, given.by, words, {"approval.json": contents["approval.json"]})
    if kind == "rejected" and given:
        record = _record(plan, given, given.by, given.time, outcome="rejected", detail=given.reason)
        yield fleet.step(given.time, request.id, given.by, "rejected", _end(contents, record))
        return
    at, waves = when + timedelta(minutes=3), list(plan.actions.waves)
    bad = waves[0][0] if kind == "failed" else ""
    runs = [waves[:1], waves[1:]] if kind == "resumed" and len(waves) > 1 else [waves]
    seen: list[Event] = []
    for number, part in enumerate(runs, start=1):
        start, events = (
            _start(request.id, number, request.requester, at, plan),
            _play(plan, part, at + timedelta(seconds=1), bad),
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
    record = _record(plan, given, request.requester, at, approval_owed_until=owed, seconds=seconds, **fields)
    yield fleet.step(at, request.id, record.operator, record.outcome, _end(contents, record))
    if owed:
        late = _approval(fleet, plan, at + timedelta(hours=5))
        yield fleet.step(late.time, request.id, late.by, f"approved by {late.by}", {"approval.json": file_bytes(late)})


def _record(plan: Plan, given: Approval | None, operator: str, ended: datetime, **more: object) -> Record:
    request = plan.request
    fields = {
        "id": request.id,
        "kind": request.kind,
        "category": request.category,
        "reason": request.reason,
        "digest": plan.digest,
        "requester": request.requester,
        "approver": given.by if given else None,
        "operator": operator,
        "controller": request.controller,
        "started": request.time,
        "ended": ended,
        "command": request.command,
        "waves": plan.actions.waves,
    }
    return Record(**{**fields, **more})


def _end(contents: dict[str, bytes], record: Record, **more: bytes) -> dict[str, bytes]:
    """Return what ends a change, with its page."""
    whole = contents | more | {"record.json": file_bytes(record)}
    page = render_change(parse_change(record.id, whole)).encode()
    return {**more, "record.json": whole["record.json"], "page.md": page}


def _revert(fleet: Fleet, began: datetime) -> Iterator[Step]:
    identifier, old = fleet.patched.pop()
    request = _request(fleet, "revert", "normal", "the new version does not work", began, reverts=identifier)
    actions = old.actions.model_dump(mode="json") | {"kind": "revert"}
    for host in actions["hosts"].values():
        for package in host["packages"]:
            package["from_version"], package["to_version"] = package["to_version"], package["from_version"]
    made = Actions.model_validate(actions)
    number = digest(made.model_dump(mode="json"))
    plan = Plan(request=request, actions=made, digest=number, observations=old.observations)
    yield from _carried_out(fleet, plan, "revert", links={"reverts": identifier})


def _refused(fleet: Fleet, began: datetime) -> Iterator[Step]:
    request = _request(fleet, "patch", "standard", fleet.chance.choice(REASONS), began)
    record = Record(
        **request.model_dump(include={"id", "kind", "category", "reason", "requester", "controller", "command"}),
        outcome="refused",
        detail="frozen until Monday: members vote",
        digest=None,
        operator=request.requester,
        started=began,
        ended=began + timedelta(seconds=8),
    )
    yield fleet.step(record.ended, record.id, record.operator, "refused", _end({}, record))


def _unplanned(fleet: Fleet, kind: str, began: datetime) -> Iterator[Step]:
    identifier, person, failed = fleet.identifier(began), fleet.chance.choice(PEOPLE), fleet.chance.random() < 0.03
    host = "backup1" if kind != "playbook" and "backup1" in fleet.hosts else fleet.chance.choice(fleet.hosts)
    start, ended = _start(identifier, 1, person, began), began + timedelta(minutes=fleet.chance.randint(2, 25))
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
    last = _end(contents, record, **{"events-1.jsonl": events_bytes(events)})
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
    request = _request(fleet, "restore", "normal", "a table was emptied by mistake", began)
    action = RestoreHost(label="20261120-000000F", until="newest", repository=1, replaces=True)
    actions = RestoreActions(kind="restore", selection="all", waves=((host,),), hosts={host: action})
    plan = Plan(request=request, actions=actions, digest=digest(actions.model_dump(mode="json")), observations={})
    given = _approval(fleet, plan, began + timedelta(minutes=9))
    at, done = began + timedelta(minutes=10), began + timedelta(minutes=18)
    start = _start(request.id, 1, request.requester, at, plan)
    events = [Event(time=done, type="result", task="Restore", action="backup_run", host=host, status="changed")]
    contents = {
        "plan.json": file_bytes(plan),
        "approval.json": file_bytes(given),
        "start-1.json": file_bytes(start),
        "events-1.jsonl": events_bytes(events),
    }
    checks = (Check(name="markers are there", passed=True), Check(name="nobody came back who was locked", passed=True))
    fields = {"outcome": "verified", "hosts": {host: HostResult(state="verified", checks=checks)}}
    record = _record(plan, given, request.requester, done, seconds={"restore": 480}, **fields)
    people = (request.requester, given.by, request.requester, request.requester)
    for (name, content), person, when in zip(contents.items(), people, (began, given.time, at, done), strict=True):
        yield fleet.step(when, request.id, person, name, {name: content}, name != "events-1.jsonl")
    yield fleet.step(done, request.id, record.operator, "verified", _end(contents, record))
