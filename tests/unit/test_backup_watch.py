"""What the hosts look for by themselves: whether WAL leaves, whether it is there without a gap, and what is said of it."""

import contextlib
import dataclasses
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.backup import judge
from tests.unit.factories import NOW, load_program
from tests.unit.pgbackrest_says import listed, printed, seam, wal
from tests.unit.test_backup import FULL

watch = load_program("roles/backup/files/watch.py")
archiving = load_program("roles/backup/files/archiving.py")
figures = load_program("roles/monitoring/files/figures.py")
facts_module = load_program("playbooks/library/backup_facts.py")

MOMENT = int(NOW.timestamp())
LIMITS = {"recovery_point_seconds": 900, "room_mb": 2048}
GIB = 2**30


# WAL by the names of its files.


def came(timeline: int, numbers: range, at: int = 0) -> dict[str, int]:
    """Return the files *numbers* of a *timeline*, each of which came a minute after the one before."""
    return {wal.file_name(timeline, number): at + 60 * number for number in numbers}


def full_at(first_wal: str, stop: int) -> Any:
    """Return a full backup that begins with a WAL file and is complete at the position *stop*."""
    (found,) = seam.parse_listing(json.dumps([printed(listed(FULL))]), "main", 1).backups
    return dataclasses.replace(found, first_wal=first_wal, stop=wal.as_lsn(stop))


def full(timeline: int, number: int) -> Any:
    """Return a full backup that begins and ends in file *number*."""
    return full_at(wal.file_name(timeline, number), (number << 24) + 256)


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**40 - 1))
def test_the_controller_reckons_alike(timeline: int, number: int) -> None:
    assert judge.number(wal.file_name(timeline, number)[8:]) == number


HISTORY = "1\t0/E0000A0\tno recovery target specified\n\n2\t1/3000000\tbefore 2026-11-28 10:00:00+00\n"


def test_a_history_says_which_way_leads_to_a_timeline() -> None:
    assert watch.way(HISTORY, 5) == [(1, 0), (2, 0xE0000A0), (5, 0x103000000)]
    assert watch.way("", 1) == [(1, 0)]


@given(st.text())
def test_a_history_that_is_none_is_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError, IndexError):
        assert watch.way(text, 7)[-1][0] == 7


@given(st.lists(st.integers(1, 300), min_size=1, max_size=4), st.integers(0, 400), st.data())
def test_a_file_that_is_needed_and_missing_is_named_and_no_other(lengths: list[int], begin: int, data: Any) -> None:
    """Each timeline is left somewhere, and goes on for a while as if it had not been: none of that is needed."""
    begins = [sum(lengths[:number]) for number in range(len(lengths))]
    last = sum(lengths)
    way = [(timeline, began << 24) for timeline, began in enumerate(begins, 1)]
    ends = [*begins[1:], last + 1]
    needed = [
        wal.file_name(timeline, number)
        for timeline, (began, end) in enumerate(zip(begins, ends, strict=True), 1)
        for number in range(began, end)
    ]
    abandoned = {
        wal.file_name(timeline, end + extra): 1 for timeline, end in enumerate(ends[:-1], 1) for extra in (0, 1)
    }
    files = abandoned | {name: 60 + 60 * number for number, name in enumerate(needed)}
    start = min(begin, last)
    backup_begins = full_at(needed[start], start << 24)
    assert watch.missing(files, way, [backup_begins]) == ""
    hidden = data.draw(st.sampled_from(needed[:-1] or needed))
    seen = {name: at for name, at in files.items() if name != hidden}
    if needed.index(hidden) < start or hidden == needed[-1]:
        assert watch.missing(seen or files, way, [backup_begins]) == ""
    else:
        assert watch.missing(seen, way, [backup_begins]) == f"WAL file {hidden}"


