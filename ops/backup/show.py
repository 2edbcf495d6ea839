"""Words and rows about backups, restores and drills. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime

from ops.backup.facts import Backup, Looked, Place
from ops.backup.judge import Finding, span
from ops.backup.outcome import size
from ops.logbook.model import Record

LIST_COLUMNS = ("repository", "backup", "type", "ended", "database", "stored", "")
PLAN_COLUMNS = ("repository", "where", "type", "about", "has", "last backup", "room", "notes")
FINDING_COLUMNS = ("host", "what", "what to do")
HISTORY_COLUMNS = ("drill", "verdict", "took", "", "lost", "what")
BAR = 24
"""Columns of the longest bar of a plot."""


def list_rows(seen: Looked) -> list[tuple[str, ...]]:
    """Return one row per backup, the newest first, by repository."""
    proven = seen.repository.proven.get("labels", {}) if seen.repository else {}
    return [
        (
            str(place.number),
            backup.label,
            backup.type,
            moment(backup.stop),
            size(backup.database_bytes),
            size(backup.stored_bytes),
            note(backup, proven.get(str(place.number), "")),
        )
        for place in (seen.repository.places if seen.repository else ())
        for backup in reversed(place.backups)
    ]


def note(backup: Backup, proven: str) -> str:
    """Return what is to be said of *backup*, where *proven* is the last of its repository that a drill has proven."""
    return " ".join(filter(None, ["proven by a drill" * (backup.label == proven), "damaged" * backup.error]))


def plan_rows(seen: Looked, wanted: str, now: datetime) -> list[tuple[str, ...]]:
    """Return one row per repository: what a backup of type *wanted* would do there."""
    bytes_now = max((database.bytes for database in seen.databases.values()), default=0)
    return [
        (
            str(place.number),
            f"{seen.repository_host}:{place.path}" if place.kind == "posix" else f"{place.kind}:{place.path}",
            kind_of(place, wanted),
            about(place, kind_of(place, wanted), bytes_now),
            f"{len(place.backups)} backups",
            last(place, now),
            size(place.free_bytes) if place.free_bytes is not None else "",
            repaired(seen, place, wanted),
        )
        for place in (seen.repository.places if seen.repository else ())
    ]


def repaired(seen: Looked, place: Place, wanted: str) -> str:
    """Return what a backup of type *wanted* does for point-in-time recovery, where that is broken."""
    if not seen.repository or str(place.number) not in seen.repository.broken:
        return ""
    whole = kind_of(place, wanted) == "full"
    return "full, since WAL has a gap that this closes" if whole else "WAL has a gap that only --full closes"


def kind_of(place: Place, wanted: str) -> str:
    """Return what type a backup will have: the first one is a full one, whatever is wanted."""
    return wanted if any(backup.type == "full" for backup in place.backups) else "full"


def about(place: Place, wanted: str, database_bytes: int) -> str:
    """Return about how much will be stored: as much as the last one of its type, else no more than the database has."""
    same = [backup.stored_bytes for backup in place.backups if backup.type == wanted]
    return f"as the last: {size(same[-1])}" if same else f"under {size(database_bytes)}"


def last(place: Place, now: datetime) -> str:
    """Return the newest backup of *place* with its age."""
    if not place.backups:
        return "none yet"
    newest = place.backups[-1]
    return f"{newest.type}, {span(int(now.timestamp()) - newest.stop)} ago"


def finding_rows(findings: Iterable[Finding]) -> list[tuple[str, ...]]:
    """Return one row per finding."""
    return [(finding.host, finding.what, finding.next_step) for finding in findings]


def history_rows(records: Iterable[Record]) -> list[tuple[str, ...]]:
    """Return one row per drill, the newest first, with a bar for how long it took."""
    drills = sorted((record for record in records if record.kind == "drill"), key=lambda one: one.id, reverse=True)
    longest = max((record.seconds.get("drill", 0) for record in drills), default=0) or 1
    return [
        (
            record.id,
            verdict(record),
            f"{record.seconds.get('drill', 0)} s",
            "█" * max(1, round(BAR * record.seconds.get("drill", 0) / longest)),
            f"{record.seconds['recovery_point']} s" if "recovery_point" in record.seconds else "",
            record.detail,
        )
        for record in drills
    ]


def verdict(record: Record) -> str:
    """Return the verdict that a drill's record stands for."""
    if record.outcome != "verified":
        return "fail"
    return "partial" if record.follow_up else "pass"


def steps_rows(record: Record) -> list[tuple[str, ...]]:
    """Return one row per step of a drill."""
    return [
        (
            check.name,
            "skipped" if check.detail.startswith("skipped") else "passed" if check.passed else "FAILED",
            check.detail,
        )
        for result in record.hosts.values()
        for check in result.checks
    ]


def as_data(seen: Looked, findings: Iterable[Finding] | None = None) -> dict[str, object]:
    """Return what was seen as JSON, with *findings* where somebody looked for them."""
    told: dict[str, object] = seen.model_dump(mode="json")
    if findings is not None:
        told["findings"] = [vars(finding) for finding in findings]
    return told


def moment(seconds: int) -> str:
    """Return a time in *seconds* since 1970 as a person reads it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def newest_before(place: Place, wanted: int) -> Backup | None:
    """Return the newest backup of *place* that had ended at the time *wanted*."""
    return next((backup for backup in reversed(place.backups) if backup.stop <= wanted), None)
