"""What pgBackRest and the restored server say, and what it means."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.drill_world import backup, check, listing, model, name_of, recovery, seam

# What pgBackRest says.


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (
            "ERROR: [029]: raised from local-1 protocol: zst error: [-20] Data corruption detected\n"
            "       [FormatError] on retry after 0ms\n       [FormatError] on retry after 15000ms\n",
            "A file of the backup is damaged in the repository: [029]",
        ),
        (
            "WARN: unknown user 'postgres' in backup manifest mapped to current user\n"
            "ERROR: [026]: error restoring '/x/base/5/2838': actual checksum 'a' does not match expected checksum 'b'",
            "A file of the backup is damaged in the repository: [026]",
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
            "pgBackRest did not restore: [040]",
        ),
        ("", "pgBackRest did not restore: it said nothing"),
    ],
)
def test_what_an_error_of_a_restore_means(text: str, meaning: str) -> None:
    assert recovery.explain(text).startswith(meaning)


def test_an_error_is_told_without_its_time_tries_and_hints() -> None:
    text = (
        "2026-11-28 01:02:03.456 P00   INFO: restore command begin 2.55\n"
        "2026-11-28 01:02:03.457 P00  ERROR: [055]: raised from local-1 protocol: unable to open\n"
        "                                    missing file [FileMissingError] on retry after 0ms\n"
        "                                    [FileMissingError] on retry after 15000ms [FileMissingError]\n"
        "                                    HINT: has a stanza-create been performed?\n"
    )
    assert seam.own_words(text).startswith("[055]: raised from local-1 protocol: unable to open missing file")
    assert seam.own_words(text).endswith("missing file [FileMissingError]")
    assert "2026" not in seam.own_words(text)


@given(st.text(max_size=600))
def test_what_is_told_is_one_short_printable_line(text: str) -> None:
    said = seam.own_words(f"ERROR: [029]: {text}")
    assert said.isprintable()
    assert len(said) <= seam.LONGEST


def printed(code: int = 0, message: str = "ok", **more: Any) -> dict[str, Any]:
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
    entry = listing.judge_listing(json.dumps([printed()]), "main", 1)
    found = listing.parse_backups(entry, 1)
    assert [(one.label, one.version, one.archive_last) for one in found] == [
        ("20261120-012322F", "15", name_of(1, 4)),
        ("20261128-012322F", "17", name_of(2, 7)),
    ]
    assert found[1].stop == 0x30004D8
    assert (found[1].bytes, found[1].stored_bytes, found[1].pgbackrest) == (36321584, 0, "2.55.1")


def test_backups_of_the_other_repository_do_not_count() -> None:
    entry = printed(backup=[listed("20261128-012322F", 2, 2, 1795829007)])
    assert listing.parse_backups(entry, 1) == []
    assert [one.archive_last for one in listing.parse_backups(entry, 2)] == [""]


GARBLED = (
    "[FormatError] unable to load info file '/r/backup.info' or '/r/backup.info.copy':\nFormatError: key/value found"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            json.dumps(
                [printed(99, "[CryptoError] unable to load info file '/r/backup.info':\nCryptoError: unable to flush")]
            ),
            "The escrow copy of the passphrase does not open the repository.",
        ),
        (
            json.dumps([printed(99, f"{GARBLED} outside of section at line 1: q@1")]).replace(
                "q@1", "\x01\x7f\ufffd\t"
            ),
            "The escrow copy of the passphrase does not open the repository.",
        ),
        (json.dumps([printed(2, "no valid backups")]), "Repository 1: no valid backups."),
        (json.dumps([printed(1, "missing stanza path")]), "Repository 1: missing stanza path."),
        ("[]", "Repository 1 has no stanza main."),
        (json.dumps([printed(name="other")]), "Repository 1 has no stanza main."),
        (
            "ERROR: [055]: unable to open missing file '/etc/bordbuch/escrow.conf' for read",
            "pgBackRest told nothing about repository 1: [055]: unable to open missing file '/etc/bordbuch/escrow",
        ),
    ],
)
def test_a_repository_is_judged_by_its_json(text: str, said: str) -> None:
    with pytest.raises(model.Failed) as caught:
        listing.judge_listing(text, "main", 1)
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
    check(lambda: listing.judge_versions(backup(**more), here, server, promised), said)


def test_the_hosts_own_notes_of_its_backups() -> None:
    made = {"labels": {"1": ["a", "b"], "2": ["c"]}, "time": "2026-11-28T01:02:03Z"}
    assert listing.labels_made(made, 1) == {"a", "b"}
    assert listing.labels_made(made, 3) == set()
    assert listing.judge_made({"a", "b"}, {"a", "b", "c"}) == "2 backups were made, and all are there"
    with pytest.raises(
        model.Failed, match=r"^b was made and is not in the repository: an old copy of the repository was put"
    ):
        listing.judge_made({"a", "b"}, {"a"})


def test_room_for_the_copy_and_some_wal() -> None:
    recovery.check_room(10**10, 10**9)
    with pytest.raises(model.Failed, match="The restore needs 1368 MB, and 1100 MB are free"):
        recovery.check_room(11 * 10**8, 10**9)


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
            "A WAL file cannot be read: [042]: unable to get 000000010000000000000004: repo1: 15-1/0-a.zst [CryptoError] "
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
    assert recovery.judge_recovery(LOG.format(line, fatal)) == said


def test_a_server_that_said_nothing() -> None:
    assert recovery.judge_recovery("") == "The restored server ended: it said nothing"


def test_what_recovery_needs_at_least_is_read_from_the_restored_files() -> None:
    text = "max_connections setting:              150\nmax_prepared_xacts setting:           300\n"
    text += "max_locks_per_xact setting:           64\ntrack_commit_timestamp setting:       off\n"
    found = recovery.control_settings(text)
    assert found == {"max_prepared_transactions": "600", "max_locks_per_transaction": "256"}