def test_a_gap_is_closed_by_a_full_backup_after_it_and_by_nothing_else() -> None:
    files = came(1, range(3, 20))
    del files[wal.file_name(1, 9)], files[wal.file_name(1, 10)]
    gap = f"WAL file {wal.file_name(1, 9)}"
    assert watch.missing(files, [(1, 0)], [full(1, 3)]) == gap
    assert watch.missing(files, [(1, 0)], [full(1, 9)]) == gap, "a backup that begins in it lacks its own"
    assert watch.missing(files, [(1, 0)], [full(1, 3), full(1, 11)]) == ""
    assert watch.missing(files, [(1, 0)], []) == "", "without a backup there is nothing to recover from"


def test_the_database_is_on_the_timeline_whose_file_came_last() -> None:
    """A restore that failed leaves a timeline that nothing follows: the one before goes on."""
    files = came(1, range(3, 20)) | came(2, range(12, 14), at=1)
    assert watch.newest(files) == wal.file_name(1, 19)
    assert watch.missing(files, watch.way("", 1), [full(1, 3)]) == ""


def test_a_backup_from_after_the_moment_that_was_restored_leads_nowhere() -> None:
    files = came(1, range(3, 20)) | came(2, range(10, 30), at=3600)
    way = [(1, 0), (2, 10 << 24)]
    assert watch.missing(files, way, [full(1, 3), full(1, 15)]) == ""
    assert watch.missing(files, way, [full(1, 15)]) == "a full backup on timeline 2"
    del files[wal.file_name(1, 5)]
    assert watch.missing(files, way, [full(1, 3), full(1, 15)]) == f"WAL file {wal.file_name(1, 5)}"
    assert watch.missing(files, way, [full(1, 3), full(2, 20)]) == ""


# What is said of a repository.


def seen(number: int = 1, **changes: Any) -> Any:
    """Return a repository in which all is well, but for *changes*."""
    fields = {
        "newest_backup": MOMENT - 3600,
        "newest_wal": MOMENT - 60,
        "free_bytes": 50 * GIB,
        "full_bytes": 4_200_000,
    }
    return watch.Place(number, **{**fields, **changes})


def said(*places: Any, marker: int = MOMENT - 30, drilled: int = MOMENT - 86400, began: int = 0) -> list[str]:
    note = watch.noted({"began": began}, list(places), MOMENT)
    return list(watch.problems(note, list(places), marker, drilled, LIMITS))


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("point-in-time recovery from repository 1 is broken, found 2026-11-25 23:00 UTC: X is missing", {"missing": "X"}),
        ("repository 1 cannot be read: missing stanza path", {"fault": "missing stanza path"}),
        ("repository 1 has had no backup for 26 h", {"newest_backup": MOMENT - 93_601}),
        ("repository 1 has got no WAL for 15 min", {"newest_wal": MOMENT - 931}),
        ("repository 1 has 2047 MiB of room left", {"free_bytes": 2 * GIB - 1}),
        ("repository 1 has 4096 MiB of room left", {"free_bytes": 4 * GIB, "full_bytes": 4 * GIB + 1}),
    ],
)  # fmt: skip
def test_one_thing_that_is_wrong_is_one_sentence(words: str, changes: dict[str, Any]) -> None:
    found = said(seen(**changes), seen(2))
    assert len(found) == 1
    assert found[0].startswith(words)


def test_a_ledger_that_is_silent_and_a_drill_that_is_old() -> None:
    assert said(seen(newest_wal=MOMENT - 400), marker=MOMENT - 301)[0].startswith(
        "the ledger has written no marker for 5 min"
    )
    assert said(seen(), drilled=MOMENT - 777_601) == ["no drill has passed for 9 days: invoke drill"]


def test_where_all_is_well_nothing_is_said_also_at_the_edges() -> None:
    edge = seen(newest_backup=MOMENT - 93_600, newest_wal=MOMENT - 300 - 900, free_bytes=2 * GIB)
    assert said(edge, seen(2, free_bytes=None), marker=MOMENT - 300, drilled=MOMENT - 777_600) == []


