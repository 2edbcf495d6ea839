#!/usr/bin/python3 -I
"""Prove a backup: restore it into a throwaway place, start the database, read it, replay the lock ledger, try the application.

    drill.py [REQUEST]      REQUEST is a JSON file, if it is there: {"id": "", "label": "", "to": "", "repository": 1}

The label is that of a backup, `random` for any of them, empty for the newest. `to` is a time (ISO, UTC); without it the target is
the newest marker that the repository holds. The repository is read with the escrow copy of the passphrase. All that comes into
being lies below $STATE_DIRECTORY/work, which is removed first and last; the result is $STATE_DIRECTORY/result.json, written anew
after each step. Exit code: 0 for the verdicts pass and partial, 1 for fail.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SEGMENT_BYTES = 16 * 1024 * 1024
"""Size of a WAL file; Debian's clusters have PostgreSQL's default."""

CLOCK_SECONDS = 30
"""How far the clocks of two hosts may be apart."""

BOUNDED_ROWS = 100
"""From how many rows on a table must have between half and twice as many."""

NAMED = 5
"""How many single faults of a kind are named; the others are counted."""

PORT = 54329
"""Of the throwaway server. It names the socket; nothing listens on a network."""

SUPERUSER = "postgres"
RESTORE_SECONDS = 4 * 3600
READ_SECONDS = 2 * 3600
STATEMENT_SECONDS = 600
SHORT_SECONDS = 60
COUNT_SECONDS = 900
"""Time limits of programs: restore and recovery, reading everything, a query, a question, a count of votes."""

OLD_COPY = "An old copy of the repository was put in place of the current one, or WAL is no longer archived."

UNREADABLE = "It is another passphrase, or the list of contents and its copy are both damaged"

LABEL = re.compile(r"\d{8}-\d{6}F(_\d{8}-\d{6}[DI])?")

COUNTERS = ("lf_update", "lf_update_issue_order", "lf_update_suggestion_order")

SERVER = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "ssl": "off",
    "archive_mode": "off",
    "archive_command": "",
    # Whatever the live server loads need not be installed here, and is not what is to be proven.
    "shared_preload_libraries": "",
    "session_preload_libraries": "",
    "local_preload_libraries": "",
    "max_logical_replication_workers": "0",
    "autovacuum": "off",
    # Until the target is reached nobody is let in. So it also does not matter that a limit was raised after the backup, at which
    # a hot standby would stop.
    "hot_standby": "off",
    "max_connections": "40",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "64MB",
    "huge_pages": "off",
    # It would need memory that can be written and executed.
    "jit": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_min_messages": "warning",
}
"""Given on the command line, which goes over what ALTER SYSTEM has left in the backup."""

OWNED_SEQUENCES = r"""
SELECT format('SELECT %L, (SELECT max(%I) FROM %I.%I), last_value, is_called FROM %I.%I',
              sn.nspname || '.' || s.relname, a.attname, tn.nspname, t.relname, sn.nspname, s.relname)
FROM pg_sequence q
JOIN pg_class s ON s.oid = q.seqrelid
JOIN pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype IN ('a', 'i')
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
JOIN pg_class t ON t.oid = d.refobjid
JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE t.relkind IN ('r', 'p') AND q.seqincrement > 0 AND NOT q.seqcycle
    AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
\gexec
"""

COLLATIONS = """
SELECT 'database ' || datname, datcollversion, pg_database_collation_actual_version(oid) FROM pg_database
WHERE datcollversion <> coalesce(pg_database_collation_actual_version(oid), '')
UNION ALL
SELECT 'collation ' || c.collname, c.collversion, pg_collation_actual_version(c.oid) FROM pg_collation c
WHERE c.collversion <> coalesce(pg_collation_actual_version(c.oid), '')
    AND EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_collation'::regclass AND d.refobjid = c.oid)
"""

MUTE = """
BEGIN;
ALTER TABLE member DISABLE TRIGGER USER;
UPDATE member SET notify_email = NULL, notify_email_unconfirmed = NULL, disable_notifications = TRUE;
ALTER TABLE member ENABLE TRIGGER USER;
UPDATE newsletter SET sent = now() WHERE sent IS NULL;
COMMIT;
"""


@dataclass(frozen=True)
class Paths:
    """Where everything lies."""

    state: Path
    configuration: Path = Path("/etc/bordbuch/backup.json")
    escrow: Path = Path("/etc/bordbuch/escrow.conf")
    given: Path = Path("/etc/bordbuch/given-facts.json")
    ledger: Path = Path("/var/lib/bordbuch-ledger")
    made: Path = Path("/var/lib/bordbuch/backup/made.json")
    replay: Path = Path("/usr/local/lib/bordbuch/replay.py")
    pgbackrest: Path = Path("/usr/bin/pgbackrest")
    postgresql: Path = Path("/usr/lib/postgresql")
    core: Path = Path("/usr/lib/liquidfeedback/core")
    moonbridge: Path = Path("/usr/lib/liquidfeedback/moonbridge/moonbridge")
    webmcp: Path = Path("/usr/lib/liquidfeedback/webmcp")
    frontend: Path = Path("/usr/share/liquidfeedback/frontend")
    sendmail: Path = Path("/usr/sbin/sendmail")

    @property
    def work(self) -> Path:
        """The folder of the throwaway place."""
        return self.state / "work"

    @property
    def result(self) -> Path:
        """The file that tells how it went."""
        return self.state / "result.json"


class Failed(Exception):
    """The step found what must not be; the text is for a person."""


class Skipped(Exception):
    """The step could not look; the text says why."""

    def __init__(self, why: str, *, by_configuration: bool = False) -> None:
        super().__init__(why)
        self.by_configuration = by_configuration


class Interrupted(BaseException):
    """Somebody wants the drill to end."""


@dataclass(frozen=True)
class Request:
    """What is asked for; repository 0 stands for the first."""

    id: str = ""
    label: str = ""
    to: str = ""
    repository: int = 0


@dataclass(frozen=True)
class Settings:
    """What the configuration says."""

    stanza: str
    repositories: tuple[int, ...]
    version: str
    database: str
    recovery_point_seconds: int
    recovery_time_seconds: int
    may_be_empty: tuple[str, ...]
    application: bool


@dataclass(frozen=True)
class Marker:
    """A moment on the live side: its row's WAL position, and the end of the restore point after it."""

    number: int
    time: datetime
    lsn: int
    point: int
    seen: datetime


@dataclass(frozen=True)
class Backup:
    """One backup, as the repository describes it."""

    label: str
    ended: datetime
    stop: int
    version: str
    pgbackrest: str
    archive_last: str
    damaged: bool
    bytes: int
    stored_bytes: int


@dataclass(frozen=True)
class Outcome:
    """How a step ended."""

    name: str
    state: str
    seconds: int
    detail: str
    by_configuration: bool = False


@dataclass
class Done:
    """What a program left."""

    code: int
    out: str
    err: str


