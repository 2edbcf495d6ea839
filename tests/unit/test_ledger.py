"""Who is locked or deleted stays so: the ledger says what the database said, and a restore is told nothing else."""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "roles/backup/files"
TIME = "2026-11-28T01:02:03Z"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("replay", FILES / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module, path = importlib.util.module_from_spec(spec), [*sys.path]
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


replay = load()
ledger = replay.ledger

members = st.integers(1, 12) | st.integers(1, 2**31 - 1)
entries = st.lists(st.tuples(members, st.sampled_from(["locked", "unlocked", "deleted"])), max_size=30)
answers = st.fixed_dictionaries({"locked": st.lists(members), "deleted": st.lists(members)})


def text(said: list[tuple[int, str]]) -> bytes:
    return "".join(f"{TIME} {word} {member}\n" for member, word in said).encode()


def marker_line(number: int, highest: int = 9) -> str:
    return json.dumps(
        {"number": number, "time": TIME, "lsn": "0/1", "point_lsn": "0/2", "seen": TIME, "highest": highest}
    )


@given(entries, answers)
def test_the_ledger_says_what_the_database_said_and_deleted_is_for_good(
    said: list[tuple[int, str]], answer: dict[str, list[int]]
) -> None:
    before = ledger.states(text(said))
    after = ledger.states(text(said) + text([*ledger.difference(before, answer).items()]))
    for member in {*before, *answer["locked"], *answer["deleted"]}:
        if before.get(member) == "deleted" or member in answer["deleted"]:
            assert after[member] == "deleted"
        else:
            assert (after[member] == "locked") is (member in answer["locked"])
    assert ledger.difference(after, answer) == {}, "nothing is written twice"


@given(entries)
def test_the_last_word_counts_and_nothing_comes_after_deleted(said: list[tuple[int, str]]) -> None:
    words: dict[int, list[str]] = {}
    for member, word in said:
        words.setdefault(member, []).append(word)
    assert ledger.states(text(said)) == {
        member: "deleted" if "deleted" in spoken else spoken[-1] for member, spoken in words.items()
    }


@given(entries, st.data())
def test_a_ledger_cut_anywhere_goes_on_with_what_was_whole(said: list[tuple[int, str]], data: st.DataObject) -> None:
    cut = text(said)[: data.draw(st.integers(0, len(text(said))))]
    was_whole = said[: cut.count(b"\n")]
    assert ledger.states(cut) == ledger.states(text(was_whole))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger"
        path.write_bytes(cut)
        ledger.append(path, [f"{TIME} locked 5"])
        ledger.append(path, [f"{TIME} unlocked 6"])
        assert path.read_bytes().startswith(cut), "lines only ever come to it"
        assert ledger.states(path.read_bytes()) == ledger.states(text([*was_whole, (5, "locked"), (6, "unlocked")]))


NO_ENTRY = [
    b"2026-11-28T01:02:03Z locked 7; DROP TABLE member",
    b"2026-11-28T01:02:03Z locked 7\tdeleted",
    b"2026-11-28T01:02:03Z locked 7\\.",
    b"\\.",
    b"\\! true",
    b"",
    b"2026-11-28T01:02:03Z locked 7\r",
    b"2026-11-28T01:02:03Z locked 7 ",
    b"2026-11-28T01:02:03Z locked -7",
    b"2026-11-28T01:02:03Z locked 0",
    b"2026-11-28T01:02:03Z locked 07",
    b"2026-11-28T01:02:03Z locked 2147483648",
    b"2026-11-28T01:02:03Z gone 7",
    "2026-11-28T01:02:03Z locked \u0667".encode(),  # a digit, in Arabic
    b"\0\0\0\0",
]


@pytest.mark.parametrize("line", NO_ENTRY)
def test_a_line_that_is_no_entry_is_named_and_not_a_word_gets_out(line: bytes, tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(text([(4, "locked")]) + line + b"\n" + text([(5, "locked")]))
    done = program("replay.py", "--folder", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("replay: Line 2 of the ledger is no entry.")


@given(st.binary(max_size=60))
def test_whatever_stands_in_a_ledger_only_numbers_and_three_words_come_out(content: bytes) -> None:
    try:
        state = ledger.states(text([(4, "locked")]) + content + b"\n")
    except ledger.Fault:
        return
    assert_only_rows(state)


@given(entries, st.integers(0, 2**62), st.integers(0, 2**31 - 1))
def test_the_script_differs_by_rows_and_numbers_alone(said: list[tuple[int, str]], number: int, highest: int) -> None:
    assert_only_rows(ledger.states(text(said)), number, highest)


def assert_only_rows(state: dict[int, str], number: int = 3, highest: int = 9) -> None:
    lines = replay.script(state, number, highest, "SELECT 1;").split("\n")
    start = lines.index("COPY pg_temp.ledger (id, state) FROM STDIN;") + 1
    rows = lines[start : start + len(state)]
    assert [row for row in rows if not re.fullmatch(r"[0-9]+\t(?:locked|unlocked|deleted)", row)] == []
    bare = replay.script({}, 3, 9, "SELECT 1;").replace("\n3\t9\n", f"\n{number}\t{highest}\n")
    assert "\n".join(lines[:start] + lines[start + len(state) :]) == bare


def program(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a program as on the host: isolated, so that it finds nothing but what it looks for itself."""
    command = [sys.executable, "-I", FILES / name, *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


def test_the_script_goes_on_after_the_last_marker_and_past_every_id(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(text([(4, "locked"), (12, "deleted")]))
    (tmp_path / "markers").write_text(f"{marker_line(7, 10)}\n{marker_line(8, 11)}\n", encoding="utf-8")
    assert "\n4\tlocked\n12\tdeleted\n\\.\n" in program("replay.py", "--folder", tmp_path).stdout
    assert "\n8\t12\n\\.\n" in program("replay.py", "--folder", tmp_path).stdout
    assert "\n70\t12\n\\.\n" in program("replay.py", "--folder", tmp_path, "--number-after", 70).stdout


def test_a_missing_ledger_is_not_an_empty_one(tmp_path: Path) -> None:
    done = program("replay.py", "--folder", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "No such file" in done.stderr
    (tmp_path / "ledger").touch()
    assert program("replay.py", "--folder", tmp_path).returncode == 0


def test_the_state_is_printed_by_id(tmp_path: Path) -> None:
    said = [(17, "locked"), (4, "locked"), (9, "locked"), (9, "unlocked"), (17, "deleted"), (17, "unlocked")]
    (tmp_path / "ledger").write_bytes(text(said) + b"2026-11-28T01:02:03Z deleted 4")
    done = program("ledger.py", "--state", "--folder", tmp_path)
    assert (done.returncode, done.stdout) == (0, "4 locked\n9 unlocked\n17 deleted\n")


def test_markers_are_read_and_what_was_cut_short_is_not(tmp_path: Path) -> None:
    path = tmp_path / "markers"
    path.write_text(f'{marker_line(7)}\n{{"number": 8', encoding="utf-8")
    assert [one["number"] for one in ledger.markers(path.read_bytes())] == [7]
    ledger.append(path, [marker_line(9)])
    assert [one["number"] for one in ledger.markers(path.read_bytes())] == [7, 9]
    ledger.shorten(path)
    assert path.read_text(encoding="utf-8") == f"{marker_line(7)}\n{marker_line(9)}\n"


@pytest.mark.parametrize("line", ["7", "[]", "{}", '"number"', '{"number": "7", "highest": 1}', '{"number": 7}', "{"])
def test_a_line_that_is_no_marker_is_named(line: str) -> None:
    with pytest.raises(ledger.Fault, match="Line 2 of the markers"):
        ledger.markers(f"{marker_line(6)}\n{line}\n".encode())


def test_the_newest_markers_are_kept_whatever_the_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "KEPT", 3)
    path = tmp_path / "markers"
    path.write_text("".join(f"{marker_line(number)}\n" for number in range(1, 9)), encoding="utf-8")
    ledger.shorten(path)
    assert [one["number"] for one in ledger.markers(path.read_bytes())] == [6, 7, 8]


GOES_ON = {"recovery": False, "newest": 57, "marked": 2, "timeline": 2}


@pytest.mark.parametrize(
    ("origin", "last", "said"),
    [
        (GOES_ON, 57, None),
        (GOES_ON, 56, None),  # the last marker was set, and not written down any more
        (GOES_ON, 0, None),  # a new ledger for a database that had one
        ({"recovery": False, "newest": 0, "marked": None, "timeline": 1}, 0, None),
        (
            {"recovery": False, "newest": 0, "marked": None, "timeline": 1},
            57,
            "newest marker is 0, the last one written",
        ),
        ({**GOES_ON, "newest": 41}, 57, "newest marker is 41, the last one written down here 57"),
        ({**GOES_ON, "timeline": 3}, 57, "on timeline 3, its newest marker on 2"),
    ],
)
def test_a_database_that_is_older_is_not_written_down(origin: dict[str, Any], last: int, said: str | None) -> None:
    if said is None:
        ledger.refuse_older(origin, last)
    else:
        with pytest.raises(ledger.Older, match=said):
            ledger.refuse_older(origin, last)


def test_a_database_in_recovery_is_waited_for() -> None:
    with pytest.raises(ledger.Away):
        ledger.refuse_older({"recovery": True, "newest": 3, "marked": 1, "timeline": None}, 57)


@pytest.mark.parametrize("member", [0, -1, 2**31, True, "17", "17\n2026-11-28T01:02:03Z deleted 18", 1.0, None])
def test_only_ids_are_written_down(member: object) -> None:
    good = {"highest": 9, "locked": [4], "deleted": [5]}
    assert ledger.checked(good) == good
    for name in ("locked", "deleted"):
        with pytest.raises(ledger.Fault, match="by what is no id"):
            ledger.checked({**good, name: [4, member]})


class Answering(ledger.Watch):
    """A watch of a database that always answers the same."""

    answer: dict[str, Any]

    def ask(self, _question: str, *_values: int) -> Any:
        return self.answer


def test_a_look_writes_what_is_new_and_refuses_members_from_before(tmp_path: Path) -> None:
    watch = Answering(tmp_path)
    watch.answer = {"highest": 9, "locked": [4], "deleted": [5]}
    watch.look()
    watch.look()
    assert [line[21:] for line in (tmp_path / "ledger").read_text(encoding="utf-8").splitlines()] == [
        "locked 4",
        "deleted 5",
    ]
    watch.answer = {"highest": 8, "locked": [], "deleted": []}
    with pytest.raises(ledger.Older, match="highest member id is 8, 9 was there before"):
        watch.look()
    assert ledger.states((tmp_path / "ledger").read_bytes()) == {4: "locked", 5: "deleted"}


def test_a_second_one_ends(tmp_path: Path) -> None:
    with ledger.only_one(tmp_path), pytest.raises(ledger.Fault, match="by another process"), ledger.only_one(tmp_path):
        pass
    with ledger.only_one(tmp_path):
        pass


def test_a_problem_is_said_once_and_so_is_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    said = ledger.over("")
    for problem in ("gone", "gone", "still starting"):
        said = ledger.say(problem, said)
    ledger.over(ledger.over(said))
    assert capsys.readouterr().err == "gone\nstill starting\nAll is well again: the database is watched.\n"


def test_a_problem_is_told_in_a_sentence() -> None:
    missing = type("Missing", (Exception,), {"pgcode": "3F000"})
    assert "lacks LiquidFeedback's schema" in ledger.explained(missing("no schema"))
    assert ledger.explained(OSError(28, "No space left")) == "The ledger cannot be written: [Errno 28] No space left."
    assert ledger.explained(RuntimeError("one\n\ttwo\n")) == "The database cannot be asked: one two"
    assert ledger.explained(ledger.Away("Wait.")) == "Wait."


def test_a_wrong_clock_can_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = ledger.clock()
    (tmp_path / "given.json").write_text('{"clock_offset_seconds": -7200}', encoding="utf-8")
    monkeypatch.setattr(ledger, "GIVEN", tmp_path / "given.json")
    assert 7190 < (right - ledger.clock()).total_seconds() < 7210
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", ledger.iso(ledger.clock()))