def test_a_new_site_has_its_time() -> None:
    bare = watch.Place(1)
    assert said(bare, marker=0, drilled=0, began=MOMENT) == []
    late = said(bare, marker=0, drilled=0, began=MOMENT - 777_601)
    assert [sentence.split(":")[0] for sentence in late] == [
        "repository 1 has had no backup for 9 days",
        "the ledger has written no marker for 9 days",
        "no drill has passed for 9 days",
    ]


@pytest.mark.parametrize("marker", [0, MOMENT - 90_000])
def test_a_host_whose_database_is_still_to_be_restored_has_an_hour(marker: int) -> None:
    assert said(seen(), marker=marker, began=MOMENT - 3600) == []
    assert len(said(seen(), marker=marker, began=MOMENT - 3601)) == 1
    assert len(said(seen(newest_wal=MOMENT), marker=MOMENT - 301, began=MOMENT - 3600)) == 1


def test_spans_are_those_of_the_command_line() -> None:
    lengths = [0, 119, 120, 7199, 7200, 259_199, 259_200]
    assert [watch.span(seconds) for seconds in lengths] == [judge.span(seconds) for seconds in lengths]


def test_a_gap_is_dated_by_when_it_was_found_and_stays_where_nobody_can_look() -> None:
    first = watch.noted({}, [seen(missing="WAL file X"), seen(2)], 100)
    assert first == {
        "began": 100,
        "looked": 100,
        "repositories": {"1": {"since": 100, "missing": "WAL file X"}, "2": None},
    }
    again = watch.noted(first, [seen(missing="WAL file X"), seen(2, missing="WAL file Y")], 200)
    assert (again["began"], again["looked"]) == (100, 200)
    assert again["repositories"] == {
        "1": {"since": 100, "missing": "WAL file X"},
        "2": {"since": 200, "missing": "WAL file Y"},
    }
    away = watch.noted(again, [watch.Place(1, fault="away"), seen(2)], 300)
    assert away["repositories"] == {"1": {"since": 100, "missing": "WAL file X"}, "2": None}


