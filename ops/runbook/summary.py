"""One change in short: what lists, counts and figures need of it, and the rows that are kept by host. Pure.

The files of a change are read once. What comes of it is kept beside the site, since records are never rewritten.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, Field

from ops.logbook.files import ChangeFiles
from ops.logbook.model import Check, Event, HostResult, Model, Moment, Observations, PackageResult, Plan, Record

GATE, BACKUP = "patch_gate", "backup_run"
DONE = ("ok", "changed", "failed")
"""Of an event: the step was really carried out."""


class Drill(Model):
    """What a drill measured, in seconds, and what was promised then (None: its record does not say)."""

    label: str = ""
    repository: int | None = None
    took: int = 0
    recovery_point: int | None = None
    recovery_time: int | None = None
    promised_point: int | None = None
    promised_time: int | None = None
    verdict: str = ""


class Evidence(Model):
    """Counts by which requirements are judged."""

    packages: int = 0
    hashed: int = 0
    sources: int = 0
    trusted: int = 0
    replaced: int = 0
    ways_back: int = 0
    verified: int = 0
    checked: int = 0
    gates_closed: int = 0
    not_begun: int = 0
    repositories: int = 0


class Summary(Model):
    """A change as one row. ``outcome`` is empty while it is open, ``state`` then says how far it came.

    ``unfinished`` are hosts on which a package is not installed and in use: one that waits for a restart is not. ``checks`` are
    kept by host, of comparisons of access rights only.
    """

    id: str
    kind: str = ""
    category: str = ""
    state: str
    outcome: str = ""
    detail: str = ""
    reason: str = ""
    ticket: str = ""
    requester: str = ""
    operator: str = ""
    verdict: str = ""
    basis: str = ""
    approver: str = ""
    approved_digest: bool = False
    owed_until: AwareDatetime | None = None
    asked: AwareDatetime | None = None
    begun: AwareDatetime | None = None
    ended: AwareDatetime | None = None
    by_timer: bool = False
    planned: bool = False
    waves: tuple[int, ...] = ()
    hosts: dict[str, str] = Field(default_factory=dict)
    excluded: dict[str, str] = Field(default_factory=dict)
    packages: tuple[str, ...] = ()
    advisories: tuple[str, ...] = ()
    follow_up: tuple[str, ...] = ()
    links: dict[str, str] = Field(default_factory=dict)
    seconds: dict[str, int] = Field(default_factory=dict)
    plays: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    failed: dict[str, str] = Field(default_factory=dict)
    evidence: Evidence = Evidence()
    drill: Drill | None = None
    checks: dict[str, tuple[Check, ...]] = Field(default_factory=dict)

    def __repr__(self) -> str:
        # It stands for the whole in the keys of pages: records are only added to, so this tells whether anything is new.
        return f"<{self.id} {self.state} {self.outcome} {self.verdict}>"

    @property
    def month(self) -> str:
        """``2026-11``."""
        return self.id[:7]

    @property
    def page(self) -> str:
        """Where its page is, from the root of the site."""
        return page_of(self.id)

    @property
    def took(self) -> float | None:
        """Seconds from its beginning to its end."""
        return (self.ended - self.begun).total_seconds() if self.ended and self.begun else None


def page_of(change: str) -> str:
    """Return where the page of the change with the id *change* is, from the root of the site."""
    return f"changes/{change[:4]}/{change[5:7]}/{change}.html"


Sighting = tuple[int, int | None, int | None, str]
"""Of an advisory on a host by one change: seen, installed, opened again (seconds since 1970 or None), the change."""


@dataclass(frozen=True)
class Rows:
    """What is kept by host and advisory, besides the summary; times in seconds since 1970."""

    exposures: list[tuple[str, str, int, int | None, int | None, str, int | None]] = field(default_factory=list)
    packages: list[tuple[str, str, str, str, str, int, str]] = field(default_factory=list)
    looks: list[tuple[str, str, int, str, int, str]] = field(default_factory=list)
    steps: list[tuple[str, str, str, str]] = field(default_factory=list)


class Deferred(Model):
    """A package that a plan left out: ``held`` with the inventory's reason, or ``deferred`` because it could not come."""

    name: str
    state: str
    detail: str = ""
    reason: str = ""
    since: Moment | None = None


class Look(Model):
    """What a plan saw on one host, as far as pages show it."""

    verdict: str
    reasons: tuple[str, ...] = ()
    release: str = ""
    kernel: str = ""
    automatic_updates: str = ""
    lists_age_seconds: int | None = None
    end_of_life: str = ""
    updates: int = 0
    deferred: tuple[Deferred, ...] = ()