@dataclass
class Drill:
    """What one drill knows so far."""

    paths: Paths
    started: datetime
    asked: str = "{}"
    request: Request = Request()
    offset: timedelta = timedelta()
    settings: Settings | None = None
    pgbackrest: str = ""
    backups: list[Backup] = field(default_factory=list)
    backup: Backup | None = None
    marker: Marker | None = None
    number: int | None = None
    target: str = ""
    restore_began: float = 0.0
    recovery_time: int | None = None
    recovery_point: int | None = None
    found: dict[str, Any] | None = None
    replayed: dict[str, Any] | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    server: subprocess.Popen[bytes] | None = None
    application: subprocess.Popen[bytes] | None = None
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def repository(self) -> int:
        """The number of the repository that is drilled."""
        return self.request.repository or settled(self).repositories[0]


@dataclass(frozen=True)
class Step:
    """A part of the drill, and the parts without which it makes no sense."""

    name: str
    act: Callable[[Drill], str]
    needs: tuple[str, ...] = ()


# What decides: data in, data out.


def verdict(outcomes: Sequence[Outcome], names: Iterable[str]) -> str:
    """Return pass, partial or fail; a step of those *names* that was not come to is a failure."""
    if {*names} - {outcome.name for outcome in outcomes} or any(outcome.state == "failed" for outcome in outcomes):
        return "fail"
    left_out = any(outcome.state == "skipped" and not outcome.by_configuration for outcome in outcomes)
    return "partial" if left_out else "pass"


def missing_need(step: Step, outcomes: Iterable[Outcome]) -> str:
    """Return the first need of *step* that has not passed, empty if there is none."""
    passed = {outcome.name for outcome in outcomes if outcome.state == "passed"}
    return next((name for name in step.needs if name not in passed), "")


def position(lsn: str) -> int:
    """Return the number of the byte that PostgreSQL writes as 3/2A000148."""
    high, _, low = lsn.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def as_lsn(byte: int) -> str:
    """Return a position as PostgreSQL writes it."""
    return f"{byte >> 32:X}/{byte & 0xFFFFFFFF:X}"


def segment_before(byte: int) -> int:
    """Return the number of the WAL file that holds the last byte before *byte*, which is the end of a record."""
    return max(byte - 1, 0) // SEGMENT_BYTES


