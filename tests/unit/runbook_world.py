"""Logbooks for the site's tests: changes as data, as many as are wanted, and a repository that holds them, unsigned."""

import json
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from ops.inventory import Inventory, parse
from ops.logbook.canonical import digest
from ops.logbook.files import change_folder, events_bytes, file_bytes
from ops.logbook.model import (
    Actions,
    Approval,
    Check,
    Event,
    HostActions,
    HostResult,
    Observations,
    PackageChange,
    PackageResult,
    Plan,
    Record,
    Request,
    Source,
    Start,
)
from ops.logbook.operators import Operators
from ops.logbook.remote import Remote
from ops.logbook.repository import Logbook

ROOT = Path(__file__).resolve().parents[2]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF2f5tyeZSW7ryxM0y65AsrrdfwOvgLGThQK4FZ1y105"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOAalAJC/wS7R1KkeU26HWBuxM/y0B8twYZk8wx3ZEzq"
HOST_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
TIMER_KEY = (
    HOST_KEY.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
)
"""The key of backup1, always the same, so that its signatures are, too."""
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
WORDS = (
    "security updates",
    "kernel",
    "openssl is being attacked",
    "monthly patch day",
    "after the freeze",
    "as agreed",
)

Files = Mapping[str, bytes]
Signer = Callable[[bytes], bytes]


def operators() -> Operators:
    """Return anna and bert, administrators, clara of clearing, and backup1, whose timers sign."""
    return Operators.parse(
        [
            {"name": "anna", "office": "administration", "keys": [{"public": KEY, "valid_until": "2027-12-31"}]},
            {"name": "bert", "office": "administration", "keys": [{"public": OTHER, "valid_from": "2016-01-01"}]},
            {
                "name": "clara",
                "office": "clearing",
                "keys": [
                    {"public": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPcQd2HgbS4Tgi5oUivnDqIeW4G2xfCny6lIyH/uAXN1"}
                ],
            },
            {"name": "backup1", "office": "timer", "keys": [{"public": TIMER_KEY}]},
        ],
        ROOT,
    )


def hosts(count: int) -> tuple[str, ...]:
    """Return the names of *count* hosts."""
    return ("app1", "db1", "backup1", *(f"host{number}" for number in range(4, count + 1)))[:count]


def inventory(names: tuple[str, ...] = hosts(3), **variables: Any) -> Inventory:
    """Return an inventory of *names* in their usual groups, with *variables* for all of them."""
    groups = {"application": ["app1"], "database": ["db1"], "backup": ["backup1"]}
    listing: dict[str, Any] = {
        "_meta": {"hostvars": dict.fromkeys(names, variables)},
        "all": {"children": ["ungrouped", *groups]},
        "ungrouped": {"hosts": list(names[3:])},
        **{group: {"hosts": [host for host in members if host in names]} for group, members in groups.items()},
    }
    return parse(Path("inventory/test"), listing)


def host_signature(text: bytes, namespace: str = "bordbuch-timer") -> bytes:
    """Return the signature of *text* by backup1, as ssh-keygen makes it."""
    no_password = serialization.NoEncryption()
    key = HOST_KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, no_password)
    with tempfile.NamedTemporaryFile() as file:  # private to this user, as ssh-keygen wants it
        file.write(key)
        file.flush()
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", file.name, "-n", namespace]
        return subprocess.run(command, input=text, capture_output=True, check=True).stdout


