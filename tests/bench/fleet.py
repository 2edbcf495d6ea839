"""A fleet that is made up: its hosts and packages, and the plans, approvals, events and records of what befalls it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ops.logbook.canonical import digest
from ops.logbook.files import file_bytes, parse_change
from ops.logbook.model import (
    Actions,
    Approval,
    Event,
    HostActions,
    Observations,
    PackageChange,
    Plan,
    Record,
    Request,
    Source,
    Start,
)
from ops.logbook.page import render_change

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


def request_of(fleet: Fleet, kind: str, category: str, reason: str, began: datetime, **more: object) -> Request:
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


def updates_of(fleet: Fleet, count: int) -> list[PackageChange]:
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


SOURCES = tuple(
    Source(uri="https://security.example.org/debian-security", suite=suite, state="answered", key_known=True)
    for suite in ("bookworm", "bookworm-updates", "bookworm-security")
)


def plan_of(fleet: Fleet, request: Request, hosts: Sequence[str], updates: Sequence[PackageChange]) -> Plan:
    advisories = {
        update.name: tuple(
            f"CVE-{request.time.year}-{fleet.chance.randint(1000, 9999)}" for _ in range(fleet.chance.randint(1, 3))
        )
        for update in updates
    }
    seen = Observations(
        verdict="pending",
        checked=request.time,
        lists_age_seconds=fleet.chance.randint(2, 60),
        sources=SOURCES,
        kernel_running="6.1.0-41-amd64",
        kernel_newest="6.1.0-41-amd64",
        automatic_updates="off",
        staged=True,
        stage_seconds=fleet.chance.randint(1, 20),
        advisories=advisories,
        published={
            number: request.time - timedelta(hours=fleet.chance.randint(1, 90))
            for numbers in advisories.values()
            for number in numbers
        },
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


def approval_of(fleet: Fleet, plan: Plan, when: datetime, verdict: str = "approved") -> Approval:
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


def start_of(identifier: str, number: int, person: str, when: datetime, plan: Plan | None = None) -> Start:
    return Start(
        id=identifier,
        run=number,
        digest=plan.digest if plan else None,
        operator=person,
        controller="laptop1",
        time=when,
        command=plan.request.command if plan else "invoke backup",
    )


def events_of(plan: Plan, waves: Sequence[Sequence[str]], when: datetime, bad: str = "") -> list[Event]:
    """Return the events of a run over *waves*; the gate closes on the host *bad*."""
    play, events = "Patch wave by wave", [Event(time=when, type="play", play="Patch wave by wave")]
    for number, wave in enumerate(waves):
        at = when + timedelta(seconds=60 * number)
        for place, (task, action) in enumerate(TASKS):
            events.append(Event(time=at + timedelta(seconds=place), type="task", play=play, task=task, action=action))
            for host in wave:
                status, data = answer(action, plan, host, host == bad)
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


def answer(action: str, plan: Plan, host: str, bad: bool) -> tuple[str, dict[str, object]]:
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


def record_of(plan: Plan, given: Approval | None, operator: str, ended: datetime, **more: object) -> Record:
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


def end_of(contents: dict[str, bytes], record: Record, **more: bytes) -> dict[str, bytes]:
    """Return what ends a change, with its page."""
    whole = contents | more | {"record.json": file_bytes(record)}
    page = render_change(parse_change(record.id, whole)).encode()
    return {**more, "record.json": whole["record.json"], "page.md": page}
