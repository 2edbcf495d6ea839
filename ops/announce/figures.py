"""The figures of a month, from the records alone. Pure.

What the logbook does not know stands in no figure: an outage that no change caused, for instance.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import Field

from ops.announce.meaning import Procedure, held_seconds, page_seconds, procedure_of
from ops.announce.notice import closed_advisories
from ops.errors import BadInput
from ops.logbook.files import ChangeFiles
from ops.logbook.model import HostResult, Model, Moment, Plan, Record

Work = Literal["patch", "revert", "deploy", "upgrade", "restore", "backup", "drill", "other"]
UNTOUCHED = ("refused", "rejected")
Point = Literal["not-done", "old-files", "configuration", "held", "kept-back", "left-out", "other"]


class Month(Model):
    """One month in the readers' time zone: ``after`` is when the next begins, ``seen`` until when there are figures."""

    first: date
    begin: Moment
    after: Moment
    seen: Moment

    @property
    def over(self) -> bool:
        """Whether it goes on no longer."""
        return self.seen == self.after

    @property
    def seconds(self) -> int:
        """How long it has lasted."""
        return round((self.seen - self.begin).total_seconds())

    def holds(self, time: datetime) -> bool:
        """Return whether *time* lies in it."""
        return self.begin <= time < self.after


class Count(Model):
    """How many changes of one sort there were, and how many of them did not end well."""

    work: Work
    done: int
    not_well: int


class Proof(Model):
    """The last restore that was proven: by a drill, or by a real one. Seconds until it answered, and of what was lost."""

    change: str
    kind: Literal["drill", "restore"]
    time: Moment
    partial: bool
    recovery_time_seconds: int | None
    recovery_point_seconds: int | None


class Figures(Model):
    """What the monthly report says, as data."""

    schema_version: Literal["bordbuch/report/1"] = "bordbuch/report/1"
    month: Month
    counts: tuple[Count, ...]
    packages: int
    closed: int
    opened_again: int
    seconds_to_close_median: int | None
    seconds_to_close_longest: int | None
    held_seconds: int
    page_seconds: int
    reboots: int
    proof: Proof | None
    points: dict[Point, int]
    approvals_owed: int
    waiting: int
    not_ended: int
    hosts: dict[Point, tuple[str, ...]] = Field(default_factory=dict)
    """Where the points are; only for who wants host names."""


def month_of(text: str, timezone: str, now: datetime) -> Month:
    """Return the month *text* (``2026-11``) in *timezone*, up to *now*.

    Raises:
        BadInput: it is no month, or lies ahead.
    """
    try:
        first = datetime.strptime(text, "%Y-%m").replace(tzinfo=ZoneInfo(timezone))
    except ValueError:
        raise BadInput(f"{text!r} is no month", next_step="write it like 2026-11") from None
    if first > now:
        raise BadInput(f"the month {text} lies ahead", next_step="write one that has begun")
    after = (first + timedelta(days=32)).replace(day=1)
    return Month(first=first.date(), begin=first, after=after, seen=min(after, now))


def figures(changes: Iterable[ChangeFiles], month: Month, *, hosts: bool = False) -> Figures:
    """Return the figures of *month* from all *changes*; *hosts*: with the names of those on which something is open."""
    known = sorted((one for one in changes if _asked(one) < month.after), key=_asked)
    ended = [one for one in known if one.record and one.record.ended < month.after]
    within = [one for one in ended if one.record and month.holds(one.record.ended)]
    closing = closing_seconds(known, within)
    points = _open_points(ended)
    counted = Counter(point for point, _host in points)
    return Figures(
        month=month,
        counts=_counts(within),
        **_updates([one.record for one in within if one.record]),
        seconds_to_close_median=round(statistics.median(closing)) if closing else None,
        seconds_to_close_longest=max(closing, default=None),
        held_seconds=sum(held_seconds(one.events) for one in within),
        page_seconds=sum(page_seconds(one) for one in within),
        proof=proof(one.record for one in ended if one.record),
        points={point: counted[point] for point in get_args(Point) if counted[point]},
        **_left_open(known, ended),
        hosts=_where(points) if hosts else {},
    )


def _where(points: Iterable[tuple[Point, str]]) -> dict[Point, tuple[str, ...]]:
    found: dict[Point, set[str]] = {}
    for point, host in points:
        found.setdefault(point, set()).update([host] if host else [])
    return {point: tuple(sorted(hosts)) for point, hosts in found.items() if hosts}


def _updates(records: list[Record]) -> dict[str, int]:
    forward = [record for record in records if record.kind != "revert"]
    back = [record for record in records if record.kind == "revert"]
    booted = [result for result in _results(records) if result.boot_after and result.boot_before != result.boot_after]
    return {
        "packages": sum(package.came for result in _results(forward) for package in result.packages),
        "closed": len(closed_advisories(forward)),
        "opened_again": len(closed_advisories(back)),
        "reboots": len(booted),
    }


