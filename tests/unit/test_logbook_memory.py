"""An audit that goes on from what it remembers judges only what is new, and finds all that one from the beginning finds.

`World.audit` makes both and compares them, so every test of tampering in this folder is one of this, too.
"""

import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.logbook import memory, walk
from ops.logbook.judge import APPROVAL_RULES
from ops.logbook.repository import Logbook
from ops.logbook.verify import Audit, audit
from tests.bench.logbook import make_logbook
from tests.unit.logbook_world import (
    ID,
    NOW,
    World,
    change,
    events,
    file_bytes,
    forge,
    path,
    record_change,
    run,
    take,
    with_page,
)

OTHER = "2026-11-25-2301-aaaa"
THIRD = "2026-11-25-2302-bbbb"


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("remembered"))
    record_change(world)
    assert world.audit().good
    return world


@pytest.fixture
def world(remembered: World, tmp_path: Path) -> World:
    copy = remembered.copy(tmp_path / "copy")
    copy.clone()
    return copy


def warm(world: World, **how: object) -> Audit:
    return audit(world.clone(), world.operators, **{"now": NOW, **how})  # type: ignore[arg-type]  # names of its parameters


def whats(world: World, now: datetime = NOW) -> str:
    return "\n".join(f"{finding.path}: {finding.what}" for finding in world.audit(now=now).findings)


def numbers(found: Audit) -> tuple[bool, int, int, int, int]:
    return found.good, found.judged, found.commits, found.changes, found.off_host


def test_only_what_is_new_is_judged(world: World) -> None:
    assert numbers(warm(world)) == (True, 0, 5, 1, 5)
    record_change(world, change(OTHER), OTHER)
    assert numbers(warm(world)) == (True, 5, 10, 2, 10)
    assert numbers(warm(world)) == (True, 0, 10, 2, 10)
    assert numbers(warm(world, cold=True)) == (True, 10, 10, 2, 10)


def test_what_is_not_yet_off_host_is_judged_again_with_its_receipt(world: World) -> None:
    logbook = world.clone()
    logbook.add({path("plan.json", OTHER): file_bytes(change(OTHER)["plan.json"])}, "x")
    assert [numbers(warm(world)) for _ in range(2)] == [(True, 1, 6, 2, 5)] * 2
    logbook.push()
    assert [numbers(warm(world)) for _ in range(2)] == [(True, 1, 6, 2, 6), (True, 0, 6, 2, 6)]
    ended = world.with_keys(anna={"valid_until": "2026-01-31"})
    assert len(world.audit(ended).findings) >= 6


def test_a_change_that_was_unfinished_goes_on(world: World) -> None:
    phases = change(OTHER, category="normal", by="bert")
    logbook = world.clone()
    logbook.add({path("plan.json", OTHER): file_bytes(phases["plan.json"])}, "x")
    logbook.push()
    assert numbers(warm(world)) == (True, 1, 6, 2, 6)
    world.clone("bert").add({path("approval.json", OTHER): file_bytes(phases["approval.json"])}, "x")
    logbook.add({path("start-1.json", OTHER): file_bytes(phases["start-1.json"])}, "x")
    logbook.push()
    assert numbers(warm(world)) == (True, 2, 8, 2, 8)
    logbook.add({path("events-1.jsonl", OTHER): events()}, "x")
    logbook.add(with_page(OTHER, phases), "x")
    logbook.push()
    assert numbers(warm(world)) == (True, 2, 10, 2, 10)


def test_an_approval_that_does_not_fit_what_was_remembered_is_found(world: World) -> None:
    phases = change(OTHER, category="normal", by="bert")
    world.clone().add({path("plan.json", OTHER): file_bytes(phases["plan.json"])}, "x")
    world.clone().push()
    assert world.audit().good
    own = phases["approval.json"].model_copy(update={"by": "anna"})
    world.clone().add({path("approval.json", OTHER): file_bytes(own)}, "x")
    assert "anna allowed what anna asked for" in whats(world)


