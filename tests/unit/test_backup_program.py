"""The program that makes backups on its host: what goes, what is sealed, what waits to be recorded."""

import json
import re
from pathlib import Path

import pytest

from ops.backup import outcome
from tests.unit.conftest import Answering
from tests.unit.factories import NOW
from tests.unit.pgbackrest_says import said
from tests.unit.test_backup import DIFF, FULL, ID, drill_result, program

STANZA = program.Stanza("main", "pgbackrest")


def test_the_last_proven_backup_stays(answering: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering("runuser", said("20261101-021000F", FULL))
    monkeypatch.setattr(program, "DRILLS", tmp_path)
    program.write(tmp_path / "last.json", json.dumps({"ended": 1, "labels": {"1": "20261101-021000F", "2": FULL}}))
    kept = "nothing was let go in repository 1: 20261101-021000F is its last backup that a drill has proven"
    assert program.let_go(STANZA, program.Repository(1, "/nowhere", 1)) == [kept]
    assert program.let_go(STANZA, program.Repository(1, "/nowhere", 2)) == []


@pytest.mark.parametrize(
    ("answer", "fault"), [("[]", "repository 1: it has no stanza main"), (said(code=5), "repository 1: not ok")]
)
def test_what_a_repository_says_is_judged_by_its_words(answering: Answering, answer: str, fault: str) -> None:
    answering("runuser", answer)
    with pytest.raises(program.Fault, match=fault):
        program.opened(STANZA, program.Repository(1, "/nowhere", 1))


def test_after_a_backup_another_marker_is_waited_for_though_one_is_of_this_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "LEDGER", tmp_path)
    monkeypatch.setattr(program, "systemctl", lambda *_words: None)
    steps = []

    def written(_seconds: float) -> None:
        steps.append("waited")
        program.write(tmp_path / "markers", f'{{"number": 3, "seen": "{program.now()}"}}\n{{"number": 4')
        if len(steps) > 1:
            program.write(tmp_path / "markers", f'{{"number": 4, "seen": "{program.now()}"}}\n')

    written(0)
    monkeypatch.setattr(program.time, "sleep", written)
    monkeypatch.setattr(program.Stanza, "send_wal", lambda _stanza: steps.append("sent"))
    assert program.mark(STANZA) == []
    assert steps == ["waited", "waited", "sent"]


def test_a_request_counts_once(tmp_path: Path) -> None:
    assert program.requested(tmp_path) == ""
    program.write(tmp_path / "request.json", json.dumps({"id": ID}))
    assert (program.requested(tmp_path), program.requested(tmp_path)) == (ID, "")
    assert re.fullmatch(r"2026-11-25-2300-[a-z2-7]{4}", program.new_id(NOW)), "the timer's own is like an asked one's"


def test_a_file_is_written_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "made.json"
    program.write(path, "old")
    program.write(path, "new", 0o600)
    assert ([*path.parent.iterdir()], path.read_text(), path.stat().st_mode & 0o777) == ([path], "new", 0o600)


@pytest.mark.parametrize("verdict", ["pass", "partial", "fail", ""])
def test_only_a_drill_that_has_passed_proves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: str) -> None:
    for name in ("STATE", "DRILLS", "DRILLED"):
        monkeypatch.setattr(program, name, tmp_path / name)
    program.write(program.DRILLS / "last.json", json.dumps({"ended": 1, "labels": {"1": "older", "2": DIFF}}))
    program.write(program.DRILLED, json.dumps(drill_result(verdict, id="")))
    program.write(program.DRILLS / "request.json", json.dumps({"id": ID, "label": ""}))
    assert (program.drilled(), program.drilled()) == (0, 1)
    queued = json.loads((program.STATE / f"queue/{ID}.json").read_text())
    assert (queued["id"], queued["kind"], queued["verdict"]) == (ID, "drill", verdict or "fail")
    assert program.proven() == {"1": FULL if verdict == "pass" else "older", "2": DIFF}


def test_a_drill_that_was_killed_has_failed_and_what_it_did_not_measure_is_no_number() -> None:
    fields = outcome.record_fields("backup1", program.ended_drill(drill_result("", recovery_time_seconds=None)))
    assert (fields["outcome"], fields["detail"]) == ("failed", "the drill itself: it was killed, or had no memory left")
    assert fields["seconds"] == {"drill": 12, "recovery_point": 40}
