"""Hosts: what runs there, versions, how they stood over time, every change that touched them. Pure but for the store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.runbook import charts
from ops.runbook.render import Page
from ops.runbook.store import Exposure, Seen, Version, moment
from ops.runbook.summary import Summary
from ops.runbook.tracker import open_issues
from ops.runbook.world import World

NEWEST = 100
"""Changes on the host's own page, and looks in its chart; older changes are on a page per year."""

VERSIONS = 600
"""Packages on the host's page, the newest first where there are more."""


@dataclass(frozen=True)
class Row:
    """A host in the list of hosts."""

    host: str
    groups: tuple[str, ...]
    listed: bool
    state: str
    seen: Seen | None
    checked: datetime | None
    open: int
    oldest: datetime | None
    last: Summary | None


def index(world: World) -> Page:
    """Return the list of hosts."""
    rows = [_row(world, host, changes, world.open_on.get(host, [])) for host, changes in world.by_host.items()]
    return Page("hosts/index.html", "hosts.html", {"rows": rows})


def _row(world: World, host: str, changes: Sequence[Summary], exposures: Sequence[Exposure]) -> Row:
    seen = world.grounds.looks.get(host)
    return Row(
        host=host,
        groups=world.groups.get(host, ()),
        listed=host in world.inventory.hosts,
        state=world.state_of(host),
        seen=seen,
        checked=moment(seen.at) if seen else None,
        open=len(exposures),
        oldest=moment(exposures[0].seen) if exposures else None,
        last=changes[-1] if changes else None,
    )


def host_pages(world: World, host: str, roles: Mapping[str, Sequence[str]]) -> Iterator[Page]:
    """Yield the pages of *host*: its own, and one per year where there are many changes; *roles* are those of each group."""
    changes = list(reversed(world.by_host.get(host, ())))
    looks, exposures = world.store.looks(host, NEWEST), world.open_on.get(host, [])
    years = sorted({one.id[:4] for one in changes}, reverse=True) if len(changes) > NEWEST else []
    versions, latest = _versions(world, host), looks[-1] if looks else None
    data = {
        "row": _row(world, host, world.by_host.get(host, ()), exposures),
        "roles": _roles(world.groups.get(host, ()), roles),
        "policy": world.inventory.hosts.get(host),
        "latest": latest,
        "looks": [(moment(seen.at), seen) for seen in looks],
        "chart": _chart(looks),
        "exposures": [(one, moment(one.seen)) for one in exposures],
        "versions": [(one, moment(one.at)) for one in versions],
        "changes": changes[:NEWEST],
        "years": [(year, f"{host}-{year}.html") for year in years],
        "issues": open_issues(world.tracker, latest.look.release, versions) if world.tracker and latest else None,
    }
    yield Page(f"hosts/{host}.html", "host.html", data)
    for year in years:
        part = [one for one in changes if one.id.startswith(year)]
        yield Page(f"hosts/{host}-{year}.html", "host_year.html", {"host": host, "year": year, "changes": part})


def _roles(groups: Sequence[str], roles: Mapping[str, Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(role for group in ("all", *groups) for role in roles.get(group, ())))


def _versions(world: World, host: str) -> list[Version]:
    found = world.store.versions(host)
    if len(found) <= VERSIONS:
        return found
    return sorted(sorted(found, key=lambda one: one.at)[-VERSIONS:])


def _chart(looks: Sequence[Seen]) -> str:
    labels = [f"{moment(seen.at):%d.%m.}" for seen in looks]
    return charts.bars("chart-updates", labels, [[seen.updates for seen in looks]]) if looks else ""
