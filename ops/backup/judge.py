"""What is wrong with backups, by what the hosts told. Pure: facts and a clock in, findings out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ops.backup.facts import Database, Looked, Place, Repository

OLDEST_BACKUP = 26 * 3600
"""Seconds; backups are made every day, and the alert BackupOld says the same."""

OLDEST_DRILL = 9 * 86400
"""Seconds; drills are made every week, and the alert DrillOld says the same."""

OLDEST_MARKER = 300
"""Seconds; markers are written every minute."""

OLDEST_LOOK = 3600
"""Seconds; the watch on the repository's host looks for gaps in WAL every quarter of an hour."""

WAITING = 3
"""WAL files that may wait to be archived without being late."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, on which host, and what to do."""

    host: str
    what: str
    next_step: str


def findings(seen: Looked, now: datetime) -> list[Finding]:
    """Return what is wrong, the worst first."""
    repository = seen.repository
    if repository is None:
        return [Finding(host, why, "mend that, then look again") for host, why in seen.silent.items()]
    host, moment = seen.repository_host, int(now.timestamp())
    return [
        *(Finding(silent, why, "mend that, then look again") for silent, why in seen.silent.items()),
        *versions(host, repository, seen.databases),
        *(finding for place in repository.places for finding in place_findings(host, repository, place, moment)),
        *equality(host, repository),
        *gaps(host, repository),
        *noted(host, repository, moment),
        *untrusted(seen),
        *(finding for name, database in seen.databases.items() for finding in archiving(name, database)),
    ]


def untrusted(seen: Looked) -> Iterator[Finding]:
    """Yield the results that are not recorded, since the host's key that the inventory knows has not signed them."""
    for identifier, why in seen.untrusted.items():
        yield Finding(
            seen.repository_host,
            f"result {identifier} {why}: it is not recorded and waits",
            "see docs/howto/set-up-backups.md#4-the-hosts-key",
        )


def versions(host: str, repository: Repository, databases: dict[str, Database]) -> Iterator[Finding]:
    """Yield where versions differ: pgBackRest speaks only to its own, and a server only reads data of its own."""
    for name, database in databases.items():
        if database.version != repository.version:
            yield Finding(
                name,
                f"pgBackRest is {database.version or 'not installed'} here and {repository.version} on {host}",
                "both hosts must be of one Debian release and patched together",
            )
        if database.runs and str(database.server) != repository.postgresql:
            yield Finding(
                name,
                f"PostgreSQL is {database.server} here; drills on {host} start {repository.postgresql}",
                "bring both hosts to one Debian release",
            )


def place_findings(host: str, repository: Repository, place: Place, moment: int) -> Iterator[Finding]:
    """Yield what is wrong with one repository."""
    name = f"repository {place.number}"
    if not place.opens or not place.backups:
        yield Finding(host, f"{name}: {place.status}", "invoke backup --full")
        return
    newest = place.backups[-1]
    if moment - newest.stop > OLDEST_BACKUP:
        yield Finding(host, f"{name}: the newest backup is {span(moment - newest.stop)} old", "invoke backup")
    for backup in place.backups:
        if backup.error:
            yield Finding(host, f"{name}: {backup.label} holds damaged pages", "restore from an older one and compare")
    labels = {backup.label for backup in place.backups}
    for lost in sorted(set(repository.made.get(str(place.number), ())) - labels):
        yield Finding(
            host,
            f"{name}: backup {lost} was made and is not there",
            "find out who removed it, then invoke backup --full",
        )
    yield from continuity(host, repository, place, moment)
    if place.fault:
        yield Finding(host, f"{name}: {place.fault}", "invoke backup --full, then find out why files changed")


def continuity(host: str, repository: Repository, place: Place, moment: int) -> Iterator[Finding]:
    """Yield whether WAL up to the last marker that must be there by now is there."""
    marker = repository.marker
    if not marker.seen:
        return
    age = moment - int(datetime.fromisoformat(marker.seen).timestamp())
    late = repository.promised["recovery_point_seconds"]
    have, need = place.archive.get("max", "")[8:], segment(marker.lsn)
    if have < need and (age > late or number(need) - number(have) > WAITING + 1):
        yield Finding(
            host,
            f"repository {place.number} ends with WAL {have or 'none'}, the database was at {need} {age} s ago",
            "see why archiving waits: invoke backup.check, journal of the database",
        )


def segment(lsn: str) -> str:
    """Return the last 16 digits of the name of the WAL file that holds the position *lsn* (files of 16 MB)."""
    high, low = (int(part, 16) for part in lsn.split("/"))
    return f"{high:08X}{low >> 24:08X}"