def summarise(files: ChangeFiles) -> Summary:
    """Return the summary of the change *files*."""
    record, plan = files.record, files.plan
    return Summary(
        id=files.id,
        state=files.state,
        **_request(files),
        **_approval(files),
        **(_ended(record) if record else {}),
        begun=files.starts[0].time if files.starts else record.started if record else None,
        planned=plan is not None,
        waves=tuple(len(wave) for wave in (plan.actions.waves if plan else record.waves if record else ())),
        excluded=dict(sorted(plan.excluded.items())) if plan else {},
        hosts=_hosts(files),
        plays=tuple(dict.fromkeys(event.play for event in files.events if event.type == "play" and event.play)),
        evidence=_evidence(plan, record),
        drill=_drill(files) if record and record.kind == "drill" else None,
        checks=_checks(record) if record and record.kind == "access" else {},
    )


def _request(files: ChangeFiles) -> dict[str, Any]:
    about = files.record or (files.plan.request if files.plan else None)
    if about is None:
        first = files.starts[0] if files.starts else None
        return {"requester": first.operator, "asked": first.time} if first else {}
    asked = files.plan.request if files.plan else None
    return {
        "kind": about.kind,
        "category": about.category,
        "reason": about.reason,
        "requester": about.requester,
        "asked": asked.time if asked else files.record.started if files.record else None,
        "ticket": asked.ticket if asked else "",
    }


def _approval(files: ChangeFiles) -> dict[str, Any]:
    given = files.approval
    if given is None:
        return {}
    same = files.plan is not None and given.digest == files.plan.digest
    return {"verdict": given.verdict, "basis": given.basis, "approver": given.by, "approved_digest": same}


def _ended(record: Record) -> dict[str, Any]:
    came = [package for result in record.hosts.values() for package in result.packages if package.came]
    return {
        "outcome": record.outcome,
        "detail": record.detail,
        "operator": record.operator,
        "owed_until": record.approval_owed_until,
        "ended": record.ended,
        "by_timer": record.command == "systemd timer",
        "packages": tuple(sorted({package.name for package in came})),
        "advisories": tuple(sorted({name for package in came for name in package.advisories})),
        "follow_up": record.follow_up,
        "links": dict(record.links),
        "seconds": record.seconds,
        "unfinished": tuple(host for host, result in sorted(record.hosts.items()) if not _all_count(result)),
        "failed": {host: result.reason for host, result in sorted(record.hosts.items()) if result.state != "verified"},
    }


def _hosts(files: ChangeFiles) -> dict[str, str]:
    if files.record:
        return {host: result.state for host, result in sorted(files.record.hosts.items())}
    return dict.fromkeys(sorted(files.plan.actions.hosts), "") if files.plan else {}


def _evidence(plan: Plan | None, record: Record | None) -> Evidence:
    actions = [package for host in plan.actions.hosts.values() for package in host.packages] if plan else []
    coming = [package for package in actions if package.to_version is not None]
    seen = [look for host, look in plan.observations.items() if host in plan.actions.hosts] if plan else []
    results = list(record.hosts.values()) if record else []
    secured = [one for look in seen for one in look.secured]
    return Evidence(
        packages=len(coming),
        hashed=sum(bool(package.sha256) for package in coming),
        sources=sum(len(look.sources) for look in seen),
        trusted=sum(source.state == "answered" and source.key_known for look in seen for source in look.sources),
        replaced=len(secured),
        ways_back=sum(one.way != "none" for one in secured),
        verified=sum(result.state == "verified" for result in results),
        checked=sum(result.state == "verified" and bool(result.checks) for result in results),
        gates_closed=sum(not check.passed for result in results for check in result.checks),
        not_begun=sum(result.state == "not-begun" for result in results),
        repositories=_repositories(record),
    )


def _checks(record: Record) -> dict[str, tuple[Check, ...]]:
    return {host: result.checks for host, result in sorted(record.hosts.items())}


def _repositories(record: Record | None) -> int:
    """Return in how many repositories a backup was made: its record has a check for each."""
    if record is None or record.kind != "backup":
        return 0
    checks = [check for result in record.hosts.values() for check in result.checks if check.passed]
    return sum(check.name.startswith("backup in repository ") for check in checks)


def _drill(files: ChangeFiles) -> Drill:
    record = files.record
    seconds: Mapping[str, int] = record.seconds if record else {}
    told = next((event.data for event in files.events if event.action == BACKUP and event.data), {})
    promised = told.get("promised", {})
    return Drill(
        label=told.get("label") or "",
        repository=told.get("repository"),
        took=seconds.get("drill", 0),
        recovery_point=seconds.get("recovery_point"),
        recovery_time=seconds.get("recovery_time"),
        promised_point=promised.get("recovery_point_seconds"),
        promised_time=promised.get("recovery_time_seconds"),
        verdict=_drill_verdict(record),
    )


