"""The overview: are we all right? One glance, printable. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.runbook import charts
from ops.runbook.grounds import DRILL_DAYS, PATCH_SECONDS, Grounds
from ops.runbook.render import Page
from ops.runbook.store import moment
from ops.runbook.summary import Summary
from ops.runbook.world import World

MONTHS, NEWEST = 24, 10
BACKUP_SECONDS = 26 * 3600
"""A day and a little: what `invoke backup.check` complains after."""

GOOD_HOSTS = {"current", "patched"}
UNSEEN = ("never", "unknown")
"""States of hosts of whose updates nothing is known."""


@dataclass(frozen=True)
class Light:
    """One line of the overview: whether it is good, doubtful or bad."""

    hosts: str
    updates: str
    backup: str
    proven: str
    open: str


def page(world: World) -> Page:
    """Return the overview."""
    on = world.grounds
    owed = [one for one in world.summaries if one.owed_until and not one.verdict]
    unfinished = [one for one in world.summaries if not one.outcome]
    backup, proven = last_good_backup(world.summaries), last_proven(world.summaries)
    verdicts = Counter(one.verdict for one in world.requirements)
    follow_up = open_follow_up(world.summaries)
    states = [world.state_of(host) for host in world.inventory.hosts]
    data = {
        "now": world.now,
        "since": world.since,
        "light": lights(on, set(states), backup, proven, len(owed) + len(unfinished)),
        "hosts": Counter(states),
        "host_count": len(world.inventory.hosts),
        "open": len(world.exposures),
        "unseen": sum(state in UNSEEN for state in states),
        "oldest": moment(world.exposures[0].seen) if world.exposures else None,
        "this_month": [one for one in world.summaries if one.month == f"{world.now:%Y-%m}"],
        "backup": backup,
        "proven": proven,
        "owed": owed,
        "unfinished": unfinished,
        "follow_up": follow_up[:NEWEST],
        "follow_up_count": len(follow_up),
        "newest": list(reversed(world.summaries))[:NEWEST],
        "verdicts": verdicts,
        **_chart(world.summaries),
    }
    return Page("index.html", "overview.html", data)


def lights(on: Grounds, states: set[str], backup: Summary | None, proven: Summary | None, waiting: int) -> Light:
    """Return how it stands; what nobody looked at is no good state."""
    late = any(on.now.timestamp() - one.seen > PATCH_SECONDS for one in on.exposures)
    return Light(
        hosts="good" if states <= GOOD_HOSTS else "bad" if states - {*GOOD_HOSTS, "pending"} else "warn",
        updates="bad" if late or not states.isdisjoint(UNSEEN) else "warn" if on.exposures else "good",
        backup=_fresh(on.now, backup, BACKUP_SECONDS),
        proven=_fresh(on.now, proven, DRILL_DAYS * 86400),
        open="warn" if waiting else "good",
    )


def _fresh(now: datetime, one: Summary | None, limit: int) -> str:
    return "good" if one and one.ended and (now - one.ended).total_seconds() <= limit else "bad"


def last_good_backup(summaries: Sequence[Summary]) -> Summary | None:
    """Return the newest backup that succeeded."""
    return next((one for one in reversed(summaries) if one.kind == "backup" and one.outcome == "verified"), None)


def last_proven(summaries: Sequence[Summary]) -> Summary | None:
    """Return the newest drill that passed in full."""
    return next((one for one in reversed(summaries) if one.drill and one.drill.verdict == "pass"), None)


def open_follow_up(summaries: Sequence[Summary]) -> list[tuple[str, Summary]]:
    """Return what the newest change of each kind on each host left to do, the newest first; a later one supersedes it."""
    found: list[tuple[str, Summary]] = []
    covered: set[tuple[str, str]] = set()
    for one in reversed(summaries):
        fresh = {(one.kind, host) for host in one.hosts} - covered
        if one.outcome and fresh:
            found += [(line, one) for line in one.follow_up]
            covered |= fresh
    return found


def _chart(summaries: Sequence[Summary]) -> Mapping[str, object]:
    good, other = (_by_month(summaries, verified) for verified in (True, False))
    months = sorted({*good, *other})[-MONTHS:]
    rows = [(month, good[month], other[month]) for month in months]
    drawn = charts.bars("chart-changes", months, [[row[1] for row in rows], [row[2] for row in rows]]) if rows else ""
    return {"chart": drawn, "months": rows}


def _by_month(summaries: Sequence[Summary], verified: bool) -> "Counter[str]":
    return Counter(one.month for one in summaries if (one.outcome == "verified") == verified)
