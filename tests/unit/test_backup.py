"""Backups, as far as they are decided without a host: what a result says, what is wrong, what goes, what is shown."""

import json
import subprocess
import sys
from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.backup import judge, outcome, show
from ops.backup.facts import Backup, Database, Looked, Place, Repository, Waiting
from ops.backup.look import answers
from ops.backup.procedure import ending
from ops.logbook.model import Check, Event, HostResult, Record
from tests.unit.conftest import Answering
from tests.unit.factories import NOW, load_program
from tests.unit.pgbackrest_says import printed, said, seam

ROOT = Path(__file__).resolve().parents[2]
ID = "2026-11-25-2300-k7xq"
MOMENT = int(NOW.timestamp())
WAL = "000000010000000000000003"
FULL, DIFF = "20261125-021000F", "20261125-021000F_20261125-220000D"
PROMISED = {"promised": {"recovery_point_seconds": 900, "recovery_time_seconds": 3600}}
TIMES = {"started": "2026-11-25T23:00:00Z", "ended": "2026-11-25T23:01:00Z"}


Usage = namedtuple("Usage", "total used free")
program = load_program("roles/backup/files/backup.py")
facts_module = load_program("playbooks/library/backup_facts.py")


def backup(label: str = FULL, **changes: Any) -> Backup:
    fields = {"type": "diff" if "_" in label else "full", "start": MOMENT - 3700, "stop": MOMENT - 3600}
    return Backup(**{"label": label, **fields, "database_bytes": 30_000_000, "stored_bytes": 4_200_000, **changes})


def place(number: int = 1, **changes: Any) -> Place:
    fields = {"number": number, "path": "/var/lib/bordbuch-backup", "kind": "posix", "keep_full": 4}
    told = {"status": "ok", "opens": True, "backups": (backup(),), "archive": {"max": WAL}}
    return Place(**{**fields, **told, "free_bytes": 9_000_000_000, **changes})


def looked(database: dict[str, Any] | None = None, **changes: Any) -> Looked:
    """Return the answers of a site where all is well, but for *changes* of the repository and of the *database*."""
    fields = {
        "version": "2.55-1",
        "postgresql": "17",
        "proven": {"ended": MOMENT - 86400, "labels": {"1": FULL}},
        **PROMISED,
    }
    marker = {"number": 17, "lsn": "0/3000148", "seen": "2026-11-25T22:59:30Z"}
    made = {
        "places": (place(1), place(2)),
        "made": {"1": (FULL,), "2": (FULL,)},
        "marker": marker,
        "watched": MOMENT - 60,
    }
    there = {"version": "2.55-1", "runs": True, "server": 17, "members": 9, "bytes": 30_000_000, **(database or {})}
    repository = Repository(**{**fields, **made, **changes})
    return Looked(repository_host="backup1", repository=repository, databases={"db1": Database(**there)})


SIZES = {0: "0 B", 999: "999 B", 1000: "1.0 kB", 30_000_000: "30 MB", 1_500_000_000: "1.5 GB", 2 * 10**15: "2000.0 TB"}
SPANS = {0: "0 s", 119: "119 s", 120: "2 min", 7199: "119 min", 7200: "2 h", 259_199: "71 h", 259_200: "3 days"}


def test_sizes_and_spans_as_a_person_reads_them() -> None:
    assert {count: outcome.size(count) for count in SIZES} == SIZES
    assert {seconds: judge.span(seconds) for seconds in SPANS} == SPANS


def backup_result(**changes: Any) -> dict[str, Any]:
    """Return a result as the program on the host writes it."""
    row = {"label": DIFF, "type": "diff", "seconds": 15, "database_bytes": 30_000_000, "stored_bytes": 4_200_000}
    fields = {"id": ID, "type": "incr", "by": "timer", "ok": True, **TIMES}
    return vars(program.Result(**{**fields, "repositories": [{"repository": n, **row} for n in (1, 2)], **changes}))


def drill_result(verdict: str = "pass", state: str = "passed", **changes: Any) -> dict[str, Any]:
    steps = [
        {"name": "restore", "state": "passed", "seconds": 7, "detail": "30 MB"},
        {"name": "application", "state": state, "seconds": 5, "detail": "it is not installed"},
    ]
    told = {"label": FULL, "target": "bordbuch-17", "recovery_time_seconds": 12, "recovery_point_seconds": 40}
    fields = {"id": ID, "kind": "drill", "verdict": verdict, "repository": 1, "steps": steps}
    return {**fields, **PROMISED, **TIMES, **told, **changes}


