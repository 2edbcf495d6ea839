"""Backups and drills: what is promised against what was measured, over time. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ops.runbook import charts
from ops.runbook.charts import Mark
from ops.runbook.render import Page
from ops.runbook.summary import Drill, Summary
from ops.runbook.world import World

NEWEST = 60
"""Drills and backups that the page names one by one; older ones are counted by month."""


@dataclass(frozen=True)
class Month:
    """Backups and drills of one month; the figures are the worst of its drills, in seconds."""

    month: str
    backups: int
    failed_backups: int
    drills: int
    passed: int
    time: int | None
    point: int | None


def page(world: World) -> Page:
    """Return the page of backups and drills."""
    drills, backups = world.of_kind("drill"), world.of_kind("backup")
    measured = [one for one in drills if one.drill][-NEWEST:]
    good = [one for one in backups if one.outcome == "verified"]
    passed = [one for one in drills if one.drill and one.drill.verdict == "pass"]
    data = {
        "promise": world.promise,
        "drills": list(reversed(measured)),
        "backups": list(reversed(backups))[:NEWEST],
        "restores": list(reversed(world.of_kind("restore")))[:NEWEST],
        "months": months(backups, drills),
        "last_backup": good[-1] if good else None,
        "last_drill": drills[-1] if drills else None,
        "last_proven": passed[-1] if passed else None,
        "median_time": _median(measured, "recovery_time"),
        "median_point": _median(measured, "recovery_point"),
        "time_chart": _chart("chart-time", measured, "recovery_time"),
        "point_chart": _chart("chart-point", measured, "recovery_point"),
    }
    return Page("backups.html", "backups.html", data)


def months(backups: Sequence[Summary], drills: Sequence[Summary]) -> list[Month]:
    """Return what *backups* and *drills* came to in each month, the newest first."""
    found: dict[str, tuple[list[Summary], list[Summary]]] = {}
    for place, changes in enumerate((backups, drills)):
        for one in changes:
            found.setdefault(one.month, ([], []))[place].append(one)
    return [_month(month, *found[month]) for month in sorted(found, reverse=True)]


def _month(month: str, backups: Sequence[Summary], drills: Sequence[Summary]) -> Month:
    good = sum(one.outcome == "verified" for one in backups)
    passed = sum(one.drill is not None and one.drill.verdict == "pass" for one in drills)
    time, point = (max(_figures(drills, name), default=None) for name in ("recovery_time", "recovery_point"))
    return Month(month, good, len(backups) - good, len(drills), passed, time, point)


def _figures(drills: Sequence[Summary], name: str) -> list[int]:
    values = [_figure(one.drill, name) for one in drills if one.drill]
    return [value for value in values if value is not None]


def _figure(drill: Drill, name: str) -> int | None:
    return drill.recovery_time if name == "recovery_time" else drill.recovery_point


def _median(drills: Sequence[Summary], name: str) -> float | None:
    values = _figures(drills, name)
    return statistics.median(values) if values else None


def _chart(name: str, drills: Sequence[Summary], figure: str) -> str:
    shown = [(one, value) for one in drills if one.drill and (value := _figure(one.drill, figure)) is not None]
    marks = [Mark(f"{one.id[8:10]}.{one.id[5:7]}.", value, one.outcome == "verified") for one, value in shown]
    return charts.dots(name, marks) if marks else ""
