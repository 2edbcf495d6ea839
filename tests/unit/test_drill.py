"""What a drill decides: which backup, which target, what is within bounds, what an error means, and the verdict."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "roles/backup/files/drill.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drill", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["drill"] = module  # its dataclasses look there for the types that they name
    spec.loader.exec_module(module)
    return module


drill = load()

SEGMENT = 16 * 1024 * 1024
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
positions = st.integers(1, 2**64 - 1)


def marker(number: int, segment: int, minute: int = 0, **more: Any) -> Any:
    """Return a marker whose restore point ends in the middle of a segment."""
    moment = NOON + timedelta(minutes=minute or number)
    values = {"time": moment, "lsn": segment * SEGMENT + 1000, "point": segment * SEGMENT + 2000, "seen": moment}
    return drill.Marker(number=number, **{**values, **more})


def backup(label: str = "20261128-110000F", stop: int = 1, last: int = 9, minute: int = -60, **more: Any) -> Any:
    """Return a backup that ended at the begin of segment *stop*; the repository's WAL goes to the end of segment *last*."""
    values = {
        "label": label,
        "ended": NOON + timedelta(minutes=minute),
        "stop": stop * SEGMENT,
        "version": "17",
        "pgbackrest": "2.55",
        "archive_last": name_of(1, last),
        "damaged": False,
        "bytes": 10,
        "stored_bytes": 5,
    }
    return drill.Backup(**{**values, **more})


def name_of(timeline: int, segment: int) -> str:
    """Return a WAL file's name as xlog_internal.h makes it."""
    return f"{timeline:08X}{segment // 256:08X}{segment % 256:08X}"


def outcome(name: str, state: str = "passed", *, by_configuration: bool = False) -> Any:
    return drill.Outcome(name, state, 0, "", by_configuration)


# Places in the write-ahead log.


@given(positions)
def test_a_position_is_read_as_it_is_written(byte: int) -> None:
    assert drill.position(drill.as_lsn(byte)) == byte


@given(positions)
def test_a_record_that_ends_at_a_position_lies_in_the_segment_of_its_last_byte(byte: int) -> None:
    segment = drill.segment_before(byte)
    assert segment * SEGMENT < byte <= (segment + 1) * SEGMENT


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**40 - 1))
def test_a_files_name_tells_its_number_on_every_time_line(timeline: int, segment: int) -> None:
    assert drill.segment_number(name_of(timeline, segment)) == segment