def test_a_backup_that_was_made() -> None:
    detail = f"{DIFF}, diff, 4.2 MB stored of 30 MB"
    checks = tuple(Check(name=f"backup in repository {n}", passed=True, detail=detail) for n in (1, 2))
    assert outcome.record_fields("backup1", backup_result(warnings=["no marker"])) == {
        "kind": "backup",
        "outcome": "verified",
        "started": datetime(2026, 11, 25, 23, 0, tzinfo=UTC),
        "ended": datetime(2026, 11, 25, 23, 1, tzinfo=UTC),
        "hosts": {"backup1": HostResult(state="verified", checks=checks)},
        "detail": f"backup {DIFF}, {DIFF}",
        "seconds": {"backup": 30},
        "follow_up": ("no marker",),
    }


def test_a_backup_that_came_into_one_place_only_has_failed() -> None:
    result = backup_result(ok=False, reason="no room")
    fields = outcome.record_fields("backup1", {**result, "repositories": result["repositories"][:1]})
    checks = (Check(name="backup in repository 1", passed=True, detail=f"{DIFF}, diff, 4.2 MB stored of 30 MB"),)
    assert fields["hosts"] == {"backup1": HostResult(state="failed", reason="no room", checks=checks)}
    assert (fields["outcome"], fields["detail"]) == ("failed", "no room")


SENTENCE = (
    f"backup {FULL} up to bordbuch-17; nothing later than 40 s before the drill was lost (promised 900), "
    "and the restored server answered after 12 s (promised 3600)"
)
NOT_PROVEN = ("not proven: application, it is not installed",)


@pytest.mark.parametrize(
    ("verdict", "state", "ended", "detail", "follow_up"),
    [
        ("pass", "passed", "verified", f"pass: {SENTENCE}", ()),
        ("partial", "skipped", "verified", f"partial: {SENTENCE}", NOT_PROVEN),
        ("fail", "failed", "failed", "application: it is not installed", ()),
    ],
)
def test_a_drill(verdict: str, state: str, ended: str, detail: str, follow_up: tuple[str, ...]) -> None:
    fields = outcome.record_fields("backup1", drill_result(verdict, state))
    host = fields["hosts"]["backup1"]
    assert (fields["outcome"], fields["detail"], fields["follow_up"]) == (ended, detail, follow_up)
    assert (host.state, host.reason) == (ended, "" if ended == "verified" else detail)
    assert [check.passed for check in host.checks] == [True, state != "failed"]
    assert fields["seconds"] == {"drill": 12, "recovery_time": 12, "recovery_point": 40}


def event(action: str, status: str = "ok", host: str = "backup1", **data: Any) -> Event:
    return Event(time=NOW, type="result", task="Look", action=action, host=host, status=status, data=data)


def test_the_result_completes_the_record_of_a_change() -> None:
    events = (event("setup", places=()), event("backup_run", "failed"), event("backup_run", **backup_result()))
    assert ending("backup")(events[:2]) == {"kind": "backup"}
    told = ending("backup")(events)
    assert {*told} == {"kind", "hosts", "detail", "seconds", "follow_up", "outcome"}
    assert (told["kind"], told["outcome"], [*told["hosts"]]) == ("backup", "verified", ["backup1"])


def test_every_host_is_known_or_silent() -> None:
    whole = looked()
    assert whole.repository
    events = [
        Event(time=NOW, type="play"),
        event("backup_facts", "skipped", "app1"),
        event("backup_facts", **whole.repository.model_dump(mode="json")),
        event("backup_facts", host="db1", **whole.databases["db1"].model_dump(mode="json")),
        event("backup_facts", "unreachable", "db2"),
        event("backup_facts", "failed", "db3"),
        event("backup_facts", host="db4", runs="perhaps"),
    ]
    seen = answers(events, {"db3": "no such file"})
    silent = {"db2": "did not answer", "db3": "no such file", "db4": "its answer cannot be read"}
    assert seen == whole.model_copy(update={"silent": silent})