def segment_number(name: str) -> int:
    """Return the number of a WAL file by its name: 8 digits of timeline, then two parts of the number.

    Raises:
        ValueError: it is no name of a WAL file.
    """
    if not re.fullmatch(r"[0-9A-F]{24}", name):
        raise ValueError(f"{name!r} is no name of a WAL file")
    return int(name[8:16], 16) * (2**32 // SEGMENT_BYTES) + int(name[16:], 16)


def parse_time(text: str) -> datetime:
    """Return the time that *text* (ISO) means; without an offset it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def iso(moment: datetime) -> str:
    """Return a time as results have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def whole(text: str) -> list[tuple[int, str]]:
    """Return number and text of the lines that were written to their end: the ledger's daemon marks others with a tilde."""
    return [(number, line) for number, line in enumerate(text.split("\n")[:-1], 1) if not line.endswith("~")]


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
    spans = [(one.stop, segment_number(one.archive_last)) for one in backups if one.archive_last]
    return [
        marker
        for marker in reachable(markers)
        if any(stop <= marker.lsn and segment_before(marker.point) <= last for stop, last in spans)
    ]


def why_it_lags(markers: Sequence[Marker], backups: Sequence[Backup]) -> str:
    """Return in words where the repository ends, since when markers are newer, and what that tells."""
    last = max((one.archive_last for one in backups if one.archive_last), default="")
    ends = f"The repository ends with WAL file {last}" if last else "The repository holds no WAL"
    newer = [one for one in reachable(markers) if not last or segment_before(one.point) > segment_number(last)]
    if not newer:
        return f"{ends}, and no marker is newer: the ledger's daemon sets none, or the database is away."
    return f"{ends}; the markers since {iso(newer[0].time)} (number {newer[0].number}) are newer. {OLD_COPY}"


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
    begin = f"Backup {backup.label} ends at {as_lsn(backup.stop)}, and no marker after that can be reached."
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


def printable(text: str) -> str:
    """Return *text* on one line and without what is no letter: what a wrong key makes of a file may stand in an error."""
    return " ".join("".join(letter if letter.isprintable() and letter != "\ufffd" else " " for letter in text).split())


def own_words(text: str) -> str:
    """Return pgBackRest's first error of what it printed, without its time and process, and without its tries."""
    lines = [re.sub(r"^(\S+ \S+ )?P\d+\s+", "", line).strip() for line in text.splitlines()]
    first = next((number for number, line in enumerate(lines) if line.startswith("ERROR")), None)
    if first is None:
        return printable(next((line for line in lines if line), ""))[:300]
    said = [lines[first]]
    for line in lines[first + 1 :]:
        if not line or re.match(r"[A-Z]+:", line):
            break
        said.append(line)
    return re.sub(r" on retry after \d+ms( \[\w+\])?", "", printable(" ".join(said)))[:300]


KINDS = (
    (r"FileMissingError|\[055\]|missing file", "A file of the backup is missing in the repository"),
    (
        r"ChecksumError|\[026\]|checksum|decompress|inflate|\[029\]|FormatError|CryptoError|\[095\]|size .*do(es)? not match",
        "A file of the backup is damaged in the repository",
    ),
    (r"\[041\]|\[042\]|[Pp]ermission denied", "This account may not read a file of the repository"),
    (r"No space left", "There is no room left below the drill's folder"),
)
"""What pgBackRest's errors mean while it restores, by the first that fits."""


def explain(text: str) -> str:
    """Return what pgBackRest's error means, and the error."""
    said = own_words(text)
    meaning = next((words for pattern, words in KINDS if re.search(pattern, said)), "pgBackRest did not restore")
    return f"{meaning}: {said or 'it said nothing'}"


def judge_listing(text: str, stanza: str, repository: int) -> dict[str, Any]:
    """Return what the repository has of *stanza*, judged by the JSON that it printed.

    Raises:
        Failed: the repository is not in order.
    """
    try:
        # Not strict: what a wrong key makes of a file stands in the message as it is.
        entry = next((one for one in json.loads(text, strict=False) if one["name"] == stanza), None)
    except ValueError:
        raise Failed(f"pgBackRest told nothing about repository {repository}: {own_words(text)}") from None
    if entry is None:
        raise Failed(f"Repository {repository} has no stanza {stanza}.")
    own = next((one for one in entry.get("repo", []) if one["key"] == repository), entry)
    if own["status"]["code"]:
        message = printable(own["status"]["message"].partition(" at line")[0])[:300]
        # A wrong key shows itself by the padding, or one time in some hundred only by the nonsense that comes out.
        if re.match(r"\[(CryptoError|FormatError)\]", message):
            raise Failed(f"The escrow copy of the passphrase does not open the repository. {UNREADABLE}: {message}")
        raise Failed(f"Repository {repository}: {message}.")
    return dict(entry)


def parse_backups(entry: Mapping[str, Any], repository: int) -> list[Backup]:
    """Return the backups in one repository, the oldest first, each with the end of the WAL that goes with it."""
    versions = {(one["id"], one.get("repo-key", repository)): one["version"] for one in entry["db"]}
    ends = {
        (one["database"]["id"], one["database"].get("repo-key", repository)): one["max"] or ""
        for one in entry["archive"]
    }
    found = []
    for one in entry["backup"]:
        key = one["database"]["id"], one["database"].get("repo-key", repository)
        if key[1] == repository:
            found.append(
                Backup(
                    label=one["label"],
                    ended=datetime.fromtimestamp(one["timestamp"]["stop"], UTC),
                    stop=position(one["lsn"]["stop"]),
                    version=versions[key],
                    pgbackrest=one["backrest"]["version"],
                    archive_last=ends.get(key, ""),
                    damaged=bool(one.get("error")),
                    bytes=one["info"]["size"],
                    stored_bytes=one["info"]["repository"].get("size", 0),
                )
            )
    return sorted(found, key=lambda one: (one.ended, one.label))


def judge_versions(backup: Backup, pgbackrest: str, server: str, promised: str) -> None:
    """Check that what is installed here can restore *backup*, and is what the live side has.

    Raises:
        Failed: it is not.
    """
    if backup.version != promised:
        raise Failed(f"Backup {backup.label} is of PostgreSQL {backup.version}; the configuration says {promised}.")
    if server.split(".")[0] != backup.version:
        raise Failed(
            f"Backup {backup.label} is of PostgreSQL {backup.version}; here is {server or 'none of that version'}."
        )
    if numbers(pgbackrest) < numbers(backup.pgbackrest):
        raise Failed(
            f"Backup {backup.label} was made by pgBackRest {backup.pgbackrest}; here is the older {pgbackrest}."
        )
    if backup.damaged:
        raise Failed(f"Backup {backup.label} says itself that it found damaged pages in the live database.")


def numbers(version: str) -> list[int]:
    """Return a version as what can be compared."""
    return [int(part) for part in re.findall(r"\d+", version)]


def labels_made(made: Mapping[str, Any], repository: int) -> set[str]:
    """Return the labels that were made into *repository*: the notes have them by repository, or all in one."""
    labels = made["labels"]
    if isinstance(labels, dict) and all(isinstance(value, list) for value in labels.values()):
        return set(labels.get(str(repository), []))
    return set(labels)


def judge_made(made: set[str], there: set[str]) -> str:
    """Compare the backups that this host has noted with those that the repository has.

    Raises:
        Failed: some are not there.
    """
    missing = sorted(made - there)
    if missing:
        raise Failed(
            f"{some(missing)} was made and is not in the repository: an old copy of the repository was put in place of the "
            "current one, or somebody has removed backups."
        )
    return f"{len(made)} backups were made, and all are there"


def first_line(text: str) -> str:
    """Return the first line of *text* that says something, without its full stop."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:300].rstrip(".")


def some(entries: Sequence[str]) -> str:
    """Return the first few of *entries* and how many more there are."""
    more = f" and {len(entries) - NAMED} more" if len(entries) > NAMED else ""
    return ", ".join(entries[:NAMED]) + more


def check_room(free: int, needed: int) -> None:
    """Check that a backup of so many bytes fits, with some WAL beside it.

    Raises:
        Failed: it does not.
    """
    needed += needed // 10 + 16 * SEGMENT_BYTES
    if free < needed:
        raise Failed(
            f"The restore needs {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free below the drill's folder."
        )


def control_settings(text: str) -> dict[str, str]:
    """Return the settings that recovery needs at least, by what pg_controldata says of the restored database."""
    found = dict(re.findall(r"^(max_\w+) setting:\s+(\d+)$", text, re.MULTILINE))
    return {
        # A transaction that was prepared, and its locks, must find room; both may have been raised after the backup.
        "max_prepared_transactions": str(max(2 * int(found.get("max_prepared_xacts", 0)), 64)),
        "max_locks_per_transaction": str(max(2 * int(found.get("max_locks_per_xact", 0)), 256)),
    }


def judge_recovery(log: str) -> str:
    """Return in words why recovery did not come to its end, by what the server and its calls of pgBackRest have said."""
    lines = [re.sub(r"^\S+ \S+ \S+ \[\d+\] ", "", line) for line in log.splitlines()]
    lines = [line for line in lines if "the database system is" not in line]
    what = wal_fault(lines)
    if any("recovery ended before configured recovery target" in line for line in lines):
        done = re.findall(r"redo done at (\S+)", log)
        return f"{what}. Recovery ended {f'at {done[-1]}' if done else 'before it began'}, short of its target."
    if any(re.search(r"could not locate (a valid|required) checkpoint", line) for line in lines):
        return f"{what}. The backup itself needs it."
    last = next((line for line in reversed(lines) if re.match(r"(FATAL|PANIC|ERROR):", line)), "")
    return f"The restored server ended: {last or next(reversed(lines), 'it said nothing')}"


def wal_fault(lines: Sequence[str]) -> str:
    """Return what is wrong with the WAL: pgBackRest could not give a file, or the server could not read on in one."""
    errors = [number for number, line in enumerate(lines) if line.startswith("ERROR: [")]
    stops = r"LOG:\s+(incorrect|invalid|unexpected|out-of-sequence|.*contrecord|record )"
    damage = [line for line in lines if re.match(stops, line)]
    asked = [match for line in lines if (match := re.search(r"(unable to find|found) ([0-9A-F]{24}) in the ", line))]
    if errors:
        return f"A WAL file cannot be read: {own_words(chr(10).join(lines[errors[-1] :]))}"
    if asked and asked[-1][1] != "found":
        return f"A WAL file is missing: {asked[-1][2]}"
    if damage:
        return f"A WAL file is damaged: {damage[-1].partition(':')[2].strip()}"
    return "A WAL file is missing or damaged"


def judge_rows(
    expected: Mapping[str, int], found: Mapping[str, int], may_be_empty: Iterable[str], unlogged: Iterable[str]
) -> list[str]:
    """Return what is wrong with the counts of rows. A table that is not logged is empty after every recovery."""
    free = {*may_be_empty, *unlogged}
    faults = [f"{name} is missing" for name in sorted(expected) if name not in found]
    for name in sorted(name for name in expected if name in found and name not in free):
        before, after = expected[name], found[name]
        if before and not after:
            faults.append(f"{name} is empty, and had {before} rows")
        elif before >= BOUNDED_ROWS and not before / 2 <= after <= before * 2:
            faults.append(f"{name} has {after} rows, and had {before}")
    return faults


def judge_names(kind: str, expected: Iterable[str], found: Iterable[str]) -> list[str]:
    """Return which of the *expected* are not there."""
    there = set(found)
    return [f"{kind} {name} is missing" for name in sorted(set(expected) - there)]


def judge_sequences(lines: Iterable[str]) -> list[str]:
    """Return the sequences whose next value is taken: lines of name, highest value of its column, last value, whether used."""
    faults = []
    for line in lines:
        name, highest, last, used = line.rsplit("|", 3)
        following = int(last) + (used == "t")
        if highest and following <= int(highest):
            faults.append(f"{name} would give {following} next, and {highest} is in its column")
    return faults


def judge_values(expected: Mapping[str, int | None], found: Mapping[str, int | None]) -> list[str]:
    """Return the sequences that are behind an earlier value."""
    return [
        f"{name} is at {found.get(name)}, and was at {before}"
        for name, before in sorted(expected.items())
        if before is not None and (found.get(name) is None or int(found[name] or 0) < before)
    ]


def settle(faults: Sequence[str], facts_time: datetime, marker_time: datetime) -> None:
    """Decide what *faults* against the facts of the live database mean.

    Raises:
        Failed: the restored database should have all that the facts tell of.
        Skipped: the facts are newer than what was restored, so that a difference proves nothing.
    """
    if not faults:
        return
    newer = (facts_time - marker_time).total_seconds()
    if newer > 0:
        raise Skipped(
            f"The facts are {newer:.0f} s newer than the restored marker, so that this proves nothing: {some(faults)}."
        )
    raise Failed(f"{some(faults)}.")


def final_states(text: str) -> dict[int, str]:
    """Return the last state of each id in the ledger; deleted is final.

    Raises:
        Failed: a line cannot be read.
    """
    states: dict[int, str] = {}
    for number, line in whole(text):
        match = re.fullmatch(r"\S+ (locked|unlocked|deleted) (\d+)", line)
        if not match:
            raise Failed(f"Line {number} of the ledger cannot be read.")
        if states.get(int(match[2])) != "deleted":
            states[int(match[2])] = match[1]
    return states


def ways_out(ipv4: str, ipv6: str) -> set[str]:
    """Return the interfaces that routes go over, by /proc/net/route and /proc/net/ipv6_route, without the loopback."""
    rows = [line.split()[0] for line in ipv4.splitlines()[1:] if line.split()]
    return {*rows, *(line.split()[-1] for line in ipv6.splitlines() if line.split())} - {"lo"}


def parse_request(text: str) -> Request:
    """Return what is asked for.

    Raises:
        Failed: it cannot be understood.
    """
    try:
        said = dict(json.loads(text))
        words = {name: str(said.pop(name, "")) for name in ("id", "label", "to")}
        request = Request(**words, repository=int(said.pop("repository", 0)))
        if request.to:
            parse_time(request.to)
    except (ValueError, TypeError) as error:
        raise Failed(f"The request cannot be understood: {error}.") from error
    if said:
        raise Failed(f"The request cannot be understood: nothing is known of {', '.join(sorted(said))}.")
    if request.label not in ("", "random") and not LABEL.fullmatch(request.label):
        raise Failed(f"{request.label!r} is no label of a backup.")
    return request


def parse_settings(text: str) -> Settings:
    """Return what the configuration says.

    Raises:
        Failed: it cannot be understood.
    """
    try:
        said = json.loads(text)
        return Settings(
            stanza=said["stanza"],
            repositories=tuple(said["repositories"]),
            version=str(said["version"]),
            database=said["database"]["name"],
            recovery_point_seconds=int(said["recovery_point_seconds"]),
            recovery_time_seconds=int(said["recovery_time_seconds"]),
            may_be_empty=tuple(said.get("may_be_empty", ())),
            application=bool(said.get("application", True)),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Failed(f"The configuration cannot be understood: {type(error).__name__}: {error}.") from error


def application_settings(database: str, port: int) -> str:
    """Return the configuration of the application: it is open to anonymous readers, on the loopback, and has nobody to mail to."""
    return f"""config.absolute_base_url = "http://127.0.0.1:{port}/"
config.instance_name = "Drill"
config.app_service_provider = "Drill"
config.database = {{ engine = "postgresql", dbname = {json.dumps(database, ensure_ascii=False)} }}
config.localhost = true
config.port = {port}
config.fork = {{ pre = 1, min = 1, max = 4 }}
config.public_access = "anonymous"
config.disable_registration = true
config.registration_disabled = true
config.mail_envelope_from = "nobody@drill.invalid"
config.mail_from = {{ name = "Drill", address = "nobody@drill.invalid" }}
if net and net.configure_mail then net.configure_mail{{ command = {{ "/bin/false" }} }} end
"""


# What acts.


def settled(drill: Drill) -> Settings:
    """Return the configuration, which every step but the first may rely on."""
    assert drill.settings is not None  # noqa: S101  a step that needs it does not run without it
    return drill.settings


def chosen(drill: Drill) -> Backup:
    """Return the backup that was chosen, on which every step after the look may rely."""
    assert drill.backup is not None  # noqa: S101  a step that needs it does not run without it
    return drill.backup


def program(drill: Drill, name: str) -> str:
    """Return a program of the PostgreSQL version in question: the one in PATH may be of another."""
    return str(drill.paths.postgresql / settled(drill).version / "bin" / name)


def environment(drill: Drill, database: str = "", user: str = SUPERUSER) -> dict[str, str]:
    """Return the variables of every program: none of ours, none that points anywhere but into the work folder."""
    work = str(drill.paths.work)
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": work, "TMPDIR": work}
    if not database:
        return variables
    return {
        **variables,
        "PGHOST": f"{work}/socket",
        "PGPORT": str(PORT),
        "PGUSER": user,
        "PGDATABASE": database,
        "PGCONNECT_TIMEOUT": "10",
        "PGSYSCONFDIR": work,
    }


def run(
    drill: Drill, command: Sequence[str], seconds: int, variables: Mapping[str, str] | None = None, text: str = ""
) -> Done:
    """Run *command*, which gets *text*, and return what it left. Whatever ends the waiting ends it, too.

    Raises:
        Failed: it is not there, or was not done in time.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd="/",
            env=dict(variables or environment(drill)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise Failed(f"{command[0]} cannot be run: {error.strerror}.") from error
    with process:
        try:
            out, err = process.communicate(text, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{Path(command[0]).name} was not done after {seconds} s.") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    return Done(process.returncode, out, err)


def ask(drill: Drill, statements: str, user: str = SUPERUSER, seconds: int = STATEMENT_SECONDS) -> str:
    """Return what the restored database answers *user*.

    Raises:
        Failed: it did not take a statement. Only the first line of the error is told: the next may quote a row.
    """
    command = [program(drill, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"]
    done = run(drill, command, seconds, environment(drill, settled(drill).database, user), statements)
    if done.code:
        raise Failed(f"The restored database said: {first_line(done.err) or f'psql ended with {done.code}'}.")
    return done.out.rstrip("\n")


def repository_options(drill: Drill) -> list[str]:
    """Return the options by which pgBackRest uses the escrow copy of its configuration, no other, and writes no log of its own."""
    return [
        f"--config={drill.paths.escrow}",
        f"--stanza={settled(drill).stanza}",
        f"--repo={drill.repository}",
        "--log-level-console=off",
        "--log-level-file=off",
    ]


def pgbackrest(drill: Drill, command: str, *options: str, seconds: int = SHORT_SECONDS) -> Done:
    """Run a command of pgBackRest."""
    words = [str(drill.paths.pgbackrest), *repository_options(drill), "--log-level-stderr=warn", *options, command]
    return run(drill, words, seconds)


def fetch_command(drill: Drill) -> str:
    """Return how the server gets WAL: what it cannot get stands in the server's log."""
    work = drill.paths.work
    options = ["--log-level-stderr=info", "--no-archive-async", f"--pg1-path={work}/data", f"--lock-path={work}/lock"]
    return " ".join([*map(str, [drill.paths.pgbackrest, *repository_options(drill), *options]), 'archive-get %f "%p"'])


def read(path: Path, what: str) -> str:
    """Return the text of a file that must be there.

    Raises:
        Failed: it is not, or this account may not read it.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failed(f"{what} cannot be read: {path}: {error.strerror}.") from error


def now(drill: Drill) -> datetime:
    """Return the time by this host's clock, as given where a clock is tested."""
    return datetime.now(UTC) + drill.offset


def target_time(drill: Drill) -> datetime | None:
    """Return the time that was asked for."""
    return parse_time(drill.request.to) if drill.request.to else None


def recorded(drill: Drill) -> list[Marker]:
    """Return the markers that this host has recorded."""
    markers = parse_markers(read(drill.paths.ledger / "markers", "The record of markers"))
    if not markers:
        raise Failed("No marker is recorded: the ledger's daemon has not seen the database yet.")
    return markers


def configure(drill: Drill) -> str:
    """Make the work folder, read what is asked for, the configuration, and what is given in place of facts."""
    remove(drill.paths.work)
    drill.paths.work.mkdir(mode=0o700)
    drill.request = parse_request(drill.asked)
    drill.settings = parse_settings(read(drill.paths.configuration, "The configuration"))
    if drill.repository not in drill.settings.repositories:
        raise Failed(f"There is no repository {drill.repository}.")
    if drill.paths.given.exists():
        given = json.loads(read(drill.paths.given, "The given facts"))
        drill.offset = timedelta(seconds=given.get("clock_offset_seconds", 0))
    return f"stanza {drill.settings.stanza}, repository {drill.repository}"


def look(drill: Drill) -> str:
    """Look at versions and the state of the repository, and choose the backup."""
    settings = settled(drill)
    drill.pgbackrest = (
        run(drill, [str(drill.paths.pgbackrest), "version"], SHORT_SECONDS).out.strip().rpartition(" ")[2]
    )
    done = pgbackrest(drill, "info", "--output=json")
    entry = judge_listing(done.out or done.err, settings.stanza, drill.repository)
    drill.backups = parse_backups(entry, drill.repository)
    drill.backup = choose_backup(drill.backups, drill.request.label, target_time(drill), secrets.choice)
    server = ""
    if Path(program(drill, "postgres")).exists():
        server = run(drill, [program(drill, "postgres"), "--version"], SHORT_SECONDS).out.split()[2]
    judge_versions(drill.backup, drill.pgbackrest, server, settings.version)
    drill.sizes = {"database": drill.backup.bytes, "stored": drill.backup.stored_bytes}
    return f"pgBackRest {drill.pgbackrest}, PostgreSQL {server}; {len(drill.backups)} backups, {drill.backup.label} is restored"


def recovery_point(drill: Drill) -> str:
    """Compare the age of the newest marker that can be restored with what is promised."""
    promised = settled(drill).recovery_point_seconds
    fitting = restorable(recorded(drill), drill.backups)
    if fitting:
        drill.recovery_point = max(round((drill.started + drill.offset - fitting[-1].time).total_seconds()), 0)
    age = judge_point(recorded(drill), drill.backups, drill.started + drill.offset, promised)
    return f"the newest marker that can be restored was {age} s old; promised are {promised} s"


def backups_made(drill: Drill) -> str:
    """Compare the repository with the host's own notes of the backups that were made."""
    try:
        made = json.loads(drill.paths.made.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Skipped("this host has no notes of the backups that were made") from None
    except OSError as error:
        raise Failed(f"The notes of the backups that were made cannot be read: {error.strerror}.") from error
    return judge_made(labels_made(made, drill.repository), {one.label for one in drill.backups})


def clock(drill: Drill) -> str:
    """Compare the clocks of the database's host and of this one."""
    return judge_clock(recorded(drill)[-1], now(drill), drill.offset)


def choose_target(drill: Drill) -> str:
    """Choose what to recover to: the time that was asked for, or the newest marker that can be reached."""
    markers, backup, to = recorded(drill), chosen(drill), target_time(drill)
    if to is None:
        drill.marker = choose_marker(markers, backup)
        drill.number, drill.target = drill.marker.number, f"bordbuch-{drill.marker.number}"
        return f"restore point {drill.target} of {iso(drill.marker.time)}"
    check_target(to, now(drill), markers, backup)
    before = [marker for marker in restorable(markers, [backup]) if marker.time <= to]
    drill.marker, drill.target = before[-1] if before else None, iso(to)
    return f"time {drill.target}"


def restore(drill: Drill) -> str:
    """Restore the backup into the work folder, with the target written beside it."""
    work, began = drill.paths.work, time.monotonic()
    drill.restore_began = began
    to = target_time(drill)
    kind, target = ("time", f"{to:%Y-%m-%d %H:%M:%S.%f+00}") if to else ("name", drill.target)
    check_room(shutil.disk_usage(work).free, chosen(drill).bytes)
    for name in ("data", "tablespaces", "lock", "socket"):
        (work / name).mkdir(mode=0o700)
    done = pgbackrest(
        drill,
        "restore",
        f"--set={chosen(drill).label}",
        f"--pg1-path={work}/data",
        f"--tablespace-map-all={work}/tablespaces",
        f"--lock-path={work}/lock",
        "--archive-mode=off",
        f"--type={kind}",
        f"--target={target}",
        "--target-action=promote",
        seconds=RESTORE_SECONDS,
    )
    if done.code:
        raise Failed(explain(done.err))
    drill.sizes["restored"] = size(work / "data") + size(work / "tablespaces")
    return f"{drill.sizes['restored'] / 1e6:.0f} MB in {time.monotonic() - began:.1f} s"


def size(folder: Path) -> int:
    """Return how many bytes the files below *folder* have."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def recover(drill: Drill) -> str:
    """Start the server, which plays the WAL up to the target, and wait until it lets us in and has left recovery."""
    start_server(drill)
    end = time.monotonic() + RESTORE_SECONDS
    while not is_up(drill):
        if drill.server is None or drill.server.poll() is not None:
            raise Failed(judge_recovery(server_log(drill)))
        if time.monotonic() > end:
            raise Failed(f"Recovery was not done after {RESTORE_SECONDS} s.")
        time.sleep(0.1)
    drill.recovery_time = round(time.monotonic() - drill.restore_began)
    return f"up to {ask(drill, 'SELECT pg_last_wal_replay_lsn()')}, promoted"


def start_server(drill: Drill) -> None:
    """Start PostgreSQL with settings of ours alone: no address, a socket that is only ours, no file but from the work folder."""
    work = drill.paths.work
    for name, text in {"postgresql.conf": "", "pg_ident.conf": "", "pg_hba.conf": "local all all trust\n"}.items():
        (work / name).write_text(text, encoding="utf-8")
    control = run(drill, [program(drill, "pg_controldata"), str(work / "data")], SHORT_SECONDS)
    settings = {
        **SERVER,
        **control_settings(control.out),
        "config_file": f"{work}/postgresql.conf",
        "hba_file": f"{work}/pg_hba.conf",
        "ident_file": f"{work}/pg_ident.conf",
        "data_directory": f"{work}/data",
        "unix_socket_directories": f"{work}/socket",
        "port": str(PORT),
        "restore_command": fetch_command(drill),
    }
    command = [program(drill, "postgres"), *(word for pair in settings.items() for word in ("-c", "=".join(pair)))]
    drill.server = start(drill, command, work / "server.log")


def start(
    drill: Drill, command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that goes on, with what it says in a file.

    Raises:
        Failed: it is not there.
    """
    try:
        with log.open("wb") as file:
            return subprocess.Popen(
                command,
                cwd="/",
                env=dict(variables or environment(drill)),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
    except OSError as error:
        raise Failed(f"{command[0]} cannot be run: {error.strerror}.") from error


def is_up(drill: Drill) -> bool:
    """Return whether the server lets us in and has left recovery."""
    variables = environment(drill, SUPERUSER)
    command = [program(drill, "psql"), "-XAtqc", "SELECT pg_is_in_recovery()"]
    return run(drill, command, SHORT_SECONDS, variables).out.strip() == "f"


def server_log(drill: Drill) -> str:
    """Return what the server has said."""
    return (drill.paths.work / "server.log").read_text(encoding="utf-8", errors="replace")


def recovery_time(drill: Drill) -> str:
    """Compare how long it took, from the start of the restore until the server answered, with what is promised."""
    promised = settled(drill).recovery_time_seconds
    if (drill.recovery_time or 0) > promised:
        raise Failed(f"It took {drill.recovery_time} s until the restored server answered; promised are {promised} s.")
    return f"{drill.recovery_time} s until the restored server answered; promised are {promised} s"


def marker(drill: Drill) -> str:
    """Look whether the marker is there, is the newest, and lies before what was replayed."""
    query = "SELECT number, time, lsn, pg_last_wal_replay_lsn() FROM bordbuch.marker ORDER BY number DESC LIMIT 1"
    row = ask(drill, f"SET datestyle = ISO; {query}")
    if not row:
        raise Failed("There is no marker in the restored database.")
    number, moment, lsn, replayed = row.split("|")
    judge_marker(
        int(number), parse_time(moment), drill.marker, target_time(drill), settled(drill).recovery_point_seconds
    )
    needed = drill.marker.point if drill.marker and not drill.request.to else position(lsn)
    if not replayed or position(replayed) < needed:
        raise Failed(f"Replayed up to {replayed or 'nowhere'}, and marker {number} needs {as_lsn(needed)}.")
    drill.number = int(number)
    drill.marker = drill.marker or Marker(
        int(number), parse_time(moment), position(lsn), position(lsn), parse_time(moment)
    )
    return f"marker {number} of {iso(parse_time(moment))} at {lsn}, replayed up to {replayed}"


def pages(drill: Drill) -> str:
    """Check every table page and index of every database, and that each index has all rows of its table."""
    command = [program(drill, "pg_amcheck"), "--all", "--install-missing", "--heapallindexed", "--jobs=2"]
    done = run(drill, command, READ_SECONDS, environment(drill, SUPERUSER))
    if done.code:
        raise Failed(f"pg_amcheck found: {printable(done.out or done.err)[:300]}")
    return "no fault in tables and indexes of all databases"


def databases(drill: Drill) -> list[str]:
    """Return the databases that let anybody in."""
    return ask(drill, "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname").splitlines()


def rows_read(drill: Drill) -> str:
    """Read every row and large object of every database once, and the roles, by writing a dump to nowhere."""
    nowhere = ["--no-sync", f"--file={os.devnull}"]
    names = databases(drill)
    commands = [("the roles", SUPERUSER, [program(drill, "pg_dumpall"), "--globals-only", *nowhere])]
    commands += [(name, name, [program(drill, "pg_dump"), "--format=plain", *nowhere]) for name in names]
    for what, database, command in commands:
        done = run(drill, command, READ_SECONDS, environment(drill, database))
        if done.code:
            raise Failed(f"{what} could not be read: {first_line(done.err)}.")
    return f"{', '.join(names)}, and the roles"


def live_facts(drill: Drill) -> tuple[dict[str, Any], datetime]:
    """Return what the live database told of itself, and when.

    Raises:
        Skipped: it has told nothing yet.
    """
    path = drill.paths.ledger / "facts.json"
    if not path.exists():
        raise Skipped("there are no facts of the live database to compare with")
    entry = json.loads(read(path, "The facts of the live database"))
    return entry["facts"], parse_time(entry["time"])


def found_facts(drill: Drill) -> dict[str, Any]:
    """Return what the restored database tells of itself, by the same function."""
    if drill.found is None:
        drill.found = json.loads(ask(drill, "SELECT bordbuch.facts()", seconds=READ_SECONDS))
    return drill.found


def judged(drill: Drill, faults: Sequence[str], moment: datetime) -> None:
    """Raise what *faults* against facts of *moment* mean."""
    assert drill.marker is not None  # noqa: S101  a step that needs it does not run without it
    settle(faults, moment, drill.marker.time)


def names(drill: Drill) -> str:
    """Look whether the databases, roles and extensions are there."""
    found = found_facts(drill)
    facts, moment = live_facts(drill)
    kinds = ("databases", "roles", "extensions")
    judged(drill, [fault for kind in kinds for fault in judge_names(kind[:-1], facts[kind], found[kind])], moment)
    return ", ".join(f"{len(facts[kind])} {kind}" for kind in kinds)


def rows(drill: Drill) -> str:
    """Compare the counts of rows and large objects with those of the live database."""
    found = found_facts(drill)
    facts, moment = live_facts(drill)
    unlogged = ask(
        drill,
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind = 'r' AND c.relpersistence = 'u'",
    ).splitlines()
    objects = [{"large objects": one["large_objects"]} for one in (facts, found)]
    expected, there = {**facts["counts"], **objects[0]}, {**found["counts"], **objects[1]}
    judged(drill, judge_rows(expected, there, settled(drill).may_be_empty, unlogged), moment)
    return (
        f"{sum(found['counts'].values())} rows in {len(found['counts'])} tables, {found['large_objects']} large objects"
    )


def sequences(drill: Drill) -> str:
    """Look whether each sequence goes on after what is in its column, and after what it was on the live side."""
    lines = ask(drill, OWNED_SEQUENCES).splitlines()
    if faults := judge_sequences(lines):
        raise Failed(f"{some(faults)}.")
    found = found_facts(drill)
    facts, moment = live_facts(drill)
    judged(drill, judge_values(facts["sequences"], found["sequences"]), moment)
    return f"{len(found['sequences'])} sequences, none behind"


def collations(drill: Drill) -> str:
    """Look whether text sorts here as it did where the indexes were made."""
    lines = [line.split("|") for line in ask(drill, COLLATIONS).splitlines()]
    if lines:
        raise Failed(f"{some([f'{name} is of version {before}, here is {here}' for name, before, here in lines])}.")
    return "text sorts as where the indexes were made"


def schema_version(drill: Drill) -> str:
    """Compare the version of LiquidFeedback's schema."""
    found = found_facts(drill)["schema_version"]
    facts, moment = live_facts(drill)
    expected = facts["schema_version"]
    judged(drill, [f"the schema is of version {found}, and was of {expected}"] if found != expected else [], moment)
    return f"LiquidFeedback {found}"


def owner(drill: Drill) -> str:
    """Return who owns the members' table: as that role the application works.

    What reads the application's tables by name is run as that role and not as the superuser: in a table's place there may be a
    view with code in it.
    """
    return ask(drill, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.member'::regclass")


def replay(drill: Drill) -> str:
    """Replay the ledger, and ask the database whether nobody has come back."""
    script = run(drill, [str(drill.paths.replay)], SHORT_SECONDS)
    if script.code:
        raise Failed(f"The ledger's replay could not be written: {first_line(script.err)}.")
    drill.replayed = json.loads(ask(drill, script.out).splitlines()[-1])
    states = final_states(read(drill.paths.ledger / "ledger", "The ledger"))
    back = came_back(drill, states)
    left = ask(drill, "SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM token)", owner(drill))
    if back or left != "0":
        raise Failed(
            f"After the replay {back} members are not as the ledger says, and {left} sessions and tokens are there."
        )
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in drill.replayed.items())
    return f"{len(states)} members are as the ledger says; {counts}"


def came_back(drill: Drill, states: Mapping[int, str]) -> int:
    """Return how many members are here who by the ledger are deleted, or can act though they are locked."""
    rows = ", ".join(f"({number}, '{state}')" for number, state in states.items() if state != "unlocked")
    if not rows:
        return 0
    condition = "NOT m.locked OR m.active OR (s.state = 'deleted' AND m.deleted IS NULL)"
    query = f"SELECT count(*) FROM member m JOIN (VALUES {rows}) AS s (id, state) USING (id) WHERE {condition}"  # noqa: S608  numbers
    return int(ask(drill, query, owner(drill)))


def installed(drill: Drill) -> None:
    """Look whether the application is to be tried, and can be.

    Raises:
        Skipped: it is not, or cannot.
    """
    if not settled(drill).application:
        raise Skipped("by configuration", by_configuration=True)
    if not (drill.paths.moonbridge.exists() and (drill.paths.core / COUNTERS[0]).exists()):
        raise Skipped("LiquidFeedback is not installed on this host")


def count_votes(drill: Drill) -> str:
    """Let the programs count that do so on the live side: success is no output and exit code 0."""
    installed(drill)
    database = settled(drill).database
    variables = environment(drill, database, owner(drill))
    for name in COUNTERS:
        done = run(drill, [str(drill.paths.core / name), f"dbname={database}"], COUNT_SECONDS, variables)
        if done.code or done.out or done.err:
            raise Failed(f"{name} ended with {done.code}: {first_line(done.err + done.out)}.")
    return ", ".join(COUNTERS)


def application(drill: Drill) -> str:
    """Start the application against the copy, look at a page, and end it."""
    installed(drill)
    make_mute(drill)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = make_application(drill, port)
    command = [
        str(drill.paths.moonbridge),
        f"{drill.paths.webmcp}/bin/mcp.lua",
        f"{drill.paths.webmcp}/",
        f"{folder}/",
        "main",
    ]
    variables = environment(drill, settled(drill).database, owner(drill))
    log = drill.paths.work / "application.log"
    drill.application = start(drill, [*command, "drill"], log, variables)
    try:
        return first_pages(drill, port)
    finally:
        # By force: asked to end, it would first go through all events of the copy.
        end(drill.application)


def make_mute(drill: Drill) -> None:
    """See to it that the copy mails nobody: no program for it, no way out of this place, no address, nothing to send.

    Raises:
        Failed: a mail could leave.
    """
    if os.access(drill.paths.sendmail, os.X_OK):
        raise Failed(
            f"The application was not started: it could run {drill.paths.sendmail}. The drill's unit hides that."
        )
    routes = [Path(f"/proc/self/net/{name}") for name in ("route", "ipv6_route")]
    if out := ways_out(*(path.read_text(encoding="ascii") if path.exists() else "" for path in routes)):
        raise Failed(
            f"The application was not started: there is a network ({', '.join(sorted(out))}). The drill's unit has none."
        )
    ask(drill, MUTE, owner(drill))


def make_application(drill: Drill, port: int) -> Path:
    """Make a folder that is the frontend's but for the configuration and the folder that it writes into."""
    folder = drill.paths.work / "application"
    for part in (folder, folder / "config", folder / "tmp"):
        part.mkdir(mode=0o700)
    for entry in drill.paths.frontend.iterdir():
        if entry.name not in ("config", "tmp"):
            (folder / entry.name).symlink_to(entry)
    text = application_settings(settled(drill).database, port)
    (folder / "config/drill.lua").write_text(text, encoding="utf-8")
    return folder


def first_pages(drill: Drill, port: int) -> str:
    """Ask for the login page and for the version that the application sees in the database."""
    status, _ = first_answer(drill, port, "/index/login.html")
    if status != http.client.OK:
        raise Failed(f"The application answers {status} to /index/login.html. {application_words(drill)}")
    status, body = get(port, "/api/1/info")
    expected = found_facts(drill)["schema_version"]
    if status != http.client.OK or f'"{expected}"' not in body:
        raise Failed(
            f"The application answers {status} to /api/1/info, without the version {expected}. {application_words(drill)}"
        )
    return f"it shows the login page and names version {expected}; no mail could leave"


def first_answer(drill: Drill, port: int, path: str) -> tuple[int, str]:
    """Return status and body of a page as soon as the application listens.

    Raises:
        Failed: it does not.
    """
    limit = time.monotonic() + SHORT_SECONDS
    while time.monotonic() < limit:
        with contextlib.suppress(ConnectionRefusedError):
            return get(port, path)
        if drill.application is None or drill.application.poll() is not None:
            raise Failed(f"The application ended. {application_words(drill)}")
        time.sleep(0.1)
    raise Failed(f"The application does not listen after {SHORT_SECONDS} s. {application_words(drill)}")


def get(port: int, path: str) -> tuple[int, str]:
    """Return status and body of a page.

    Raises:
        ConnectionRefusedError: nobody listens.
        Failed: there is no answer.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SHORT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    except ConnectionRefusedError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"The application does not answer to {path}: {type(error).__name__}: {error}.") from error
    finally:
        connection.close()


def application_words(drill: Drill) -> str:
    """Return the last line that the application has said, without addresses."""
    text = (drill.paths.work / "application.log").read_text(encoding="utf-8", errors="replace")
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "nothing")
    return re.sub(r"\S+@\S+", "…", f"It said: {last[:300]}")


def end(process: subprocess.Popen[bytes] | None, *signals: int) -> None:
    """End a program: by each of *signals* in turn, and at last by force, with all of its session."""
    if process is None:
        return
    for number in signals:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.send_signal(number)
            process.wait(timeout=SHORT_SECONDS)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def clean(drill: Drill) -> str:
    """End what was started and remove the work folder."""
    end(drill.application)
    # First without waiting for anybody, then at once.
    end(drill.server, signal.SIGINT, signal.SIGQUIT)
    remove(drill.paths.work)
    return "nothing is left"


def remove(folder: Path) -> None:
    """Remove *folder*, which need not be there.

    Raises:
        Failed: something of it stays.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Failed(
            f"{folder} could not be removed: {error.strerror}. It holds a copy of the database: remove it."
        ) from error


STEPS = (
    Step("configuration", configure),
    Step("look", look, ("configuration",)),
    Step("recovery point", recovery_point, ("look",)),
    Step("backups made", backups_made, ("look",)),
    Step("clock", clock, ("configuration",)),
    Step("target", choose_target, ("look",)),
    Step("restore", restore, ("target",)),
    Step("recovery", recover, ("restore",)),
    Step("recovery time", recovery_time, ("recovery",)),
    Step("marker", marker, ("recovery",)),
    Step("pages and indexes", pages, ("recovery",)),
    Step("every row read", rows_read, ("recovery",)),
    Step("databases, roles, extensions", names, ("marker",)),
    Step("rows", rows, ("marker",)),
    Step("sequences", sequences, ("marker",)),
    Step("collations", collations, ("recovery",)),
    Step("schema version", schema_version, ("marker",)),
    Step("replay", replay, ("recovery",)),
    Step("vote count", count_votes, ("replay",)),
    Step("application", application, ("replay",)),
)
CLEAN = Step("clean", clean)


def perform(drill: Drill, step: Step) -> None:
    """Do a step, unless one that it needs has not passed, and write down how it ended."""
    began = time.monotonic()
    by_configuration = False
    try:
        if need := missing_need(step, drill.outcomes):
            raise Skipped(f"not done, because of: {need}")
        state, detail = "passed", step.act(drill)
    except Skipped as why:
        state, detail, by_configuration = "skipped", str(why), why.by_configuration
    except Failed as why:
        state, detail = "failed", str(why)
    except Exception as error:  # whatever it is, the place is to be cleaned and the result to be written
        traceback.print_exc()
        state, detail = "failed", f"{type(error).__name__}: {error}"
    note(drill, Outcome(step.name, state, round(time.monotonic() - began), detail, by_configuration))


def note(drill: Drill, outcome: Outcome) -> None:
    """Keep an outcome, show it, and write the result as far as it has come."""
    drill.outcomes.append(outcome)
    print(f"{outcome.name}: {outcome.state}, {outcome.seconds} s: {outcome.detail}", flush=True)
    write_result(drill, "")


def write_result(drill: Drill, conclusion: str) -> None:
    """Write the result whole or not at all."""
    aside = drill.paths.result.with_suffix(".new")
    with aside.open("w", encoding="utf-8") as file:
        json.dump(result(drill, conclusion), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(drill.paths.result)


def result(drill: Drill, conclusion: str) -> dict[str, Any]:
    """Return what is to be told of the drill."""
    settings = drill.settings
    steps = [{key: vars(one)[key] for key in ("name", "state", "seconds", "detail")} for one in drill.outcomes]
    return {
        "verdict": conclusion,
        "id": drill.request.id,
        "started": iso(drill.started),
        "ended": iso(datetime.now(UTC)),
        "repository": drill.repository if settings else drill.request.repository,
        "label": drill.backup.label if drill.backup else drill.request.label,
        "target": drill.target,
        "marker": drill.number,
        "steps": steps,
        "recovery_time_seconds": drill.recovery_time,
        "recovery_point_seconds": drill.recovery_point,
        "promised": {
            "recovery_time_seconds": settings.recovery_time_seconds if settings else None,
            "recovery_point_seconds": settings.recovery_point_seconds if settings else None,
        },
        "replayed": drill.replayed,
        "sizes": drill.sizes,
    }


def carry_out(drill: Drill) -> str:
    """Do all steps, clean up whatever happens, and return the verdict."""
    try:
        for step in STEPS:
            perform(drill, step)
    except Interrupted as why:
        done = {outcome.name for outcome in drill.outcomes}
        at = next((step.name for step in STEPS if step.name not in done), CLEAN.name)
        note(drill, Outcome(at, "failed", 0, str(why)))
    finally:
        listen(signal.SIG_IGN)
        perform(drill, CLEAN)
    conclusion = verdict(drill.outcomes, [step.name for step in (*STEPS, CLEAN)])
    write_result(drill, conclusion)
    return conclusion


def listen(handler: Any) -> None:
    """Let *handler* take the signals that end a program."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handler)


def interrupt(number: int, _frame: object) -> None:
    """Raise what ends the drill. A second signal must not keep the place from being cleaned."""
    listen(signal.SIG_IGN)
    raise Interrupted(f"the drill was interrupted ({signal.Signals(number).name})")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a second drill out.

    Raises:
        Failed: there is one.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed("Another drill is running.") from None
        yield
    finally:
        os.close(descriptor)


def main(arguments: Sequence[str], paths: Paths) -> int:
    """Hold the drill that is asked for and return the exit code."""
    os.umask(0o077)
    listen(interrupt)
    try:
        with alone(paths.state):
            wanted = Path(arguments[0]) if arguments else None
            asked = read(wanted, "The request") if wanted and wanted.exists() else "{}"
            conclusion = carry_out(Drill(paths, datetime.now(UTC), asked))
    except (Failed, OSError) as why:
        print(f"There was no drill: {why}", file=sys.stderr)
        return 1
    print(conclusion)
    return 1 if conclusion == "fail" else 0


if __name__ == "__main__":
    if len(sys.argv) > 2 or "STATE_DIRECTORY" not in os.environ or sys.argv[1:] in (["-h"], ["--help"]):
        sys.exit(f"{__doc__}")
    sys.exit(main(sys.argv[1:], Paths(Path(os.environ["STATE_DIRECTORY"]))))