@given(positions, positions)
def test_segments_are_in_the_order_of_positions(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert drill.segment_before(low) <= drill.segment_before(high)


@pytest.mark.parametrize(
    ("lsn", "name"),
    [
        ("0/1000000", "000000010000000000000000"),
        ("0/1000001", "000000010000000000000001"),
        ("0/3062F50", "000000010000000000000003"),
        ("0/FFFFFFFF", "0000000100000000000000FF"),
        ("1/0", "0000000100000000000000FF"),
        ("1/1", "000000010000000100000000"),
        ("3A/D000400", "000000020000003A0000000D"),
    ],
)
def test_known_places(lsn: str, name: str) -> None:
    assert drill.segment_before(drill.position(lsn)) == drill.segment_number(name)


@pytest.mark.parametrize("name", ["", "00000002.history", "000000010000000000000002.00000028.backup", "0" * 23])
def test_another_file_has_no_number(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a WAL file"):
        drill.segment_number(name)


# Markers and the target.


def line(number: int, **more: Any) -> str:
    entry = {"number": number, "time": "2026-11-28T12:00:00Z", "lsn": "0/3000148", "point_lsn": "0/3000180"}
    return json.dumps({**entry, "seen": "2026-11-28T12:00:01Z", "highest": 9, **more})


def test_markers_are_read_and_what_was_cut_short_is_not() -> None:
    text = f'{line(2)}\n{line(1)}\n{{"number": 3~\n{line(4)[:20]}'
    found = drill.parse_markers(text)
    assert [one.number for one in found] == [1, 2]
    assert found[0].point == 0x3000180
    assert found[0].seen - found[0].time == timedelta(seconds=1)


@pytest.mark.parametrize("wrong", ["{}", "[]", "x", line(1, lsn="none"), line(1, time="soon")])
def test_another_line_of_the_markers_is_said(wrong: str) -> None:
    with pytest.raises(drill.Failed, match=r"^Line 2 of the recorded markers cannot be read"):
        drill.parse_markers(f"{line(1)}\n{wrong}\n")


@given(st.lists(st.integers(1, 30), max_size=12))
def test_reachable_markers_grow_in_number_and_place_and_the_newest_is_one(segments: list[int]) -> None:
    markers = [marker(number, segment) for number, segment in enumerate(segments, 1)]
    found = drill.reachable(markers)
    assert found == sorted(found, key=lambda one: one.number)
    assert [one.point for one in found] == sorted({one.point for one in found})
    assert found[-1:] == markers[-1:]


def test_markers_of_a_time_line_that_was_left_are_not_reachable() -> None:
    markers = [marker(1, 2), marker(2, 5), marker(3, 6), marker(4, 4), marker(5, 7)]
    assert [one.number for one in drill.reachable(markers)] == [1, 4, 5]


def test_the_newest_marker_in_the_repository_is_the_target() -> None:
    markers = [marker(1, 2), marker(2, 9), marker(3, 10)]
    assert drill.choose_marker(markers, backup()).number == 2


def test_the_last_byte_of_the_last_file_is_still_in_the_repository() -> None:
    last, beyond = marker(1, 9, point=10 * SEGMENT), marker(2, 9, point=10 * SEGMENT + 1)
    assert drill.restorable([last, beyond], [backup()]) == [last]


@given(st.integers(1, 20), st.integers(1, 20), st.lists(st.integers(0, 25), min_size=1, max_size=8))
def test_a_target_lies_between_the_backups_end_and_the_repositorys(stop: int, last: int, segments: list[int]) -> None:
    markers = [marker(number, segment) for number, segment in enumerate(sorted(segments), 1)]
    one = backup(stop=stop, last=last)
    try:
        found = drill.choose_marker(markers, one)
    except drill.Failed:
        assert not any(stop <= segment <= last for segment in segments)
    else:
        assert one.stop <= found.lsn
        assert drill.segment_before(found.point) <= last


def test_without_a_marker_it_says_where_the_repository_ends_and_since_when_markers_are_newer() -> None:
    with pytest.raises(drill.Failed) as caught:
        drill.choose_marker([marker(1, 2), marker(2, 7), marker(3, 8)], backup(stop=3, last=5))
    assert str(caught.value) == (
        "Backup 20261128-110000F ends at 0/3000000, and no marker after that can be reached. The repository ends with WAL file "
        "000000010000000000000005; the markers since 2026-11-28T12:02:00Z (number 2) are newer. An old copy of the repository "
        "was put in place of the current one, or WAL is no longer archived."
    )


def test_a_repository_without_wal() -> None:
    with pytest.raises(drill.Failed, match=r"The repository holds no WAL; the markers since .* \(number 1\) are newer"):
        drill.choose_marker([marker(1, 2)], backup(archive_last=""))


TWO = [backup("20261128-090000F", minute=-180), backup("20261128-090000F_20261128-110000I", minute=-60)]


@pytest.mark.parametrize(
    ("label", "minutes", "expected"),
    [
        ("", None, "20261128-090000F_20261128-110000I"),
        ("20261128-090000F", None, "20261128-090000F"),
        ("", -90, "20261128-090000F"),
        ("random", -90, "20261128-090000F"),
        ("random", None, "20261128-090000F"),
    ],
)
def test_the_backup_that_is_chosen(label: str, minutes: int | None, expected: str) -> None:
    to = None if minutes is None else NOON + timedelta(minutes=minutes)
    assert drill.choose_backup(TWO, label, to, lambda fitting: fitting[0]).label == expected


@pytest.mark.parametrize(
    ("backups", "label", "minutes", "said"),
    [
        ([], "", None, "The repository has no backup."),
        (TWO, "20261127-090000F", None, "The repository has no backup 20261127-090000F; there: 20261128-090000F, 2"),
        (TWO, TWO[1].label, -90, f"no backup {TWO[1].label} that ended before 2026-11-28T10:30:00Z; there:"),
        (TWO, "", -300, "No backup ended before 2026-11-28T07:00:00Z; there: 20261128-090000F"),
        (TWO, "random", -300, "No backup ended before"),
    ],
)
def test_there_is_no_such_backup(backups: list[Any], label: str, minutes: int | None, said: str) -> None:
    to = None if minutes is None else NOON + timedelta(minutes=minutes)
    with pytest.raises(drill.Failed) as caught:
        drill.choose_backup(backups, label, to, lambda fitting: fitting[0])
    assert said in str(caught.value)


def test_a_time_can_be_reached_if_the_repository_goes_beyond_it() -> None:
    markers, now = [marker(1, 2), marker(5, 6), marker(9, 12)], NOON + timedelta(minutes=30)
    drill.check_target(NOON + timedelta(minutes=4), now, markers, backup())
    with pytest.raises(
        drill.Failed, match=r"12:05:00Z cannot be reached: the newest marker that can is of .*12:05:00Z"
    ):
        drill.check_target(NOON + timedelta(minutes=5), now, markers, backup())
    with pytest.raises(drill.Failed, match="is still to come"):
        drill.check_target(now + timedelta(seconds=1), now, markers, backup())


@pytest.mark.parametrize(("number", "said"), [(6, ""), (5, "is 5, and the target was marker 6"), (7, "is 7, and the")])
def test_the_newest_marker_is_the_targets(number: int, said: str) -> None:
    check(lambda: drill.judge_marker(number, NOON, marker(6, 3), None, 900), said)


@pytest.mark.parametrize(
    ("number", "minutes", "said"),
    [(6, 6, ""), (7, 7, ""), (5, 5, "older than"), (6, -10, "older than"), (8, 8, "which should end at")],
)
def test_recovery_to_a_time_has_a_marker_shortly_before_it(number: int, minutes: int, said: str) -> None:
    to = NOON + timedelta(minutes=7, seconds=30)
    check(lambda: drill.judge_marker(number, NOON + timedelta(minutes=minutes), marker(6, 3), to, 900), said)


def test_recovery_to_a_time_from_which_no_marker_is_recorded() -> None:
    drill.judge_marker(6, NOON, None, NOON + timedelta(seconds=900), 900)
    with pytest.raises(drill.Failed, match="901 s older"):
        drill.judge_marker(6, NOON, None, NOON + timedelta(seconds=901), 900)


def check(act: Any, said: str) -> None:
    """Check that *act* fails with what is *said*, or not at all where that is nothing."""
    if said:
        with pytest.raises(drill.Failed) as caught:
            act()
        assert said in str(caught.value)
    else:
        act()


# What is promised, and clocks.


def test_the_recovery_point_is_the_age_of_the_newest_marker_that_can_be_restored() -> None:
    markers = [marker(1, 2), marker(2, 9), marker(3, 10)]
    assert drill.judge_point(markers, [backup()], NOON + timedelta(minutes=5), 900) == 180
    assert drill.judge_point(markers, [backup()], NOON, 900) == 0


def test_an_old_copy_of_the_repository_is_told_by_its_end() -> None:
    markers = [marker(number, number) for number in range(1, 60)]
    with pytest.raises(drill.Failed) as caught:
        drill.judge_point(markers, [backup()], NOON + timedelta(minutes=59), 900)
    assert str(caught.value) == (
        "The newest marker that can be restored, number 9, was 3000 s old when the drill began; promised are 900 s. The "
        "repository ends with WAL file 000000010000000000000009; the markers since 2026-11-28T12:10:00Z (number 10) are newer. "
        "An old copy of the repository was put in place of the current one, or WAL is no longer archived."
    )


def test_a_daemon_that_has_stopped_is_told_from_an_old_copy() -> None:
    with pytest.raises(drill.Failed, match="no marker is newer: the ledger's daemon sets none") as caught:
        drill.judge_point([marker(1, 2)], [backup()], NOON + timedelta(hours=1), 900)
    assert "old copy" not in str(caught.value)


def test_no_marker_can_be_restored() -> None:
    with pytest.raises(drill.Failed, match=r"^No marker can be restored\. .* An old copy of the repository"):
        drill.judge_point([marker(1, 20)], [backup()], NOON, 900)


@given(st.integers(-3600, 3600), st.integers(0, 60))
def test_clocks_may_be_half_a_minute_apart(apart: int, later: int) -> None:
    one = marker(1, 2, seen=marker(1, 2).time + timedelta(seconds=apart))
    now = one.seen + timedelta(seconds=later)
    said = f"The clock of this host is off by {apart:+d} s" if abs(apart) > 30 else ""
    check(lambda: drill.judge_clock(one, now, timedelta()), said)


@pytest.mark.parametrize("knew", [True, False])
@pytest.mark.parametrize("offset", [-600, 600])
def test_a_given_offset_counts_whether_the_daemon_knew_of_it_or_not(offset: int, *, knew: bool) -> None:
    wrong = timedelta(seconds=offset)
    one = marker(1, 2)
    if knew:
        one = marker(1, 2, seen=one.seen + wrong)
    with pytest.raises(drill.Failed, match=f"off by {offset:+d} s".replace("+", r"\+")):
        drill.judge_clock(one, NOON + timedelta(minutes=1) + wrong, wrong)


def test_a_marker_in_the_future_is_a_wrong_clock() -> None:
    with pytest.raises(drill.Failed, match=r"Marker 1 is 60 s in the future: the clock of this host is off by -60 s"):
        drill.judge_clock(marker(1, 2), NOON, timedelta())


# What pgBackRest says.


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (
            "ERROR: [029]: raised from local-1 protocol: zst error: [-20] Data corruption detected\n"
            "       [FormatError] on retry after 0ms\n       [FormatError] on retry after 15000ms\n",
            "A file of the backup is damaged in the repository: ERROR: [029]",
        ),
        (
            "WARN: unknown user 'postgres' in backup manifest mapped to current user\n"
            "ERROR: [026]: error restoring '/x/base/5/2838': actual checksum 'a' does not match expected checksum 'b'",
            "A file of the backup is damaged in the repository: ERROR: [026]",
        ),
        ("ERROR: [095]: raised from local-1 protocol: unable to flush", "A file of the backup is damaged"),
        (
            "ERROR: [055]: unable to open missing file '/r/2838.zst' for read",
            "A file of the backup is missing in the rep",
        ),
        (
            "ERROR: [041]: unable to open file '/r/x' for read: [13] Permission denied",
            "This account may not read a file",
        ),
        ("ERROR: [064]: unable to write '/w/x': [28] No space left on device", "There is no room left"),
        (
            "ERROR: [040]: unable to restore to path '/w/data' because it contains files",
            "pgBackRest did not restore: ERROR",
        ),
        ("", "pgBackRest did not restore: it said nothing"),
    ],
)
def test_what_an_error_of_a_restore_means(text: str, meaning: str) -> None:
    assert drill.explain(text).startswith(meaning)