def test_what_the_module_tells_is_what_the_controller_reads(
    answering: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering("runuser", said(FULL, DIFF))
    answering("systemctl", "bordbuch-backup@full.service loaded activating start Backup")
    for name in ("CONFIGURATION", "STATE", "MARKERS", "DRILL"):
        monkeypatch.setattr(facts_module, name, tmp_path / name)
    places = [{"number": 1, "path": str(tmp_path), "kind": "posix", "keep_full": 4}]
    settings = {"stanza": "main", "version": "17", "places": places, **PROMISED["promised"]}
    program.write(tmp_path / "CONFIGURATION", json.dumps(settings))
    for name in ("one", "two"):
        program.write(tmp_path / f"STATE/queue/{name}.json", json.dumps(backup_result()))
    told = Repository(**facts_module.repository({"collected": ["two", "none"], "whole": False}))
    assert [one.label for one in told.places[0].backups] == [FULL, DIFF]
    assert told.places[0].archive == {"min": WAL, "max": WAL}
    assert (told.running, told.queue) == (
        ("bordbuch-backup@full.service",),
        (Waiting(text=json.dumps(backup_result()), signature=""),),
    )
    answering("runuser", json.dumps({"server": 17, "databases": ["other"], "archived": 5}))
    database = Database(**facts_module.database({"database": "liquidfeedback"}))
    assert (database.runs, database.server, database.members, database.archived) == (True, 17, 0, 5)
    answering("runuser", "", 2)
    assert not Database(**facts_module.database({"database": "liquidfeedback"})).runs


def test_a_repository_that_its_passphrase_does_not_open_says_so_and_shows_no_bytes_of_it(answering: Answering) -> None:
    message = "[FormatError] unable to load info file\nFormatError: key/value found at line 1: O\x07t\x1f"
    answering("runuser", json.dumps([printed(code=99, message=message)]))
    stanza = seam.Stanza("main", "pgbackrest")
    told = facts_module.place(stanza, {"number": 1, "path": "/", "kind": "posix", "keep_full": 4})
    assert told["status"].startswith("the passphrase does not open the repository, or it is damaged: [FormatError]")
    assert "\x07" not in told["status"]
    assert not told["opens"]


def test_a_host_with_programs_of_an_earlier_release_is_told_to_run_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    for found in (ModuleType("bordbuch_pgbackrest"), None):
        monkeypatch.setitem(sys.modules, "bordbuch_pgbackrest", found)
        with pytest.raises(OSError, match=r"there is no .*bordbuch_pgbackrest.py as it is now: run the role backup"):
            facts_module.reached({"stanza": "main"})


def test_a_failed_backup_names_the_place_that_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [program.Repository(1, str(tmp_path), 4), program.Repository(2, "/bordbuch", 4, "sftp")]
    monkeypatch.setattr(program.shutil, "disk_usage", lambda _path: Usage(0, 0, 3 << 20))
    assert program.room(places) == f"; only 3 MB are left for {tmp_path}"
    monkeypatch.setattr(program.shutil, "disk_usage", lambda _path: Usage(0, 0, 1 << 30))
    assert program.room(places) == ""


def test_a_database_without_the_applications_tables_has_no_members(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(there: str, count: str, code: int = 0) -> None:
        def run(*command: str) -> subprocess.CompletedProcess[str]:
            asks = command[-1] == facts_module.MEMBERS
            return subprocess.CompletedProcess(command, code if asks else 0, count if asks else there)

        monkeypatch.setattr(facts_module, "run", run)

    for there, count, code, expected in (("f", "", 1, 0), ("t", "7", 0, 7), ("t", "", 1, -1)):
        answer(there, count, code)
        assert facts_module.members("liquidfeedback") == expected


def test_a_marker_that_was_cut_short_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "markers"
    monkeypatch.setattr(facts_module, "MARKERS", path)
    monkeypatch.setattr(program, "LEDGER", tmp_path)
    assert (facts_module.newest_marker(), program.newest_marker()) == ({}, "")
    path.write_text('{"number": 1, "seen": "a"}\n{"number": 2, "seen": "b"}\n')
    assert (facts_module.newest_marker(), program.newest_marker()) == (
        {"number": 2, "seen": "b"},
        '{"number": 2, "seen": "b"}',
    )
    path.write_text('{"number": 1, "seen": "a"}\n{"number": 2, "se')
    assert (facts_module.newest_marker(), program.newest_marker()) == (
        {"number": 1, "seen": "a"},
        '{"number": 1, "seen": "a"}',
    )


def runs(place: int, *hours: int) -> tuple[Backup, ...]:
    """Return the backups that a *place* got: of one run, each place gets its own after those with lower numbers."""
    return tuple(backup(start=3600 * hour + 60 * place, stop=3600 * hour + 60 * place + 50) for hour in hours)


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        ((1, 2, 3), (1, 2, 3), (3, 3)),
        ((1, 2, 3), (3,), (1, 1)),
        ((1, 2, 3), (2, 3), (2, 2)),
        ((2, 3), (1, 2, 3), (2, 2)),
        ((1, 2, 3), (1, 3), (3, 2)),
        ((1, 3), (1, 2, 3), (2, 3)),
        ((2, 4), (1, 2, 3, 4), (2, 3)),
        ((1, 2, 3, 4), (2, 3), (3, 2)),
        ((1, 2), (), (2, 0)),
    ],
)
def test_places_are_compared_since_both_have_backups(
    first: tuple[int, ...], second: tuple[int, ...], counts: tuple[int, int]
) -> None:
    one, other = place(1, backups=runs(1, *first)), place(2, backups=runs(2, *second))
    assert (judge.as_many(one, other), judge.as_many(other, one)) == counts


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("pgBackRest is not installed here and 2.55-1 on backup1", {"database": {"version": ""}}),
        ("PostgreSQL is 15 here; drills on backup1 start 17", {"database": {"server": 15}}),
        ("PostgreSQL does not answer", {"database": {"runs": False}}),
        ("archiving fails: the last failure came after the last success", {"database": {"last_failed": 1}}),
        ("4 WAL files wait to be archived", {"database": {"ready": 4}}),
        ("repository 1: not ok", {"places": (place(status="not ok", backups=()),)}),
        ("repository 1: the newest backup is 26 h old", {"places": (place(backups=(backup(stop=MOMENT - 93_601),)),)}),
        (f"repository 1: {FULL} holds damaged pages", {"places": (place(backups=(backup(error=True),)),)}),
        (f"repository 1: backup {DIFF} was made and is not there", {"made": {"1": (FULL, DIFF)}}),
        ("repository 1: a file is not whole", {"places": (place(fault="a file is not whole"),)}),
        (
            "repository 2 has 2 backups, repository 1 1 of the same time",
            {"places": (place(), place(2, backups=(backup(),) * 2))},
        ),
        (f"repository 2 ends with WAL none, repository 1 with {WAL}", {"places": (place(), place(2, archive={}))}),
        ("the ledger has written no marker yet", {"marker": {}}),
        ("the ledger has written no marker for 301 s", {"marker": {"lsn": "0/1", "seen": "2026-11-25T22:54:59Z"}}),
        ("no drill has passed yet", {"proven": {}}),
        ("no drill has passed in the last nine days", {"proven": {"ended": MOMENT - 777_601}}),
        ("a WAL file that was sent did not arrive: timeout", {"sent": "timeout"}),
    ],
)
def test_one_thing_that_is_wrong_is_one_finding(what: str, changes: dict[str, Any]) -> None:
    host = "db1" if "database" in changes else "backup1"
    assert [(one.host, one.what) for one in judge.findings(looked(**changes), NOW)] == [(host, what)]


