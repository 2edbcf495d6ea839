"""What a drill makes of the backups there are, and of what the restored server says."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.drill_world import NOON, backup, check, listing, model, prepare, recovery, seam
from tests.unit.pgbackrest_says import said


@pytest.mark.parametrize(
    ("more", "here", "server", "promised", "why"),
    [
        ({}, "2.55.1", "17.6", "17", ""),
        ({}, "2.9", "17.6", "17", "was made by pgBackRest 2.55; here is the older 2.9"),
        ({}, "2.55", "15.18", "17", "is of PostgreSQL 17; here is 15.18"),
        ({}, "2.55", "", "17", "is of PostgreSQL 17; here is none of that version"),
        ({"version": "15"}, "2.55", "15.18", "17", "is of PostgreSQL 15; the configuration says 17"),
        ({"damaged": True}, "2.55", "17.6", "17", "found damaged pages"),
    ],
)
def test_versions(more: dict[str, Any], here: str, server: str, promised: str, why: str) -> None:
    check(lambda: listing.judge_versions(backup(**more), here, server, promised), why)


CRYPTO = "[CryptoError] unable to load info file '/r/backup.info':\nCryptoError: unable to flush"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            said(code=99, message=CRYPTO),
            "Repository 1, by the escrow copy: the passphrase does not open the repository",
        ),
        (said(code=2, message="no valid backups"), "Repository 1: no valid backups."),
        ("[]", "Repository 1, by the escrow copy: it has no stanza main."),
        ("ERROR: [055]: missing", "Repository 1, by the escrow copy: pgBackRest told nothing of it: [055]: missing."),
    ],
)
def test_a_repository_that_holds_nothing_to_restore_fails_the_drill(
    monkeypatch: pytest.MonkeyPatch, answer: str, words: str
) -> None:
    told = seam.Stanza("main", run=lambda command, _seconds: subprocess.CompletedProcess(command, 0, answer, ""))
    monkeypatch.setattr(prepare, "stanza", lambda _drill: told)
    drill = model.Drill(model.Paths(Path("/nowhere")), NOON, request=model.Request(repository=1))
    with pytest.raises(model.Failed, match=f"^{re.escape(words)}"):
        prepare.listed(drill)


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