def test_an_error_is_told_without_its_time_tries_and_hints() -> None:
    text = (
        "2026-11-28 01:02:03.456 P00   INFO: restore command begin 2.55\n"
        "2026-11-28 01:02:03.457 P00  ERROR: [055]: raised from local-1 protocol: unable to open\n"
        "                                    missing file [FileMissingError] on retry after 0ms\n"
        "                                    [FileMissingError] on retry after 15000ms [FileMissingError]\n"
        "                                    HINT: has a stanza-create been performed?\n"
    )
    assert drill.own_words(text).startswith("ERROR: [055]: raised from local-1 protocol: unable to open missing file")
    assert drill.own_words(text).endswith("missing file [FileMissingError]")
    assert "2026" not in drill.own_words(text)


@given(st.text(max_size=600))
def test_what_is_told_is_one_short_printable_line(text: str) -> None:
    said = drill.own_words(f"ERROR: [029]: {text}")
    assert said.isprintable()
    assert len(said) <= 300


def listing(code: int = 0, message: str = "ok", **more: Any) -> dict[str, Any]:
    own = {"code": code, "message": message}
    return {
        "name": "main",
        "archive": [
            {"database": {"id": 1, "repo-key": 1}, "id": "15-1", "max": name_of(1, 4), "min": name_of(1, 1)},
            {"database": {"id": 2, "repo-key": 1}, "id": "17-2", "max": name_of(2, 7), "min": name_of(2, 6)},
            {"database": {"id": 2, "repo-key": 2}, "id": "17-2", "max": None, "min": None},
        ],
        "db": [
            {"id": 1, "repo-key": 1, "system-id": 1, "version": "15"},
            {"id": 2, "repo-key": 1, "system-id": 2, "version": "17"},
            {"id": 2, "repo-key": 2, "system-id": 2, "version": "17"},
        ],
        "backup": [listed("20261128-012322F", 2, 1, 1795829007), listed("20261120-012322F", 1, 1, 1795137807)],
        "repo": [{"cipher": "aes-256-cbc", "key": 1, "status": own}],
        "status": {"code": code, "lock": {"backup": {"held": False}}, "message": message},
        **more,
    }


