"""Vulnerabilities: when an advisory was first seen here, planned, installed on each host, and the hours between."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from ops.runbook import charts
from ops.runbook.advisories import advisory
from ops.runbook.render import Page
from ops.runbook.store import Delays, Exposure, moment
from ops.runbook.summary import Summary
from ops.runbook.world import CLASSES, World

LONGER = "> 30 d"
SLOWEST, OPEN = 20, 300
"""How many rows the page has of each; the pages by month have all."""

ROWS = 200
"""Advisories on one page of a month."""


def month_path(month: str, number: int = 1) -> str:
    """Return where the page of the advisories first seen in *month* is."""
    return f"vulnerabilities/{month}{f'-{number}' if number > 1 else ''}.html"


def index(world: World, months: Mapping[str, Sequence[str]]) -> Page:
    """Return the page of all; *months* has the advisories by the month in which a plan first saw them."""
    delays, flow = world.delays, world.store.flow()
    spread = distribution(delays)
    data = {
        "median": delays.median if delays.total else None,
        "longest": delays.longest,
        "spread": spread,
        "spread_chart": charts.bars("chart-latency", [name for name, _ in spread], [[count for _, count in spread]]),
        "flow": backlog(flow),
        "flow_chart": _flow_chart(flow),
        "slowest": [(one, _times(one)) for one in world.store.slowest(SLOWEST)],
        "open": [(one, moment(one.seen)) for one in world.exposures[:OPEN]],
        "open_count": len(world.exposures),
        "deferred": [(seen, one) for seen in world.grounds.looks.values() for one in seen.look.deferred],
        "excluded": _excluded(world),
        "months": [(month, month_path(month), len(names)) for month, names in sorted(months.items(), reverse=True)],
        "tracker": world.tracker is not None,
    }
    return Page("vulnerabilities/index.html", "vulnerabilities.html", data)


def _excluded(world: World) -> list[tuple[str, str, Summary]]:
    """Return hosts that the newest patch plan left out, with the reason."""
    plans = [one for one in world.summaries if one.kind == "patch" and one.planned]
    return [(host, reason, plans[-1]) for host, reason in plans[-1].excluded.items()] if plans else []


def distribution(delays: Delays) -> list[tuple[str, int]]:
    """Return how many of *delays* fall into each class."""
    steps = [0, *delays.within]
    found = [(name, steps[place + 1] - steps[place]) for place, (_limit, name) in enumerate(CLASSES)]
    return [*found, (LONGER, delays.total - steps[-1])]


def backlog(flow: Mapping[str, tuple[int, int]]) -> list[tuple[str, int, int, int]]:
    """Return per month: first seen, installed, and open at its end."""
    still, found = 0, []
    for month, (seen, gone) in sorted(flow.items()):
        still += seen - gone
        found.append((month, seen, gone, still))
    return found


def _flow_chart(flow: Mapping[str, tuple[int, int]]) -> str:
    rows = backlog(flow)
    return charts.line("chart-open", [row[0] for row in rows], [row[3] for row in rows]) if rows else ""


def _times(one: Exposure) -> tuple[datetime, datetime | None, int]:
    installed = one.installed
    return moment(one.seen), moment(installed) if installed else None, max(0, (installed or one.seen) - one.seen)


def month_pages(month: str, found: Mapping[str, Sequence[Exposure]]) -> Iterator[Page]:
    """Yield the pages of the advisories *found*, each with its hosts, first seen in *month*."""
    shown = [advisory(name, exposures) for name, exposures in found.items()]
    parts = [shown[start : start + ROWS] for start in range(0, len(shown), ROWS)]
    paths = [month_path(month, number) for number in range(1, len(parts) + 1)]
    for path, part in zip(paths, parts, strict=True):
        yield Page(path, "advisories.html", {"of": month, "part": part, "parts": paths, "total": len(shown)})
