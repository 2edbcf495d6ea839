"""The program that makes backups on its host: what goes, what is sealed, what waits to be recorded."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.backup import outcome
from tests.unit.conftest import Answering
from tests.unit.factories import NOW
from tests.unit.test_backup import DIFF, FULL, ID, drill_result, info, program, seam

FULLS = st.integers(1, 360).map(lambda day: f"{20260000 + day}-021000F")
RESTS = st.lists(st.tuples(st.sampled_from("DI"), st.integers(0, 9)), max_size=3, unique=True)


@given(st.dictionaries(FULLS, RESTS, max_size=8), st.integers(1, 5), st.randoms())
def test_only_what_belongs_to_an_older_full_backup_goes(fulls: dict[str, Any], keep: int, random: Any) -> None:
    chains = {full: [full, *(f"{full}_20270101-02100{n}{kind}" for kind, n in rest)] for full, rest in fulls.items()}
    labels = [label for chain in chains.values() for label in chain]
    random.shuffle(labels)
    kept = sorted(chains)[-keep:]
    assert {*program.too_old(labels, keep)} == {label for full in chains if full not in kept for label in chains[full]}


def test_the_oldest_chain_goes() -> None:
    old, its, new = "20261101-021000F", "20261101-021000F_20261104-021000D", "20261108-021000F"
    assert program.too_old([new, its, old, FULL, DIFF], 2) == [old, its]
    assert program.too_old([old, its], 1) == []


def test_the_last_proven_backup_stays(answering: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering("runuser", info("20261101-021000F", FULL))
    monkeypatch.setattr(program, "DRILLS", tmp_path)
    program.write(tmp_path / "last.json", json.dumps({"ended": 1, "labels": {"1": "20261101-021000F", "2": FULL}}))
    said = "nothing was let go in repository 1: 20261101-021000F is its last backup that a drill has proven"
    assert program.let_go("main", program.Repository(1, "/nowhere", 1)) == [said]
    assert program.let_go("main", program.Repository(1, "/nowhere", 2)) == []


@pytest.mark.parametrize(
    ("answer", "fault"), [("[]", "repository 1: it has no stanza main"), (info(code=5), "repository 1: not ok")]
)
def test_what_a_repository_says_is_judged_by_its_words(answering: Answering, answer: str, fault: str) -> None:
    answering("runuser", answer)
    with pytest.raises(program.Fault, match=fault):
        program.backups("main", program.Repository(1, "/nowhere", 1))


def test_pgbackrest_is_quoted_with_its_first_error() -> None:
    said = """2026-11-25 23:00:00.123 P00   WARN: it is slow
2026-11-25 23:00:00.124 P01  ERROR: [056]: unable to find primary cluster
                                    where it was
                                    HINT: are all clusters running?
2026-11-25 23:00:00.125 P00  ERROR: [001]: second"""
    assert seam.own_words(said) == "[056]: unable to find primary cluster where it was"
    assert (seam.own_words("\n  something else\nmore"), seam.own_words("")) == ("something else", "")


def test_what_is_never_written_again_is_sealed(tmp_path: Path) -> None:
    half = "20261128-021000F"
    sealed = [
        "archive/main/17-1/0000000100000000/a.zst",
        f"backup/main/{FULL}/backup.manifest",
        f"backup/main/{FULL}/pg/b.zst",
        "backup/main/backup.history/2026/x.manifest.gz",
    ]
    others = [
        "archive/main/archive.info",
        "backup/main/backup.info.copy",
        f"backup/main/{FULL}/c.pgbackrest.tmp",
        "x.lock",
    ]
    others += [f"backup/main/{half}/backup.manifest.copy", f"backup/main/{half}/bundle/1"]  # it failed half way
    for name in [*sealed, *others, "ledger/ledger", "backup/main/y.lock", "not-ours"]:
        program.write(tmp_path / name, "")
    assert sorted(program.files(str(tmp_path))) == [str(tmp_path / name) for name in sealed]


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