def listed(label: str, database: int, repository: int, stop: int) -> dict[str, Any]:
    return {
        "archive": {"start": name_of(1, 3), "stop": name_of(1, 3)},
        "backrest": {"format": 5, "version": "2.55.1"},
        "database": {"id": database, "repo-key": repository},
        "error": False,
        "info": {"delta": 36321584, "repository": {"delta": 4359408}, "size": 36321584},
        "label": label,
        "lsn": {"start": "0/3000028", "stop": "0/30004D8"},
        "timestamp": {"start": stop - 5, "stop": stop},
        "type": "full",
    }


def test_backups_are_told_with_the_end_of_the_wal_of_their_cluster() -> None:
    entry = drill.judge_listing(json.dumps([listing()]), "main", 1)
    found = drill.parse_backups(entry, 1)
    assert [(one.label, one.version, one.archive_last) for one in found] == [
        ("20261120-012322F", "15", name_of(1, 4)),
        ("20261128-012322F", "17", name_of(2, 7)),
    ]
    assert found[1].stop == 0x30004D8
    assert (found[1].bytes, found[1].stored_bytes, found[1].pgbackrest) == (36321584, 0, "2.55.1")


def test_backups_of_the_other_repository_do_not_count() -> None:
    entry = listing(backup=[listed("20261128-012322F", 2, 2, 1795829007)])
    assert drill.parse_backups(entry, 1) == []
    assert [one.archive_last for one in drill.parse_backups(entry, 2)] == [""]


