#!/usr/bin/python3 -I
"""Look whether backups can be relied on, say what is wrong, and note whether point-in-time recovery is broken.

Whoever drops WAL tells PostgreSQL that all is well, and pgBackRest's `check` and `verify` end with 0 all the same. But the file is
missing in the repository: so each file from the newest full backup to the newest WAL is looked for, by its name.

    watch.py    by the timer, and after each backup; exits 1 with one sentence per problem
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# -I leaves out the folder of this file. It comes last, so that nothing in it goes before the standard library.
sys.path.append(str(Path(__file__).resolve().parent))

from bordbuch_files import write
from bordbuch_pgbackrest import Backup, Fault, Stanza
from bordbuch_wal import SEGMENT_BYTES, file_name, position, segment_number

CONFIGURATION = Path("/etc/bordbuch/backup.json")
NOTE = Path("/var/lib/bordbuch-watch/seen.json")
MARKERS = Path("/var/lib/bordbuch-ledger/markers")
DRILL = Path("/var/lib/bordbuch/drill/last.json")

OLDEST_BACKUP = 26 * 3600
OLDEST_DRILL = 9 * 86400
OLDEST_MARKER = 300
"""Seconds, as `invoke backup.check` has them: backups come each day, drills each week, markers each minute."""

FIRST_MARKER = 3600
"""Seconds that a new host's first marker may take: its database is made, or restored, after it."""


@dataclass(frozen=True)
class Place:
    """What was seen of one repository; times in seconds since 1970. A ``fault`` says why the rest is not known."""

    number: int
    fault: str = ""
    missing: str = ""
    newest_backup: int = 0
    newest_wal: int = 0
    free_bytes: int | None = None
    full_bytes: int = 0


# WAL, by the names of its files. All of it is pure.


def newest(files: dict[str, int]) -> str:
    """Return the file that came last: its timeline is the one that the database is on, which need not be the highest."""
    return max(files, key=lambda name: (files[name], name))


def way(history: str, timeline: int) -> list[tuple[int, int]]:
    """Return the timelines that lead to *timeline*, each with the position at which it begins, by the *history* file of the last.

    Each line names a timeline, the position at which it was left, and why.
    """
    lines = [line.split() for line in history.splitlines() if line.strip() and not line.startswith("#")]
    names = [*(int(line[0]) for line in lines), timeline]
    return list(zip(names, [0, *(position(line[1]) for line in lines)], strict=True))


def missing(files: dict[str, int], timelines: list[tuple[int, int]], fulls: list[Backup]) -> str:
    """Return what point-in-time recovery lacks from the newest full backup on the way to the newest WAL, empty if nothing."""
    known = usable(fulls, timelines)
    if not known:
        return f"a full backup on timeline {timelines[-1][0]}" if fulls else ""
    wanted = needed(timelines, max(segment_number(full.first_wal) for full in known), segment_number(newest(files)))
    return next((f"WAL file {name}" for name in wanted if name not in files), "")


def usable(fulls: list[Backup], timelines: list[tuple[int, int]]) -> list[Backup]:
    """Return the backups that lie on the way: one that was complete only after its timeline had been left leads nowhere."""
    left = dict(zip([timeline for timeline, _ in timelines], [began for _, began in timelines[1:]], strict=False))
    known = {timeline for timeline, _ in timelines}
    return [
        full
        for full in fulls
        if (timeline := int(full.first_wal[:8], 16)) in known
        and (stop := position(full.stop)) <= left.get(timeline, stop)
    ]