def test_where_all_is_well_nothing_is_found_and_what_is_silent_is_said() -> None:
    assert judge.findings(looked(), NOW) == []
    for seen in (looked().model_copy(update={"silent": {"db2": "no answer"}}), Looked(silent={"db2": "no answer"})):
        assert [(one.host, one.what) for one in judge.findings(seen, NOW)] == [("db2", "no answer")]


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        (WAL, WAL, False),
        ("0000000100000000000000FF", "000000010000000100000002", False),
        ("0000000100000000000000FF", "000000010000000100000003", True),
        ("000000010000000100000003", "0000000100000000000000FF", True),
        ("000000010000000000000007", "000000020000000000000007", True),
        ("", WAL, True),
        ("", "", False),
    ],
)
def test_a_few_wal_files_may_be_on_their_way_to_one_of_two_repositories(one: str, other: str, apart: bool) -> None:
    assert judge.apart(one, other) is apart


def test_repositories_are_compared_at_one_time_though_reading_their_files_takes_hours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        facts_module,
        "place",
        lambda _, entry: asked.append(f"place {entry}") or {"number": entry, "backups": [1] * (entry < 3)},
    )
    monkeypatch.setattr(facts_module, "verify", lambda _, number: asked.append(f"verify {number}") or "damaged")
    told = facts_module.places({"stanza": "main", "places": [1, 2, 3]}, True)
    assert asked == ["place 1", "place 2", "place 3", "verify 1", "verify 2"]
    assert [one["fault"] for one in told] == ["damaged", "damaged", ""]