GARBLED = (
    "[FormatError] unable to load info file '/r/backup.info' or '/r/backup.info.copy':\nFormatError: key/value found"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            json.dumps(
                [listing(99, "[CryptoError] unable to load info file '/r/backup.info':\nCryptoError: unable to flush")]
            ),
            "The escrow copy of the passphrase does not open the repository.",
        ),
        (
            json.dumps([listing(99, f"{GARBLED} outside of section at line 1: q@1")]).replace(
                "q@1", "\x01\x7f\ufffd\t"
            ),
            "The escrow copy of the passphrase does not open the repository.",
        ),
        (json.dumps([listing(2, "no valid backups")]), "Repository 1: no valid backups."),
        (json.dumps([listing(1, "missing stanza path")]), "Repository 1: missing stanza path."),
        ("[]", "Repository 1 has no stanza main."),
        (json.dumps([listing(name="other")]), "Repository 1 has no stanza main."),
        (
            "ERROR: [055]: unable to open missing file '/etc/bordbuch/escrow.conf' for read",
            "pgBackRest told nothing about repository 1: ERROR: [055]: unable to open missing file '/etc/bordbuch/escrow",
        ),
    ],
)
def test_a_repository_is_judged_by_its_json(text: str, said: str) -> None:
    with pytest.raises(drill.Failed) as caught:
        drill.judge_listing(text, "main", 1)
    assert str(caught.value).startswith(said)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("more", "here", "server", "promised", "said"),
    [
        ({}, "2.55.1", "17.6", "17", ""),
        ({}, "2.9", "17.6", "17", "was made by pgBackRest 2.55; here is the older 2.9"),
        ({}, "2.55", "15.18", "17", "is of PostgreSQL 17; here is 15.18"),
        ({}, "2.55", "", "17", "is of PostgreSQL 17; here is none of that version"),
        ({"version": "15"}, "2.55", "15.18", "17", "is of PostgreSQL 15; the configuration says 17"),
        ({"damaged": True}, "2.55", "17.6", "17", "found damaged pages"),
    ],
)
def test_versions(more: dict[str, Any], here: str, server: str, promised: str, said: str) -> None:
    check(lambda: drill.judge_versions(backup(**more), here, server, promised), said)


@pytest.mark.parametrize(
    "made",
    [
        {"labels": {"1": ["a", "b"], "2": ["c"]}, "time": "2026-11-28T01:02:03Z"},
        {"labels": {"a": "2026-11-28T01:02:03Z", "b": "2026-11-28T01:02:03Z"}},
    ],
)
def test_the_hosts_own_notes_of_its_backups(made: dict[str, Any]) -> None:
    assert drill.labels_made(made, 1) == {"a", "b"}
    assert drill.judge_made({"a", "b"}, {"a", "b", "c"}) == "2 backups were made, and all are there"
    with pytest.raises(
        drill.Failed, match=r"^b was made and is not in the repository: an old copy of the repository was put"
    ):
        drill.judge_made({"a", "b"}, {"a"})


def test_room_for_the_copy_and_some_wal() -> None:
    drill.check_room(10**10, 10**9)
    with pytest.raises(drill.Failed, match="The restore needs 1368 MB, and 1100 MB are free"):
        drill.check_room(11 * 10**8, 10**9)


# Recovery.

LOG = """\
2026-11-28 01:09:30.268 GMT [12622] LOG:  starting PostgreSQL 15.18 (Debian 15.18-0+deb12u1)
INFO: unable to find 00000002.history in the archive
2026-11-28 01:09:30.462 GMT [12626] LOG:  starting point-in-time recovery to "bordbuch-1"
INFO: found 000000010000000000000003 in the repo1: 15-1 archive
2026-11-28 01:09:30.552 GMT [12626] LOG:  restored log file "000000010000000000000003" from archive
{}
2026-11-28 01:09:30.582 GMT [12626] LOG:  redo done at 0/3064F98 system usage: CPU: user: 0.00 s, system: 0.00 s
2026-11-28 01:09:30.611 GMT [12642] FATAL:  the database system is not accepting connections
2026-11-28 01:09:30.612 GMT [12626] FATAL:  {}
2026-11-28 01:09:30.613 GMT [12622] LOG:  database system is shut down
"""
ENDED = "recovery ended before configured recovery target was reached"
UNREAD = (
    "ERROR: [042]: unable to get 000000010000000000000004:\n       repo1: 15-1/0-a.zst [CryptoError] unable to flush"
)
DAMAGED = "2026-11-28 01:09:30.57 GMT [1] LOG:  incorrect resource manager data checksum in record at 0/303C8B8"