class Maker:
    """Makes changes, one after the other, the same ones for the same *seed*."""

    def __init__(self, names: tuple[str, ...], begin: datetime, step: timedelta, seed: int = 1) -> None:
        self.names, self.now, self.step = names, begin, step
        self.random = random.Random(seed)  # noqa: S311  (plausible data, no secret)

    def changes(self, count: int) -> Iterator[tuple[str, Files]]:
        """Yield *count* changes: id, and the content of each file by name."""
        makers = (self.patch, self.backup, self.drill, self.playbook)
        for make in self.random.choices(makers, weights=(60, 20, 10, 10), k=count):
            self.now += self.step
            yield make()

    def _id(self) -> str:
        return f"{self.now:%Y-%m-%d-%H%M}-{''.join(self.random.choices(LETTERS, k=4))}"

    def _after(self, minutes: float) -> datetime:
        return self.now + timedelta(minutes=minutes)

    def patch(self, **changed: Any) -> tuple[str, Files]:
        """Return a patch of some hosts, mostly verified."""
        identifier, pick = self._id(), self.random
        most = pick.choices((1, 6, 20, len(self.names)), weights=(30, 55, 13, 2))[0]
        chosen = pick.sample(self.names, k=min(len(self.names), most))
        failed = pick.random() < 0.06
        plan = _plan(identifier, self.now, chosen, pick, changed)
        state = "failed" if failed else "verified"
        results = {
            host: _result(plan, host, state if host == chosen[0] else "not-begun" if failed else "verified")
            for host in chosen
        }
        normal = plan.request.category == "normal"
        approval = Approval(
            id=identifier, digest=plan.digest, verdict="approved", basis="operator" if normal else "policy",
            by="bert" if normal else "anna", reason="yes", time=self._after(1),
        )  # fmt: skip
        record = _record(
            identifier, "patch", self.now, self._after(9), reason=plan.request.reason, outcome=state, digest=plan.digest,
            category=plan.request.category, approver=approval.by, seconds={"plan": 16, "window": 97, "verify": 2},
            waves=plan.actions.waves, hosts=results,
            follow_up=(f"{chosen[0]}: failed, the gate",) if failed else (),
        )  # fmt: skip
        return identifier, {
            "plan.json": file_bytes(plan),
            "approval.json": file_bytes(approval),
            **self._run(identifier, plan.digest, _patch_events(self._after(5), chosen)),
            "record.json": file_bytes(record),
        }

    def _run(self, identifier: str, number: str | None, events: list[Event]) -> dict[str, bytes]:
        start = Start(
            id=identifier,
            run=1,
            digest=number,
            operator="anna",
            controller="laptop",
            time=self._after(2),
            command="invoke",
        )
        return {"start-1.json": file_bytes(start), "events-1.jsonl": events_bytes(events)}

    def backup(self, **changed: Any) -> tuple[str, Files]:
        """Return a backup into two repositories."""
        checks = tuple(
            Check(name=f"backup in repository {number}", passed=True, detail="full, 3 MB") for number in (1, 2)
        )
        given = {"outcome": "verified", "hosts": {"backup1": HostResult(state="verified", checks=checks)}, **changed}
        return self._simple("backup", "backup.yml", "Back up the database", {"seconds": {"backup": 5}, **given})

    def timed(self, result: Mapping[str, Any] | None = None, signer: Signer | None = None) -> tuple[str, Files]:
        """Return a backup by timer, whose *result* (what differs from the record) backup1 has signed, or *signer*."""
        identifier, files = self.backup(command="systemd timer")
        record = Record.model_validate_json(files["record.json"]).model_dump(mode="json")
        said = {name: record[name] for name in ("id", "kind", "outcome", "started", "ended")}
        text = json.dumps({**said, **(result or {})}, indent=1).encode()
        return identifier, {**files, "result.json": text, "result.json.sig": (signer or host_signature)(text)}

    def drill(self, **changed: Any) -> tuple[str, Files]:
        """Return a drill, mostly passed."""
        good = self.random.random() < 0.9
        time, point = self.random.randint(2, 600), self.random.randint(5, 800)
        data = {
            "label": "20261128F",
            "repository": 1,
            "promised": {"recovery_point_seconds": 900, "recovery_time_seconds": 3600},
        }
        given = {
            "outcome": "verified" if good else "failed",
            "detail": "pass: it came back" if good else "recovery: A WAL file is missing",
            "seconds": {"drill": time + 20, "recovery_time": time, "recovery_point": point},
            "hosts": {"backup1": HostResult(state="verified" if good else "failed")},
            **changed,
        }
        return self._simple("drill", "drill.yml", "Try a restore", given, data)

    def playbook(self, **changed: Any) -> tuple[str, Files]:
        """Return a run of a playbook without a plan."""
        results = {host: HostResult(state="verified") for host in self.names[:3]}
        return self._simple(
            "playbook", "site.yml", "Set up what every host gets", {"outcome": "verified", "hosts": results, **changed}
        )

    def access(self, **changed: Any) -> tuple[str, Files]:
        """Return a comparison of access rights."""
        return self._simple("access", "compare access rights", "Look who may do what", changed)

    def _simple(
        self, kind: str, reason: str, play: str, given: dict[str, Any], data: dict[str, Any] | None = None
    ) -> tuple[str, Files]:
        identifier = self._id()
        record = _record(identifier, kind, self.now, self._after(3), **{"reason": reason, **given})
        host = next(iter(record.hosts), "backup1")
        action = "backup_run" if kind in ("backup", "drill") else "ansible.builtin.command"
        events = [
            Event(time=self._after(2), type="play", play=play),
            Event(
                time=self._after(3),
                type="result",
                play=play,
                task="Act",
                action=action,
                host=host,
                status="changed",
                data=data or {},
            ),
            Event(time=self._after(3), type="end"),
        ]
        return identifier, {**self._run(identifier, None, events), "record.json": file_bytes(record)}