def _left_open(known: list[ChangeFiles], ended: list[ChangeFiles]) -> dict[str, int]:
    over = {one.id for one in ended}
    going = [one for one in known if one.id not in over]
    return {
        "approvals_owed": sum(
            bool(one.record and one.record.approval_owed_until and not one.approval) for one in ended
        ),
        "waiting": sum(not one.starts for one in going),
        "not_ended": sum(bool(one.starts) for one in going),
    }


def _asked(files: ChangeFiles) -> datetime:
    """Return when a change was asked for: an id is the minute of the request, in UTC."""
    minute = datetime.strptime(files.id[:15], "%Y-%m-%d-%H%M").replace(tzinfo=UTC)
    return files.plan.request.time if files.plan else minute


def _results(records: Iterable[Record]) -> Iterator[HostResult]:
    return (result for record in records for result in record.hosts.values())


def work_of(files: ChangeFiles) -> Work:
    """Return which sort of work a change was."""
    procedure: Procedure | None = procedure_of(files)
    if procedure:
        return procedure
    kind = files.record.kind if files.record else ""
    return "backup" if kind == "backup" else "drill" if kind == "drill" else "other"


def _counts(changes: Iterable[ChangeFiles]) -> tuple[Count, ...]:
    outcomes = [(work_of(one), one.record.outcome) for one in changes if one.record]
    touched = Counter(work for work, outcome in outcomes if outcome not in UNTOUCHED)
    good = Counter(work for work, outcome in outcomes if outcome == "verified")
    works = [work for work in get_args(Work) if touched[work]]
    return tuple(Count(work=work, done=touched[work], not_well=touched[work] - good[work]) for work in works)


def closing_seconds(known: Iterable[ChangeFiles], within: Iterable[ChangeFiles]) -> list[int]:
    """Return, for each advisory that a change of *within* closed, the seconds since the first plan of *known* that named it."""
    seen: dict[str, datetime] = {}
    for one in known:
        for number in _planned(one.plan):
            seen.setdefault(number, _asked(one))
    closed = [
        (number, one.record) for one in within if one.record for number in sorted(closed_advisories([one.record]))
    ]
    spans = [(record.ended - seen[number]) for number, record in closed if number in seen and record.kind != "revert"]
    return [round(span.total_seconds()) for span in spans]


def _planned(plan: Plan | None) -> Iterator[str]:
    observations = plan.observations.values() if plan and plan.request.kind == "patch" else ()
    return (number for seen in observations for numbers in seen.advisories.values() for number in numbers)


def proof(records: Iterable[Record]) -> Proof | None:
    """Return the last drill or restore of *records* that was verified, None if there is none."""
    good = [record for record in records if record.kind in ("drill", "restore") and record.outcome == "verified"]
    if not good:
        return None
    last = max(good, key=lambda record: record.ended)
    return Proof(
        change=last.id,
        kind="drill" if last.kind == "drill" else "restore",
        time=last.ended,
        partial=last.kind == "drill" and bool(last.follow_up),
        recovery_time_seconds=last.seconds.get("recovery_time", last.seconds.get("restore")),
        recovery_point_seconds=last.seconds.get("recovery_point"),
    )


def _open_points(ended: Iterable[ChangeFiles]) -> list[tuple[Point, str]]:
    """Return what is left to do, each with its host: by sort of work and host, what the latest record says.

    What an earlier record left is taken for done, or stands in the later one again.
    """
    found: dict[tuple[str, str], list[Point]] = {}
    for one in ended:
        work = {"revert": "patch"}.get(work_of(one), work_of(one))
        if one.record and one.record.outcome not in UNTOUCHED:
            found.update({(work, host): points for host, points in _by_host(one, one.record).items()})
    return [(point, host) for (_work, host), points in found.items() for point in points]


def _by_host(files: ChangeFiles, record: Record) -> dict[str, list[Point]]:
    """Return the follow-ups of a record by host; a line that names none belongs to the host ``""``."""
    if files.plan is None or record.kind not in ("patch", "revert"):
        return _by_line(record)
    points = {host: _of_result(result) for host, result in record.hosts.items()}
    points.update({host: ["left-out"] for host in files.plan.excluded})
    for host, seen in files.plan.observations.items():
        more = [*_times("held", len(seen.holds)), *_times("kept-back", len(seen.kept_back))]
        points[host] = [*points.get(host, ()), *more]
    return points


def _times(point: Point, count: int) -> list[Point]:
    return [point] * count


def _by_line(record: Record) -> dict[str, list[Point]]:
    points: dict[str, list[Point]] = {host: [] for host in [*record.hosts, ""]}
    for line in record.follow_up:
        host = line.partition(": ")[0]
        points[host if host in points else ""].append("other")
    return points


def _of_result(result: HostResult) -> list[Point]:
    return [
        *_times("not-done", result.state != "verified"),
        *_times("old-files", len(result.still_on_old_files)),
        *_times("configuration", len(result.configuration_files_left)),
    ]