@pytest.mark.parametrize(
    ("line", "fatal", "said"),
    [
        (
            "INFO: unable to find 000000010000000000000004 in the archive",
            ENDED,
            "A WAL file is missing: 000000010000000000000004. Recovery ended at 0/3064F98, short of its target.",
        ),
        (
            UNREAD,
            ENDED,
            "A WAL file cannot be read: ERROR: [042]: unable to get 000000010000000000000004: repo1: 15-1/0-a.zst [CryptoError] "
            "unable to flush. Recovery ended at 0/3064F98, short of its target.",
        ),
        (
            DAMAGED,
            ENDED,
            "A WAL file is damaged: incorrect resource manager data checksum in record at 0/303C8B8. Recovery ended at "
            "0/3064F98, short of its target.",
        ),
        (
            "2026-11-28 01:09:30.57 GMT [1] LOG:  unexpected pageaddr 0/0 in log segment 000000010000000000000005, offset 65536",
            ENDED,
            "A WAL file is damaged: unexpected pageaddr 0/0 in log segment 000000010000000000000005, offset 65536. Recovery ended "
            "at 0/3064F98, short of its target.",
        ),
        ("", ENDED, "A WAL file is missing or damaged. Recovery ended at 0/3064F98, short of its target."),
        (
            "INFO: unable to find 000000010000000000000002 in the archive",
            "could not locate required checkpoint record",
            "A WAL file is missing: 000000010000000000000002. The backup itself needs it.",
        ),
        (
            "",
            'directory "/srv/space" does not exist',
            'The restored server ended: FATAL:  directory "/srv/space" does not exist',
        ),
    ],
)
def test_why_recovery_did_not_come_to_its_end(line: str, fatal: str, said: str) -> None:
    assert drill.judge_recovery(LOG.format(line, fatal)) == said


def test_a_server_that_said_nothing() -> None:
    assert drill.judge_recovery("") == "The restored server ended: it said nothing"


def test_what_recovery_needs_at_least_is_read_from_the_restored_files() -> None:
    text = "max_connections setting:              150\nmax_prepared_xacts setting:           300\n"
    text += "max_locks_per_xact setting:           64\ntrack_commit_timestamp setting:       off\n"
    found = drill.control_settings(text)
    assert found == {"max_prepared_transactions": "600", "max_locks_per_transaction": "256"}


# What is in the database.


@pytest.mark.parametrize(
    ("before", "after", "faults"),
    [
        ({"t": 0}, {"t": 0}, []),
        ({"t": 1}, {"t": 0}, ["t is empty, and had 1 rows"]),
        ({"t": 99}, {"t": 1}, []),
        ({"t": 100}, {"t": 50}, []),
        ({"t": 100}, {"t": 49}, ["t has 49 rows, and had 100"]),
        ({"t": 100}, {"t": 200}, []),
        ({"t": 100}, {"t": 201}, ["t has 201 rows, and had 100"]),
        ({"t": 0}, {"t": 5000}, []),
        ({"t": 0}, {}, ["t is missing"]),
        ({"session": 500, "cache": 500}, {"session": 0, "cache": 0, "new": 0}, []),
        ({"session": 500}, {}, ["session is missing"]),
    ],
)
def test_rows_within_bounds(before: dict[str, int], after: dict[str, int], faults: list[str]) -> None:
    assert drill.judge_rows(before, after, ["session"], ["cache"]) == faults


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10**6)))
def test_a_copy_that_is_equal_has_no_fault(counts: dict[str, int]) -> None:
    assert drill.judge_rows(counts, counts, [], []) == []


@given(st.integers(1, 10**9))
def test_no_table_with_rows_may_be_empty(before: int) -> None:
    assert drill.judge_rows({"t": before}, {"t": 0}, [], [])


def test_who_is_named_must_be_there() -> None:
    assert drill.judge_names("role", ["b", "a"], ["b", "c"]) == ["role a is missing"]
    assert drill.judge_names("extension", {"a": "1"}, {"a": "2"}) == []


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        ("public.s|10|10|t", True),
        ("public.s|10|11|f", True),
        ("public.s|10|10|f", False),
        ("public.s|10|9|t", False),
        ("public.s||1|f", True),
        ("odd|name|5|4|t", False),
    ],
)
def test_a_sequence_goes_on_behind_its_column(line: str, *, fine: bool) -> None:
    assert (drill.judge_sequences([line]) == []) is fine


def test_a_sequence_is_not_behind_what_it_was() -> None:
    before = {"a": 5, "b": None, "c": 5, "d": 5}
    faults = drill.judge_values(before, {"a": 5, "b": None, "c": 4, "d": None})
    assert faults == ["c is at 4, and was at 5", "d is at None, and was at 5"]