def _plan(identifier: str, now: datetime, chosen: list[str], pick: random.Random, changed: dict[str, Any]) -> Plan:
    packages = tuple(_package(pick) for _ in range(pick.randint(1, 6)))
    names = {package.name: _advisories(now, pick) for package in packages}
    waves = ((chosen[0],), tuple(chosen[1:])) if len(chosen) > 1 else ((chosen[0],),)
    actions = Actions(
        kind="patch",
        selection="security",
        waves=waves,
        hosts={host: HostActions(release="trixie", reboot="never", packages=packages) for host in chosen},
    )
    request = Request(**{
        "id": identifier, "kind": "patch", "category": pick.choice(("standard", "normal")), "reason": pick.choice(WORDS),
        "requester": "anna", "controller": "laptop", "time": now, "command": "invoke patch", "inventory": "test",
        "inventory_digest": "0" * 64, "tools": {"ansible-core": "2.19"}, **changed,
    })  # fmt: skip
    source = Source(uri="http://archive/", suite="stable", state="answered", key_known=True)
    look = Observations(
        verdict="pending", checked=now, lists_age_seconds=60, sources=(source,), automatic_updates="off",
        kernel_running="6.1.0-1-amd64", advisories=names, published=_published(now, names),
    )  # fmt: skip
    number = digest(actions.model_dump(mode="json"))
    return Plan(request=request, actions=actions, digest=number, observations=dict.fromkeys(chosen, look))


def _package(pick: random.Random) -> PackageChange:
    name = f"lib{pick.choice(LETTERS[:8])}{pick.randint(1, 30)}"
    old, new = pick.randint(1, 8), pick.randint(9, 20)
    return PackageChange(
        name=name, architecture="amd64", from_version=f"1.{old}-1", to_version=f"1.{new}-1+deb13u1", origin="Debian-Security",
        archive="stable-security", file=f"{name}.deb", sha256="a" * 64, size_bytes=1000, security=True,
    )  # fmt: skip


def _advisories(now: datetime, pick: random.Random) -> tuple[str, ...]:
    """Return issues of the month of *now*, of which there are forty."""
    number = int(f"{now:%m}") * 100
    return tuple(sorted({f"CVE-{now:%Y}-{number + pick.randint(0, 39):05}" for _ in range(pick.randint(0, 3))}))