def _drill_verdict(record: Record | None) -> str:
    if record is None or record.outcome != "verified":
        return "fail"
    return "partial" if record.follow_up else "pass"


def rows(files: ChangeFiles) -> Rows:
    """Return what is kept of the change *files* by host and advisory."""
    when = {event.host: event.time for event in files.events if event.action == GATE and event.status in DONE}
    found = Rows()
    exposures = dict(_seen(files.plan)) if files.plan and files.plan.request.kind != "revert" else {}
    found.looks.extend(_looks(files.plan) if files.plan else ())
    if files.record:
        for host, result in files.record.hosts.items():
            at = _epoch(when.get(host, files.record.ended))
            for key, sighting in _closed(files.record, host, result, at).items():
                seen = exposures.get(key, sighting)[0]
                exposures[key] = (seen, *sighting[1:])
            found.packages.extend(_versions(files.id, host, result, at))
    published = dict(_published(files.plan)) if files.plan else {}
    found.exposures.extend((*key, *value, published.get(key)) for key, value in exposures.items())
    found.steps.extend(_steps(files.events))
    return found


def _seen(plan: Plan) -> Iterator[tuple[tuple[str, str], Sighting]]:
    for host, look in plan.observations.items():
        for name in {name for names in look.advisories.values() for name in names}:
            yield (name, host), (_epoch(look.checked), None, None, plan.request.id)


def _published(plan: Plan) -> Iterator[tuple[tuple[str, str], int]]:
    for host, look in plan.observations.items():
        for name, time in look.published.items():
            yield (name, host), _epoch(time)


def _closed(record: Record, host: str, result: HostResult, at: int) -> dict[tuple[str, str], Sighting]:
    """Return the advisories that *record* closed on *host*, or opened again; without a plan they were seen when it began."""
    names = {name for package in result.packages if _counts(package) for name in package.advisories}
    times = (None, at) if record.kind == "revert" else (at, None)
    return {(name, host): (_epoch(record.started), *times, record.id) for name in names}


def _counts(package: PackageResult) -> bool:
    """Return whether a package is installed and in use: one that waits for a restart or a reboot closes nothing yet."""
    return package.state in ("installed", "removed")


def _all_count(result: HostResult) -> bool:
    return all(_counts(package) for package in result.packages)


def _versions(
    change: str, host: str, result: HostResult, at: int
) -> Iterator[tuple[str, str, str, str, str, int, str]]:
    for package in result.packages:
        if package.came:
            yield host, package.name, package.architecture, package.to_version or "", package.state, at, change


def _looks(plan: Plan) -> Iterator[tuple[str, str, int, str, int, str]]:
    for host in sorted({*plan.observations, *plan.excluded}):
        seen, actions = plan.observations.get(host), plan.actions.hosts.get(host)
        updates = len(actions.packages) if actions else 0
        look = _look(plan, host, seen, updates)
        at = _epoch(seen.checked if seen else plan.request.time)
        yield host, plan.request.id, at, look.verdict, updates, look.model_dump_json()


def _look(plan: Plan, host: str, seen: Observations | None, updates: int) -> Look:
    if seen is None:
        return Look(verdict="unknown", reasons=(plan.excluded.get(host, ""),))
    actions = plan.actions.hosts.get(host)
    return Look(
        verdict=seen.verdict,
        reasons=seen.reasons,
        release=actions.release if actions else "",
        kernel=seen.kernel_running,
        automatic_updates=seen.automatic_updates,
        lists_age_seconds=seen.lists_age_seconds,
        end_of_life=seen.end_of_life,
        updates=updates,
        deferred=(
            *(
                Deferred(name=hold.name, state="held", detail=hold.detail, reason=hold.reason, since=hold.since)
                for hold in seen.holds
            ),
            *(Deferred(name=package.name, state="deferred", detail=package.detail) for package in seen.kept_back),
        ),
    )


def _steps(events: tuple[Event, ...]) -> Iterator[tuple[str, str, str, str]]:
    """Yield play, name, module and form of each step that was really carried out."""
    forms: dict[tuple[str, str, str], str] = {}
    found: dict[tuple[str, str, str, str], None] = {}
    for event in events:
        step = (event.play, event.task, event.action)
        if event.type == "task":
            forms[step] = event.form
        elif event.type == "result" and event.status in DONE:
            found[*step, forms.get(step, "")] = None
    yield from found


def _epoch(time: datetime) -> int:
    return int(time.timestamp())