def test_a_difference_from_newer_facts_proves_nothing() -> None:
    drill.settle([], NOON, NOON)
    with pytest.raises(drill.Failed, match=r"^a, b\.$"):
        drill.settle(["a", "b"], NOON, NOON)
    with pytest.raises(drill.Skipped, match="The facts are 60 s newer than the restored marker") as caught:
        drill.settle(["a"], NOON + timedelta(minutes=1), NOON)
    assert not caught.value.by_configuration


def test_not_more_than_a_few_are_named() -> None:
    assert drill.some([*"abc"]) == "a, b, c"
    assert drill.some([*"abcdefg"]) == "a, b, c, d, e and 2 more"


def test_the_last_word_on_a_member_counts_and_deleted_is_final() -> None:
    words = ["locked 4", "unlocked 4", "locked 17", "deleted 17", "unlocked 17", "locked 9~", "locked 5"]
    text = "".join(f"2026-11-28T01:02:03Z {word}\n" for word in words) + "2026-11-28T01:02:03Z locked 8"
    assert drill.final_states(text) == {4: "unlocked", 17: "deleted", 5: "locked"}
    assert drill.final_states("") == {}
    with pytest.raises(drill.Failed, match="Line 1 of the ledger cannot be read"):
        drill.final_states("2026-11-28T01:02:03Z locked anna\n")


# A place that mails nobody.

HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
LOOPBACK = f"{'0' * 31}1 80 {'0' * 32} 00 {'0' * 32} 00000000 00000002 00000000 80200001       lo\n"


def test_a_place_without_a_network_has_no_way_out() -> None:
    assert drill.ways_out(HEADER, LOOPBACK) == set()
    assert drill.ways_out("", "") == set()


def test_any_other_route_is_one() -> None:
    assert drill.ways_out(f"{HEADER}eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", LOOPBACK) == {"eth0"}
    assert drill.ways_out(HEADER, LOOPBACK + LOOPBACK.replace("lo\n", "wg0\n")) == {"wg0"}


def test_the_application_gets_no_program_for_mails_and_no_address_outside() -> None:
    text = drill.application_settings('odd"name', 4711)
    assert 'net.configure_mail{ command = { "/bin/false" } }' in text
    assert r'dbname = "odd\"name"' in text
    assert "config.localhost = true\nconfig.port = 4711\n" in text


# Request, configuration, verdict.


def test_a_request() -> None:
    assert drill.parse_request("{}") == drill.Request("", "", "", 0)
    text = '{"id": "x", "label": "20261128-012322F_20261129-010203D", "to": "2026-11-28T12:00:00Z", "repository": 2}'
    assert drill.parse_request(text).repository == 2
    assert drill.parse_request('{"label": "random"}').label == "random"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be understood"),
        ("[1]", "cannot be understood"),
        ('{"lable": "x"}', "nothing is known of lable"),
        ('{"to": "yesterday"}', "cannot be understood"),
        ('{"label": "../x"}', "'../x' is no label of a backup"),
        ('{"label": "--x"}', "is no label of a backup"),
        ('{"repository": "x"}', "cannot be understood"),
    ],
)
def test_a_request_that_cannot_be_understood(text: str, said: str) -> None:
    with pytest.raises(drill.Failed) as caught:
        drill.parse_request(text)
    assert said in str(caught.value)


SETTINGS: dict[str, Any] = {
    "stanza": "main",
    "repositories": [1, 2],
    "version": "17",
    "database": {"host": "db1", "port": 5432, "name": "liquidfeedback", "user": "bordbuch_watch"},
    "recovery_point_seconds": 900,
    "recovery_time_seconds": 3600,
}


def test_the_configuration() -> None:
    found = drill.parse_settings(json.dumps(SETTINGS))
    assert found.application
    assert (found.repositories, found.may_be_empty) == ((1, 2), ())
    for text in (
        "{",
        "[]",
        json.dumps({**SETTINGS, "database": "x"}),
        json.dumps({**SETTINGS, "stanza": 1, "version": 2})[5:],
    ):
        with pytest.raises(drill.Failed, match="The configuration cannot be understood"):
            drill.parse_settings(text)


@pytest.mark.parametrize("text", ["2026-11-28T12:00:00Z", "2026-11-28T13:00:00+01:00", "2026-11-28 12:00:00"])
def test_a_time_without_an_offset_is_utc(text: str) -> None:
    assert drill.parse_time(text) == NOON


NAMES = ["a", "b", "c"]
states = st.sampled_from(["passed", "failed", "skipped", "skipped by configuration"])