def _published(now: datetime, names: dict[str, tuple[str, ...]]) -> dict[str, datetime]:
    """Return for all but one in ten of the issues *names* a time some hours before *now*."""
    numbers = {number: int(number[-2:]) for issues in names.values() for number in issues}
    return {number: now - timedelta(hours=1 + last) for number, last in numbers.items() if last % 10}


def _result(plan: Plan, host: str, state: Any) -> HostResult:
    if state == "not-begun":
        return HostResult(state=state)
    advisories = plan.observations[host].advisories
    packages = tuple(
        PackageResult(
            name=package.name, architecture="amd64", from_version=package.from_version, to_version=package.to_version,
            state="installed" if state == "verified" else "failed", advisories=advisories[package.name],
        )
        for package in plan.actions.hosts[host].packages
    )  # fmt: skip
    names = ("package versions", "holds and marks", "failed units", "health: page")
    checks = tuple(
        Check(name=name, passed=state == "verified" or name != "failed units", detail="as before") for name in names
    )
    return HostResult(
        state=state, reason="" if state == "verified" else "failed units: x", packages=packages, checks=checks
    )


def _record(identifier: str, kind: Any, began: datetime, ended: datetime, **given: Any) -> Record:
    fields = {
        "category": "standard", "digest": None, "requester": "anna", "operator": "anna", "controller": "laptop",
        "command": f"invoke {kind}", **given,
    }  # fmt: skip
    return Record(id=identifier, kind=kind, started=began, ended=ended, **fields)


def _patch_events(time: datetime, chosen: list[str]) -> list[Event]:
    tasks = (
        ("Lock, compare with the plan, start the package work", "patch_start"),
        ("Wait for the package work", "patch_wait"),
        ("Compare the host with the plan, free its lock", "patch_gate"),
    )
    play = "Patch wave by wave"
    events = [Event(time=time, type="play", play=play)]
    for task, action in tasks:
        events.append(Event(time=time, type="task", play=play, task=task, action=action))
        for host in chosen:
            told = Event(time=time, type="result", play=play, task=task, action=action, host=host, status="ok")
            events.append(told)
    return [*events, Event(time=time, type="end")]


def logbook(folder: Path, changes: Iterator[tuple[str, Files]] | list[tuple[str, Files]]) -> Logbook:
    """Return the logbook in *folder*, to which *changes* are added: one commit for each, by fast-import, unsigned."""
    fresh = not (folder / ".git").exists()
    if fresh:
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "fast-import", "--quiet", "--force", stdin=b"".join(_stream(changes, fresh)))
    return reading(folder)


def reading(folder: Path) -> Logbook:
    """Return the logbook in *folder*, to read in."""
    settings = {"gpg.format": "ssh"}
    from ops.logbook.git import Git

    return Logbook(folder, None, Remote(Git(folder, settings), "", "ssh"))


def _stream(changes: Iterator[tuple[str, Files]] | list[tuple[str, Files]], fresh: bool) -> Iterator[bytes]:
    for number, (identifier, files) in enumerate(changes):
        when = int(datetime.strptime(identifier[:15], "%Y-%m-%d-%H%M").replace(tzinfo=UTC).timestamp())
        yield b"commit refs/heads/main\ncommitter anna <anna@bordbuch.invalid> %d +0000\ndata 6\nchange\n" % when
        if not fresh and number == 0:
            yield b"from refs/heads/main^0\n"
        for name, content in files.items():
            yield b"M 100644 inline %s/%s\ndata %d\n%s\n" % (
                change_folder(identifier).encode(),
                name.encode(),
                len(content),
                content,
            )


def git(folder: Path, *words: str, stdin: bytes = b"") -> None:
    """Run git in *folder*, apart from what the machine configured."""
    environment = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": "/usr/bin:/bin"}
    subprocess.run(["git", "-C", str(folder), *words], input=stdin, check=True, capture_output=True, env=environment)