# The whole program, with a pgBackRest that answers what it is told.


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return the watch as it runs on a host where pgBackRest lists given files, by the number of the look."""
    for name in ("CONFIGURATION", "NOTE", "MARKERS", "DRILL"):
        monkeypatch.setattr(watch, name, tmp_path / name)
    monkeypatch.setattr(watch.time, "time", lambda: MOMENT)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    entry = {"number": 1, "path": str(tmp_path), "kind": "posix", "keep_full": 4}
    (tmp_path / "CONFIGURATION").write_text(json.dumps({"stanza": "main", "places": [entry], **LIMITS, "room_mb": 0}))
    (tmp_path / "MARKERS").write_text('{"seen": "2026-11-25T22:59:30Z"}\n{"seen": "2026-11-25T2')
    (tmp_path / "DRILL").write_text(json.dumps({"ended": MOMENT - 86400, "label": FULL}))

    def run(*looks: list[str], begin: str = wal.file_name(1, 3), code: int = 0, told: str = "") -> int:
        row = listed(FULL, stop=MOMENT - 3600, archive={"start": begin}, lsn={"stop": "0/3000100"})
        listing = printed(row, code=code, message="not ok")
        (tmp_path / "info").write_text(told or json.dumps([listing]))
        for number in range(2):
            names = looks[min(number, len(looks) - 1)] if looks else []
            entries = {
                name if "." in name else f"{name[:16]}/{name}-{'0' * 40}.zst": {"time": MOMENT - 60} for name in names
            }
            (tmp_path / f"look{number}").write_text(json.dumps({".": {"type": "path"}, **entries}))
        (tmp_path / "pgbackrest").write_text(
            f"#!/bin/sh\ncd {tmp_path}\ncase \"$*\" in *info) cat info;; *repo-get*) printf '1\\t0/5000000\\tx\\n';;\n"
            "*repo-ls*archive/main/17-1) cat look0; cp look1 look0;;\n"
            "*) echo '2026-11-25 23:00:00.123 P00  ERROR: [031]: what is that'; exit 31;; esac\n"
        )
        (tmp_path / "pgbackrest").chmod(0o755)
        return int(watch.main())

    return run


def names(*numbers: int, timeline: int = 1) -> list[str]:
    return [wal.file_name(timeline, number) for number in numbers]


def broken() -> Any:
    return json.loads(watch.NOTE.read_text())["repositories"]["1"]


def test_all_is_well(world: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert world(names(3, 4, 5)) == 0
    assert (broken(), capsys.readouterr().err) == (None, "")
    assert world(names(3, 4) + names(5, 6, timeline=2) + ["00000002.history"]) == 0


def test_a_gap_is_said_and_noted_until_it_is_closed(
    world: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert world(names(3, 5)) == 1
    assert broken() == {"since": MOMENT, "missing": f"WAL file {wal.file_name(1, 4)}"}
    assert "invoke backup --full" in capsys.readouterr().err
    assert world(names(3, 5, 6), begin=wal.file_name(1, 5)) == 0
    assert broken() is None


def test_a_file_that_came_meanwhile_is_no_gap(world: Callable[..., int]) -> None:
    assert world(names(3, 5), names(3, 4, 5)) == 0


def test_a_timeline_without_its_history_begins_with_a_full_backup_on_it(world: Callable[..., int]) -> None:
    """So it is in a place that was made anew after a restore: PostgreSQL sends a history once."""
    assert world(names(3, 4) + names(5, timeline=2)) == 1
    assert broken()["missing"] == "a full backup on timeline 2"
    assert world(names(5, 6, timeline=2), begin=wal.file_name(2, 5)) == 0
    assert world(names(5, 7, timeline=2), begin=wal.file_name(2, 5)) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"told": "[]"}, "it has no stanza main"),
        ({"code": 99}, "not ok"),
        ({"told": "nonsense"}, "pgBackRest told nothing of it: nonsense"),
        ({"told": '[{"name": "main", "status": {"code": 0}}]'}, "its answer cannot be read"),
    ],
)
def test_a_repository_that_cannot_be_read_is_a_problem_and_no_all_clear(
    world: Callable[..., int], capsys: pytest.CaptureFixture[str], answer: dict[str, Any], words: str
) -> None:
    world(names(3, 5))
    assert world(names(3, 4, 5), **answer) == 1
    assert f"repository 1 cannot be read: {words}" in capsys.readouterr().err
    assert broken() is not None


@pytest.mark.parametrize("listed_files", ["[]", '{"%s": {"type": "file"}}', "{}}"])
def test_a_list_of_files_that_is_none_is_a_problem_and_no_traceback(listed_files: str) -> None:
    """Whatever stands in it: the other repository is still looked at."""
    name = f"{'0' * 16}/{wal.file_name(1, 3)}-{'0' * 40}.zst"
    answers = [json.dumps([printed(listed(FULL))]), listed_files.replace("%s", name)]
    main = seam.Stanza(
        "main", run=lambda command, _seconds: subprocess.CompletedProcess(command, 0, answers.pop(0), "")
    )
    told = watch.look(main, {"number": 1, "path": "/", "kind": "sftp"})
    assert told.fault.startswith("its answer cannot be read: ")


def test_on_a_new_host_what_came_before_it_is_no_delay_of_its_own() -> None:
    """Repository and ledger come from the second place when hosts are gone: their newest is from before."""
    old = seen(newest_backup=MOMENT - 30 * 3600, newest_wal=MOMENT - 29 * 3600)
    assert said(old, marker=MOMENT - 29 * 3600, drilled=0, began=MOMENT - 290) == []
    (silent,) = said(old, marker=MOMENT - 29 * 3600, drilled=0, began=MOMENT - 3610)
    assert silent.startswith("the ledger has written no marker for 60 min")