def needed(timelines: list[tuple[int, int]], first: int, last: int) -> Iterator[str]:
    """Yield the files from number *first* to *last*; the one in which a timeline was left is the next timeline's."""
    ends = [*(began // SEGMENT_BYTES for _, began in timelines[1:]), last + 1]
    for (timeline, began), end in zip(timelines, ends, strict=True):
        yield from (file_name(timeline, number) for number in range(max(began // SEGMENT_BYTES, first), end))


# What is wrong. Pure, too.


def noted(before: dict[str, Any], places: list[Place], now: int) -> dict[str, Any]:
    """Return the note after this look: since when what is missing, by repository; what cannot be read stays as it was noted."""
    old = before.get("repositories", {})
    return {
        "began": before.get("began", now),
        "looked": now,
        "repositories": {str(place.number): gap(place, old.get(str(place.number)), now) for place in places},
    }


def gap(place: Place, before: dict[str, Any] | None, now: int) -> dict[str, Any] | None:
    """Return what a repository lacks and since when that is known, nothing if it lacks nothing."""
    if place.fault or (before and place.missing == before["missing"]):
        return before
    return {"since": now, "missing": place.missing} if place.missing else None


def problems(
    note: dict[str, Any], places: list[Place], marker: int, drilled: int, limits: dict[str, Any]
) -> Iterator[str]:
    """Yield one sentence per problem. What never was, or not since this host's first look, counts from that:
    a new site has its time, and one that comes back on new hosts.

    *marker* and *drilled* are when the last of each was, 0 if never; *limits* are those of the configuration.
    """
    began, now = note["began"], note["looked"]
    for place in places:
        yield from place_problems(place, note, marker, limits)
    if (age := now - max(marker, began)) > (OLDEST_MARKER if marker > began else FIRST_MARKER):
        yield f"the ledger has written no marker for {span(age)}: systemctl status bordbuch-ledger.service"
    if (age := now - max(drilled, began)) > OLDEST_DRILL:
        yield f"no drill has passed for {span(age)}: invoke drill"


def place_problems(place: Place, note: dict[str, Any], marker: int, limits: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with one repository."""
    name, now = f"repository {place.number}", note["looked"]
    if broken := note["repositories"][str(place.number)]:
        yield (
            f"point-in-time recovery from {name} is broken, found {moment(broken['since'])}: {broken['missing']} is missing. "
            "It stays so until the next full backup: invoke backup --full"
        )
    if place.fault:
        yield f"{name} cannot be read: {place.fault}"
        return
    if (age := now - max(place.newest_backup, note["began"])) > OLDEST_BACKUP:
        yield f"{name} has had no backup for {span(age)}: systemctl status 'bordbuch-backup@*', then invoke backup"
    if (age := marker - max(place.newest_wal, note["began"])) > limits["recovery_point_seconds"]:
        yield (
            f"{name} has got no WAL for {span(age)}, while the database went on: "
            "see the journal of bordbuch-archiving.service on the database's host"
        )
    if place.free_bytes is not None and place.free_bytes < max(limits["room_mb"] * 2**20, place.full_bytes):
        yield f"{name} has {place.free_bytes // 2**20} MiB of room left: make room, or give it more"


def span(seconds: int) -> str:
    """Return a length of *seconds* as a person reads it."""
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 72 * 3600)):
        if seconds < limit:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86400} days"


def moment(seconds: int) -> str:
    """Return a time in *seconds* since 1970 as a person reads it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


# What is read.


def look(stanza: Stanza, entry: dict[str, Any]) -> Place:
    """Return what there is to see of one repository, or why nothing is."""
    try:
        return seen(stanza, entry)
    except (Fault, OSError) as fault:
        return Place(entry["number"], fault=str(fault))
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # lists of files, and histories
        return Place(entry["number"], fault=f"its answer cannot be read: {type(error).__name__}: {error}")


def seen(stanza: Stanza, entry: dict[str, Any]) -> Place:
    """Return what one repository has, and what it lacks."""
    number = entry["number"]
    listing = stanza.opened(number)
    cluster = listing.clusters[-1]
    fulls = [backup for backup in listing.backups if backup.type == "full" and backup.cluster == cluster]
    files, lacks = archive(stanza, number, cluster, fulls)
    # A file that came while its neighbours were listed may have been passed over: only what is missing twice is missing.
    if lacks and archive(stanza, number, cluster, fulls)[1] != lacks:
        lacks = ""
    return Place(
        number,
        missing=lacks,
        newest_backup=max((int(backup.ended.timestamp()) for backup in listing.backups), default=0),
        newest_wal=max(files.values(), default=0),
        free_bytes=shutil.disk_usage(entry["path"]).free if entry["kind"] == "posix" else None,
        full_bytes=max((full.added_bytes for full in fulls[-1:]), default=0),
    )


def archive(stanza: Stanza, number: int, cluster: str, fulls: list[Backup]) -> tuple[dict[str, int], str]:
    """Return the WAL files of a *cluster* with its full backups, and what is missing among them."""
    files, told = stanza.wal(number, cluster)
    if not files:
        return files, ""
    timeline = int(newest(files)[:8], 16)
    # PostgreSQL sends it once. In a place that was made anew later it is not, and what began on this timeline needs none.
    history = stanza.history(number, cluster, timeline) if timeline in told else ""
    return files, missing(files, way(history, timeline), fulls)


def last_marker() -> int:
    """Return when the newest marker was seen, 0 if there is none."""
    for line in reversed(MARKERS.read_text().splitlines() if MARKERS.exists() else []):
        try:
            return int(datetime.fromisoformat(json.loads(line)["seen"]).timestamp())
        except (ValueError, KeyError):
            continue  # it is being written
    return 0


def read(path: Path) -> dict[str, Any]:
    """Return what was noted at *path*, nothing if nobody has."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def main() -> int:
    """Look, note, and say what is wrong."""
    limits = json.loads(CONFIGURATION.read_text())
    stanza = Stanza(limits["stanza"])
    places = [look(stanza, entry) for entry in limits["places"]]
    note = noted(read(NOTE), places, int(time.time()))
    write(NOTE, json.dumps(note))
    wrong = list(problems(note, places, last_marker(), read(DRILL).get("ended", 0), limits))
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