@given(st.lists(states, min_size=3, max_size=3))
def test_the_verdict(ends: list[str]) -> None:
    outcomes = [
        outcome(name, end.split()[0], by_configuration="by" in end) for name, end in zip(NAMES, ends, strict=True)
    ]
    expected = "fail" if "failed" in ends else "partial" if "skipped" in ends else "pass"
    assert drill.verdict(outcomes, NAMES) == expected


@given(st.sets(st.sampled_from(NAMES), max_size=2))
def test_what_was_not_come_to_is_no_pass(done: set[str]) -> None:
    assert drill.verdict([outcome(name) for name in done], NAMES) == "fail"


def test_a_step_waits_for_what_it_needs() -> None:
    step = drill.Step("c", str, ("a", "b"))
    assert drill.missing_need(step, [outcome("a"), outcome("b")]) == ""
    assert drill.missing_need(step, [outcome("a"), outcome("b", "skipped")]) == "b"
    assert drill.missing_need(step, []) == "a"


def test_steps_need_only_steps_before_them() -> None:
    names = [step.name for step in drill.STEPS]
    assert len({*names, drill.CLEAN.name}) == len(names) + 1
    for number, step in enumerate(drill.STEPS):
        assert {*step.needs} <= {*names[:number]}


def test_the_throwaway_server_neither_archives_nor_listens_nor_loads() -> None:
    wanted = {
        "listen_addresses": "",
        "archive_mode": "off",
        "shared_preload_libraries": "",
        "unix_socket_permissions": "0700",
    }
    assert wanted.items() <= drill.SERVER.items()


# The program itself, with a repository that is not there.


@pytest.fixture
def place(tmp_path: Path) -> Any:
    (tmp_path / "state").mkdir()
    (tmp_path / "backup.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    return drill.Paths(
        state=tmp_path / "state",
        configuration=tmp_path / "backup.json",
        escrow=tmp_path / "escrow.conf",
        given=tmp_path / "given-facts.json",
        ledger=tmp_path / "ledger",
        made=tmp_path / "made.json",
        pgbackrest=tmp_path / "pgbackrest",
    )


def start(place: Any, *arguments: str) -> subprocess.Popen[str]:
    """Start a drill in a process of its own, since it takes the signals."""
    text = f"import sys; from pathlib import *; sys.path.insert(0, {str(PROGRAM.parent)!r}); import drill; "
    text += f"sys.exit(drill.main({arguments!r}, drill.{place!r}))"
    command = [sys.executable, "-B", "-c", text]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")


def result(place: Any) -> dict[str, Any]:
    return dict(json.loads(place.result.read_text(encoding="utf-8")))


def test_a_drill_without_a_repository_fails_leaves_nothing_and_tells_all_steps(place: Any) -> None:
    (place.work / "data").mkdir(parents=True)
    process = start(place, str(place.state / "no-request.json"))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "Traceback" not in said
    found = result(place)
    assert found["verdict"] == "fail"
    assert found["promised"] == {"recovery_time_seconds": 3600, "recovery_point_seconds": 900}
    steps = {step["name"]: step for step in found["steps"]}
    assert [*steps] == [step.name for step in (*drill.STEPS, drill.CLEAN)]
    assert "pgbackrest cannot be run: No such file or directory" in steps["look"]["detail"]
    assert steps["restore"] == {
        "name": "restore",
        "state": "skipped",
        "seconds": 0,
        "detail": "not done, because of: target",
    }
    assert steps["clean"]["state"] == "passed"
    assert not place.work.exists()


def test_a_request_that_is_wrong_leaves_a_result(place: Any, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"label": "no"}', encoding="utf-8")
    process = start(place, str(request))
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert result(place)["steps"][0]["detail"] == "'no' is no label of a backup."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_was_started_and_the_place_is_cleaned(place: Any, tmp_path: Path, number: int) -> None:
    stamp = tmp_path / "process"
    place.pgbackrest.write_text(
        f"#!/bin/sh\necho $$ > {stamp}.new\nmv {stamp}.new {stamp}\nexec sleep 100\n", encoding="ascii"
    )
    place.pgbackrest.chmod(0o755)
    process = start(place)
    limit = time.monotonic() + 30
    while not stamp.exists() and time.monotonic() < limit:
        time.sleep(0.02)
    second = start(place)
    said, _ = second.communicate(timeout=30)
    assert "There was no drill: Another drill is running." in said
    assert second.returncode == 1
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1, said
    found = result(place)
    assert found["verdict"] == "fail"
    ends = [(step["name"], step["state"]) for step in found["steps"]]
    assert ends == [("configuration", "passed"), ("look", "failed"), ("clean", "passed")]
    assert found["steps"][1]["detail"] == f"the drill was interrupted ({signal.Signals(number).name})"
    assert not place.work.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(stamp.read_text(encoding="ascii")), 0)