NAMES = {"0/3000148": "0000000000000003", "1A/FF000000": "0000001A000000FF", "1/FFFFFF": "0000000100000000"}


def test_the_wal_file_of_a_position() -> None:
    assert {lsn: judge.segment(lsn) for lsn in NAMES} == NAMES


@given(st.integers(0, 2**32 - 1), st.integers(8, 250), st.integers(-2, 8), st.sampled_from([0, 900, 901, 9000]))
def test_wal_is_late_by_its_age_or_by_files_at_once(high: int, need: int, behind: int, age: int) -> None:
    marker = {"lsn": f"{high:X}/{need:X}000148", "seen": f"{datetime.fromtimestamp(MOMENT - age, UTC):%FT%TZ}"}
    one = place(archive={"max": f"{7:08X}{high:08X}{need - behind:08X}"})
    seen = looked(marker=marker).repository
    assert seen
    late = behind > 4 or (behind > 0 and age > 900)
    assert len([*judge.continuity("backup1", seen, one, MOMENT)]) == late


def test_backups_are_listed_with_the_newest_first() -> None:
    seen = looked(places=(place(backups=(backup(), backup(DIFF, error=True))), place(2)))
    rest = ("2026-11-25 22:00:00 UTC", "30 MB", "4.2 MB")
    rows = [
        ("1", DIFF, "diff", *rest, "damaged"),
        ("1", FULL, "full", *rest, "proven by a drill"),
        ("2", FULL, "full", *rest, ""),
    ]
    assert (show.list_rows(seen), show.list_rows(Looked())) == (rows, [])


def test_what_a_backup_would_do() -> None:
    seen = looked(places=(place(), place(2, kind="sftp", path="/b", backups=(), free_bytes=None)))
    here = ("1", "backup1:/var/lib/bordbuch-backup")
    first = ("2", "sftp:/b", "full", "under 30 MB", "0 backups", "none yet", "", "")
    rest = ("1 backups", "full, 60 min ago", "9.0 GB", "")
    assert show.plan_rows(seen, "incr", NOW) == [(*here, "incr", "under 30 MB", *rest), first]
    assert show.plan_rows(seen, "full", NOW) == [(*here, "full", "as the last: 4.2 MB", *rest), first]


def drilled(number: int, seconds: int, state: str = "passed", verdict: str = "pass") -> Record:
    """Return the record of a drill, as it is made from its result."""
    steps = [{"name": "restore", "state": state, "seconds": seconds, "detail": "30 MB"}]
    who = {"category": "standard", "reason": "x", "requester": "anna", "operator": "anna", "controller": "x"}
    fields = outcome.record_fields("backup1", drill_result(verdict, steps=steps))
    return Record(id=f"2026-11-25-230{number}-k7xq", digest=None, **who, **fields)


def test_drills_are_listed_with_the_newest_first_and_the_longest_bar_for_the_longest() -> None:
    records = [drilled(1, 240), drilled(2, 60, "skipped", "partial"), drilled(3, 1, "failed", "fail")]
    assert [row[1:5] for row in show.history_rows([*records, records[0].model_copy(update={"kind": "patch"})])] == [
        ("fail", "1 s", "█", "40 s"),
        ("partial", "60 s", "██████", "40 s"),
        ("pass", "240 s", "████████████████████████", "40 s"),
    ]
    shown = [("passed", "30 MB"), ("skipped", "skipped: 30 MB"), ("FAILED", "30 MB")]
    assert [row[1:] for record in records for row in show.steps_rows(record)] == shown