def test_a_change_that_had_ended_and_is_touched_again_is_found(world: World) -> None:
    late = change()["start-1.json"].model_copy(update={"run": 2})
    world.clone().add({path("start-2.json"): file_bytes(late)}, "x")
    world.clone().push()
    assert "start-2.json: came after record.json" in whats(world)


def test_an_approval_becomes_overdue_without_anything_new(world: World) -> None:
    owed = {"approver": None, "approval_owed_until": NOW + timedelta(hours=24)}
    phases = {name: phase for name, phase in change(OTHER, category="emergency").items() if name != "approval.json"}
    record_change(world, {**phases, "record.json": phases["record.json"].model_copy(update=owed)}, OTHER)
    assert world.audit().good
    assert numbers(warm(world)) == (True, 0, 9, 2, 9)
    assert "more than 24 h" in whats(world, NOW + timedelta(hours=25))
    world.clone("bert").add(
        {path("approval.json", OTHER): file_bytes(change(OTHER, category="emergency", by="bert")["approval.json"])}, "x"
    )
    world.clone("bert").push()
    assert whats(world, NOW + timedelta(hours=25)) == ""
    assert warm(world, now=NOW + timedelta(hours=25)).judged == 0


def other_program(world: World, patch: pytest.MonkeyPatch) -> dict[str, object]:
    patch.setattr(memory, "__file__", str(world.folder / "ops" / "x.py"))
    return {}


def without_memory(world: World, _patch: pytest.MonkeyPatch) -> dict[str, object]:
    (world.folder / "clone" / ".git" / memory.FILE).unlink()
    return {}


def broken_memory(world: World, _patch: pytest.MonkeyPatch) -> dict[str, object]:
    (world.folder / "clone" / ".git" / memory.FILE).write_text("{}{")
    return {}


JUDGED_ANEW: dict[str, Callable[[World, pytest.MonkeyPatch], dict[str, object]]] = {
    "other operators": lambda world, _: {"operators": world.with_keys(dora={"valid_until": "2027-01-01"})},
    "other rules": lambda _world, _: {"rules": {**APPROVAL_RULES, "emergency": "operator"}},
    "another program": other_program,
    "no memory": without_memory,
    "broken memory": broken_memory,
}


