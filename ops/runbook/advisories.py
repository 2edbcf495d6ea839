"""Advisories over all hosts: what a page and a file of all of them tell of each."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from ops.runbook.store import Exposure, moment


@dataclass(frozen=True)
class Group:
    """Hosts that got an advisory's packages by the same change after about the same time."""

    change: str
    seconds: int
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Advisory:
    """One advisory over all hosts; ``open`` are the hosts on which it is open still, ``gone`` those where it went unrecorded.

    ``whole`` are the seconds from ``published`` until it was installed on the last host, None as long as it is open on one.
    """

    name: str
    published: datetime | None
    seen: datetime
    first: datetime | None
    last: datetime | None
    median: float | None
    longest: int | None
    whole: int | None
    groups: tuple[Group, ...]
    open: tuple[str, ...]
    gone: tuple[str, ...]


def advisory(name: str, exposures: Sequence[Exposure]) -> Advisory:
    """Return the advisory *name* over the hosts of *exposures*."""
    installed = [one for one in exposures if one.installed]
    lengths = [max(0, (one.installed or 0) - one.seen) for one in installed]
    times = [one.installed for one in installed if one.installed]
    published = min((one.published for one in exposures if one.published), default=None)
    closed = max(times) if times and not any(one.open for one in exposures) else None
    return Advisory(
        name=name,
        published=moment(published) if published else None,
        seen=moment(min(one.seen for one in exposures)),
        first=moment(min(times)) if times else None,
        last=moment(max(times)) if times else None,
        median=statistics.median(lengths) if lengths else None,
        longest=max(lengths, default=None),
        whole=max(0, closed - published) if closed and published else None,
        groups=tuple(_groups(installed)),
        open=tuple(one.host for one in exposures if one.open),
        gone=tuple(one.host for one in exposures if not one.open and not one.installed),
    )


def _groups(installed: Sequence[Exposure]) -> Iterator[Group]:
    found: dict[tuple[str, int], list[str]] = {}
    for one in installed:
        minutes = max(0, (one.installed or 0) - one.seen) // 60
        found.setdefault((one.change, minutes), []).append(one.host)
    for (change, minutes), hosts in sorted(found.items()):
        yield Group(change, minutes * 60, tuple(hosts))


def as_csv_rows(exposures: Mapping[str, Sequence[Exposure]]) -> Iterator[tuple[str, ...]]:
    """Yield one row per advisory and host, with times and hours, below a row of names."""
    yield "advisory", "host", "first_seen", "installed", "hours", "change", "standing", "published"
    for name, found in exposures.items():
        for one in found:
            hours = f"{(one.installed - one.seen) / 3600:.1f}" if one.installed else ""
            when = _stamp(one.installed) if one.installed else ""
            yield (
                name,
                one.host,
                _stamp(one.seen),
                when,
                hours,
                one.change,
                _standing(one),
                _stamp(one.published) if one.published else "",
            )


@lru_cache(maxsize=10_000)
def _stamp(seconds: int) -> str:
    return f"{moment(seconds):%Y-%m-%dT%H:%M:%SZ}"


def _standing(one: Exposure) -> str:
    return "open" if one.open else "installed" if one.installed else "gone"