def number(name: str) -> int:
    """Return which WAL file the last 16 digits of its *name* mean: 256 of them for each of the first eight digits' numbers."""
    return int(name[:8] or "0", 16) * 256 + int(name[8:] or "0", 16)


def equality(host: str, repository: Repository) -> Iterator[Finding]:
    """Yield where two repositories do not have as much: each gets every backup and every WAL file."""
    first, *others = repository.places
    for place in others:
        have, had = as_many(place, first), as_many(first, place)
        if have != had:
            yield Finding(
                host,
                f"repository {place.number} has {have} backups, repository {first.number} {had} of the same time",
                "invoke backup --full; it stays so until older ones go",
            )
        elif apart(place.archive.get("max", ""), first.archive.get("max", "")):
            yield Finding(
                host,
                f"repository {place.number} ends with WAL {place.archive.get('max') or 'none'}, "
                f"repository {first.number} with {first.archive.get('max') or 'none'}",
                "look again in a minute; if it stays so, see the journal of the database",
            )


def as_many(one: Place, other: Place) -> int:
    """Return how many backups *one* has since the first that both can have.

    A place that came later, or keeps less, has no older ones. Of one run the place with the lower number gets its backup first.
    """
    if not (one.backups and other.backups):
        return len(one.backups)
    younger = max(one, other, key=lambda place: (place.backups[0].start, place.number))
    if one is younger:
        return len(one.backups)
    since = younger.backups[0].start
    return sum(backup.start > since for backup in one.backups) + (one.number < younger.number)


def apart(one: str, other: str) -> bool:
    """Return whether the newest WAL files of two repositories say that one gets less; a few may be on their way to one of them.

    Those that stay away are found by `continuity`, which asks each repository for what must be there by now.
    """
    if not (one and other) or one[:8] != other[:8]:
        return one != other
    return abs(number(one[8:]) - number(other[8:])) > WAITING


def gaps(host: str, repository: Repository) -> Iterator[Finding]:
    """Yield where WAL has a gap since the newest full backup: what comes after it cannot be restored to a time."""
    for number, gap in repository.broken.items():
        found = datetime.fromtimestamp(gap.since, UTC)
        yield Finding(
            host,
            f"point-in-time recovery from repository {number} is broken since {found:%Y-%m-%d %H:%M} UTC "
            f"until the next full backup: {gap.missing} is missing",
            "invoke backup --full",
        )


def due(seen: Looked) -> Literal["full", "incr"]:
    """Return the type of a backup for which none was asked: what changed, or everything where only that closes a gap."""
    return "full" if seen.repository and seen.repository.broken else "incr"


def noted(host: str, repository: Repository, moment: int) -> Iterator[Finding]:
    """Yield what the notes beside the repository say: the watch, the last drill, a WAL file that was sent through."""
    marker, drilled = repository.marker, repository.proven.get("ended")
    age = moment - int(datetime.fromisoformat(marker.seen).timestamp()) if marker.seen else None
    if age is None or age > OLDEST_MARKER:
        yield Finding(
            host,
            f"the ledger has written no marker {f'for {age} s' if age else 'yet'}",
            "systemctl status bordbuch-ledger.service",
        )
    if drilled is None or moment - drilled > OLDEST_DRILL:
        yield Finding(
            host, "no drill has passed in the last nine days" if drilled else "no drill has passed yet", "invoke drill"
        )
    if (look := watch_age(repository, moment)) > OLDEST_LOOK:
        yield Finding(
            host, f"nobody has looked for gaps in WAL for {span(look)}", "systemctl status bordbuch-watch.timer"
        )
    if repository.sent:
        yield Finding(
            host, f"a WAL file that was sent did not arrive: {repository.sent}", "see the journal of the database"
        )


def watch_age(repository: Repository, moment: int) -> int:
    """Return for how many seconds nobody has looked for gaps; where nobody ever has, since the oldest backup."""
    oldest = min((backup.stop for place in repository.places for backup in place.backups), default=moment)
    return moment - (repository.watched or oldest)


def archiving(host: str, database: Database) -> Iterator[Finding]:
    """Yield what is wrong with archiving on the database's host."""
    if not database.runs:
        yield Finding(host, "PostgreSQL does not answer", "systemctl status postgresql@*")
        return
    if database.last_failed and database.last_failed > (database.last_archived or 0):
        yield Finding(
            host, "archiving fails: the last failure came after the last success", "see the journal of the database"
        )
    if database.ready > WAITING:
        yield Finding(
            host,
            f"{database.ready} WAL files wait to be archived",
            "see whether the repository's host answers and has room",
        )


def span(seconds: int) -> str:
    """Return a length of *seconds* in the largest unit that says enough."""
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 72 * 3600)):
        if seconds < limit:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86400} days"