@pytest.mark.parametrize("case", JUDGED_ANEW)
def test_all_is_judged_anew_where_something_else_counts(
    world: World, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    assert warm(world).judged == 0
    how = JUDGED_ANEW[case](world, monkeypatch)
    operators = how.pop("operators", world.operators)
    assert audit(world.clone(), operators, now=NOW, **how).judged == 5  # type: ignore[arg-type]  # names of its parameters
    assert audit(world.clone(), operators, now=NOW, **how).judged == 0  # type: ignore[arg-type]  # as above


def test_a_memory_of_another_history_does_not_help(world: World, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other")
    for name in ("anna", "bert", "carl", "dora"):
        for end in ("", ".pub"):
            shutil.copy(world.folder / f"{name}{end}", other.folder / f"{name}{end}")
    other = World(other.folder)
    other.trust(other.operators)
    record_change(other, change(OTHER), OTHER)
    shutil.copy(world.folder / "clone" / ".git" / memory.FILE, other.folder / "clone" / ".git" / memory.FILE)
    take(other, forge(other, {path("record.json", OTHER): b"{}"}))
    assert "modifies a file" in "\n".join(one.what for one in warm(other).findings)


def test_the_clone_that_became_shorter_is_judged_anew(world: World) -> None:
    run(world.folder / "clone", "update-ref", "refs/heads/main", "main~2")
    run(world.folder / "clone", "reset", "--hard", "--quiet")
    assert warm(world).judged == 5


@pytest.mark.parametrize("mark", ["--skip-worktree", "--assume-unchanged"])
def test_marks_in_the_clones_index_hide_nothing(world: World, mark: str) -> None:
    run(world.folder / "clone", "update-index", mark, path("page.md"))
    (world.folder / "clone" / path("page.md")).write_text("all is well\n")
    assert f"{path('page.md')}: differs in the work tree" in whats(world)


def test_a_page_edited_with_its_size_and_time_kept_is_found(world: World) -> None:
    page = world.folder / "clone" / path("page.md")
    assert world.audit().good
    was = page.stat()
    time.sleep(1.1)  # git compares the time of the inode to the second, which is the file's own beginning here
    page.write_bytes(page.read_bytes().replace(b"app1", b"app2"))
    os.utime(page, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert page.stat().st_size == was.st_size
    assert "page.md: differs in the work tree" in whats(world)


def test_files_that_git_was_told_to_ignore_are_found(world: World) -> None:
    (world.folder / "clone" / ".git" / "info" / "exclude").write_text("*.txt\n")
    (world.folder / "clone" / path("more.txt")).write_text("x")
    assert f"{path('more.txt')}: differs in the work tree" in whats(world)


def test_history_that_git_was_told_to_hide_is_found(world: World) -> None:
    (world.folder / "clone" / ".git" / "info" / "grafts").write_text(
        run(world.folder / "clone", "rev-parse", "main") + "\n"
    )
    said = whats(world)
    assert ".git/info/grafts, which hides history" in said
    assert "which git does not show" in said


def test_receipts_that_go_back_or_are_out_of_time_are_found(world: World) -> None:
    head, before = (run(world.folder / "clone", "rev-parse", name) for name in ("main", "main~1"))
    kept = (world.server / "receipts").read_text()
    for line, words in (
        (f"2027-01-01T00:00:00Z anna {head} {before}\n", "a receipt goes back in the history"),
        (f"2020-01-01T00:00:00Z anna {head} {head}\n", "not in the order of their times"),
        (f"2027-02-31T00:00:00Z anna {head} {head}\n", "of the receipts is none"),
    ):
        (world.server / "receipts").write_text(kept + line)
        assert words in whats(world)


def test_a_logbook_of_one_machine_is_remembered_too(world: World) -> None:
    logbook = Logbook.open(world.folder / "alone", "", world.clone().signer, world.operators.allowed_signers())
    logbook.add({path("plan.json", OTHER): file_bytes(change(OTHER)["plan.json"])}, "x")
    assert [audit(logbook, world.operators).judged for _ in range(2)] == [1, 0]


def test_while_the_remote_is_away_nothing_is_remembered(world: World) -> None:
    (world.folder / "clone" / ".git" / memory.FILE).unlink()
    (world.server / "logbook.git").rename(world.folder / "away")
    assert [warm(world).judged for _ in range(2)] == [5, 5]


def test_findings_of_before_a_day_are_counted(world: World) -> None:
    take(world, forge(world, {"README.md": b""}, date="2026-11-01T00:00:00Z"))
    all_of_them = warm(world)
    assert {one.commit for one in all_of_them.findings} == {run(world.folder / "clone", "rev-parse", "main")}
    later = warm(world, since=datetime(2026, 11, 2, tzinfo=UTC))
    assert (later.findings, later.earlier) == ((), len(all_of_them.findings))
    assert warm(world, since=datetime(2026, 10, 31, tzinfo=UTC)).findings == all_of_them.findings
    (world.folder / "clone" / "extra").write_text("x")
    assert [one.rule for one in warm(world, since=datetime(2026, 11, 2, tzinfo=UTC)).findings] == ["clone"]


def test_several_processes_find_what_one_finds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    record_change(world, change(OTHER), OTHER)
    take(world, forge(world, {path("plan.json", THIRD): file_bytes(change(ID)["plan.json"])}))
    one = warm(world, cold=True)
    monkeypatch.setattr(walk, "MANY", 1)
    monkeypatch.setattr(walk, "PART", 2)
    assert warm(world, cold=True) == one
    assert "was copied" in "\n".join(finding.what for finding in one.findings)


def test_the_generated_logbook_is_good_and_the_same_each_time(tmp_path: Path) -> None:
    made = [make_logbook(tmp_path / name, changes=60, hosts=12, seed=3) for name in ("one", "two")]
    found = audit(made[0].clone(), made[0].operators)
    assert (found.findings, found.changes, found.not_off_host) == ((), 60, 0)
    assert made[0].clone().head() == made[1].clone().head()
    kinds = {files.record.kind for files in made[0].clone().read_all() if files.record}
    assert kinds >= {"patch", "backup", "drill"}
