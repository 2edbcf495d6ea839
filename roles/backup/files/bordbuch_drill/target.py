"""Which backup is restored, up to which marker, and whether markers are as they should be."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from bordbuch_pgbackrest import Backup
from bordbuch_wal import position, segment_before, segment_number

from bordbuch_drill.model import Failed, Marker
from bordbuch_drill.words import iso, parse_time, whole

CLOCK_SECONDS = 30
"""How far the clocks of two hosts may be apart."""

OLD_COPY = "An old copy of the repository was put in place of the current one, or WAL is no longer archived."


def parse_markers(text: str) -> list[Marker]:
    """Return the recorded markers, the oldest first. A line that was, or is still being, cut short says nothing.

    Raises:
        Failed: another line cannot be read.
    """
    markers = []
    for number, line in whole(text):
        try:
            entry = json.loads(line)
            moments = parse_time(entry["time"]), parse_time(entry["seen"])
            markers.append(
                Marker(entry["number"], moments[0], position(entry["lsn"]), position(entry["point_lsn"]), moments[1])
            )
        except (ValueError, KeyError, TypeError) as error:
            raise Failed(f"Line {number} of the recorded markers cannot be read: {error}.") from error
    return sorted(markers, key=lambda marker: marker.number)


def reachable(markers: Iterable[Marker]) -> list[Marker]:
    """Return the markers but those of a time line that was left: they lie behind the position of a later one."""
    kept: list[Marker] = []
    for marker in sorted(markers, key=lambda marker: marker.number, reverse=True):
        if not kept or marker.point < kept[-1].point:
            kept.append(marker)
    return kept[::-1]


def restorable(markers: Iterable[Marker], backups: Iterable[Backup]) -> list[Marker]:
    """Return the markers that lie between the end of one of *backups* and the end of the WAL that goes with it."""
    spans = [(position(one.stop), segment_number(one.last_wal)) for one in backups if one.last_wal]
    return [
        marker
        for marker in reachable(markers)
        if any(stop <= marker.lsn and segment_before(marker.point) <= last for stop, last in spans)
    ]


def why_it_lags(markers: Sequence[Marker], backups: Sequence[Backup]) -> str:
    """Return in words where the repository ends, since when markers are newer, and what that tells."""
    last = max((one.last_wal for one in backups if one.last_wal), default="")
    ends = f"The repository ends with WAL file {last}" if last else "The repository holds no WAL"
    newer = [one for one in reachable(markers) if not last or segment_before(one.point) > segment_number(last)]
    if not newer:
        return f"{ends}, and no marker is newer: the ledger's daemon sets none, or the database is away."
    return f"{ends}; the markers since {iso(newer[0].time)} (number {newer[0].number}) are newer. {OLD_COPY}"


def followed(backups: Sequence[Backup], markers: Sequence[Marker]) -> Sequence[Backup]:
    """Return the *backups* that lie on the way to now; all where none does, so that what is wrong with them is said.

    After a restore to an earlier time the log goes on from there. A later marker that lies before the end of a backup says that the
    backup was taken on the way that was left.
    """
    stops = [(one, position(one.stop)) for one in backups]
    on_the_way = [one for one, stop in stops if not any(at.time > one.ended and at.point < stop for at in markers)]
    return on_the_way or backups


def choose_backup(
    backups: Sequence[Backup], label: str, to: datetime | None, pick: Callable[[Sequence[Any]], Any]
) -> Backup:
    """Return the backup with *label*, any (`random`, by *pick*), or the newest; with *to*, one that ended before it.

    Raises:
        Failed: there is none.
    """
    there = ", ".join(one.label for one in backups) or "none"
    fitting = [one for one in backups if to is None or one.ended < to]
    if label not in ("", "random"):
        fitting = [one for one in fitting if one.label == label]
        if not fitting:
            ended = f" that ended before {iso(to)}" if to else ""
            raise Failed(f"The repository has no backup {label}{ended}; there: {there}.")
    if not fitting:
        raise Failed(f"No backup ended before {iso(to)}; there: {there}." if to else "The repository has no backup.")
    newest = max(fitting, key=lambda one: (one.ended, one.label))
    return pick(fitting) if label == "random" else newest


def choose_marker(markers: Sequence[Marker], backup: Backup) -> Marker:
    """Return the newest marker that can be reached with *backup*.

    Raises:
        Failed: there is none; the words say where the repository ends.
    """
    fitting = restorable(markers, [backup])
    if fitting:
        return fitting[-1]
    begin = f"Backup {backup.label} ends at {backup.stop}, and no marker after that can be reached."
    raise Failed(f"{begin} {why_it_lags(markers, [backup])}")


def check_target(to: datetime, now: datetime, markers: Sequence[Marker], backup: Backup) -> None:
    """Check that the repository goes beyond the time *to*: recovery to a time ends at the first change after it.

    Raises:
        Failed: it does not.
    """
    if to > now:
        raise Failed(f"{iso(to)} is still to come.")
    newest = choose_marker(markers, backup)
    if newest.time <= to:
        why = why_it_lags(markers, [backup])
        raise Failed(f"{iso(to)} cannot be reached: the newest marker that can is of {iso(newest.time)}. {why}")


def judge_point(markers: Sequence[Marker], backups: Sequence[Backup], now: datetime, promised: int) -> int:
    """Return how old, in seconds, the newest marker is that can be restored.

    Raises:
        Failed: it is older than promised, or there is none.
    """
    fitting = restorable(markers, backups)
    if not fitting:
        raise Failed(f"No marker can be restored. {why_it_lags(markers, backups)}")
    age = round((now - fitting[-1].time).total_seconds())
    if age > promised:
        begin = (
            f"The newest marker that can be restored, number {fitting[-1].number}, was {age} s old when the drill began"
        )
        raise Failed(f"{begin}; promised are {promised} s. {why_it_lags(markers, backups)}")
    return max(age, 0)


def judge_clock(marker: Marker, now: datetime, offset: timedelta) -> str:
    """Compare the newest marker's time, by the database's clock, with this host's clock, to which *offset* is added.

    Raises:
        Failed: they are too far apart.
    """
    # What was seen bears the offset only where the ledger's daemon knew of it already.
    both = [(marker.seen - marker.time).total_seconds(), (marker.seen + offset - marker.time).total_seconds()]
    apart = next((one for one in both if abs(one) > CLOCK_SECONDS), both[0])
    if abs(apart) > CLOCK_SECONDS:
        raise Failed(
            f"The clock of this host is off by {apart:+.0f} s against the database's, as seen with marker {marker.number}; "
            f"{CLOCK_SECONDS} s are allowed. Set right the one that is wrong: times to restore to depend on it."
        )
    ahead = (marker.time - now).total_seconds()
    if ahead > CLOCK_SECONDS:
        raise Failed(
            f"Marker {marker.number} is {ahead:.0f} s in the future: the clock of this host is off by {-ahead:+.0f} s."
        )
    return f"the clocks of both hosts are {abs(apart):.0f} s apart"


def judge_marker(number: int, of: datetime, wanted: Marker | None, to: datetime | None, promised: int) -> None:
    """Compare the newest marker in the restored database with what the target lets expect.

    Raises:
        Failed: it is another one.
    """
    if to is None:
        if wanted is None or number != wanted.number:
            target = wanted.number if wanted else "none"
            raise Failed(f"The newest marker in the restored database is {number}, and the target was marker {target}.")
        return
    early = (to - of).total_seconds()
    if early < 0:
        raise Failed(f"Marker {number} of {iso(of)} is in the restored database, which should end at {iso(to)}.")
    if early > promised or (wanted and number < wanted.number):
        raise Failed(
            f"The newest marker in the restored database, number {number}, is {early:.0f} s older than {iso(to)}."
        )
