"""What the hosts look for by themselves: whether WAL leaves, whether it is there without a gap, and what is said of it."""

import contextlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ops.backup import judge, procedure, show
from ops.backup.facts import Looked
from tests.unit.conftest import Answering
from tests.unit.factories import NOW, ROOT, load_program
from tests.unit.test_backup import FULL, backup, info, looked, place

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
    return {watch.file_name(timeline, number): at + 60 * number for number in numbers}


def full(timeline: int, number: int) -> Any:
    """Return a full backup that begins and ends in file *number*."""
    return watch.Full(watch.file_name(timeline, number), (number << 24) + 256)


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**40 - 1))
def test_a_file_has_the_number_that_its_name_says(timeline: int, number: int) -> None:
    name = watch.file_name(timeline, number)
    assert watch.WAL_FILE.fullmatch(f"{name[:16]}/{name}-{'0a' * 20}.zst")[1] == name
    assert (int(name[:8], 16), watch.segment(name)) == (timeline, number)
    assert judge.number(name[8:]) == number, "the controller reckons alike"


def test_only_whole_wal_files_count() -> None:
    name = "000000010000000A000000FF"
    others = (
        f"{name}.00000028.backup",
        f"{name}.partial-{'0' * 40}.zst",
        "00000002.history",
        "archive.info",
        name[:16],
    )
    listing = {path: {"type": "file", "time": 5} for path in (f"{name[:16]}/{name}-{'0' * 40}.zst", *others)}
    assert watch.wal_files(listing) == {name: 5}


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
        watch.file_name(timeline, number)
        for timeline, (began, end) in enumerate(zip(begins, ends, strict=True), 1)
        for number in range(began, end)
    ]
    abandoned = {
        watch.file_name(timeline, end + extra): 1 for timeline, end in enumerate(ends[:-1], 1) for extra in (0, 1)
    }
    files = abandoned | {name: 60 + 60 * number for number, name in enumerate(needed)}
    start = min(begin, last)
    backup_begins = watch.Full(needed[start], start << 24)
    assert watch.missing(files, way, [backup_begins]) == ""
    hidden = data.draw(st.sampled_from(needed[:-1] or needed))
    seen = {name: at for name, at in files.items() if name != hidden}
    if needed.index(hidden) < start or hidden == needed[-1]:
        assert watch.missing(seen or files, way, [backup_begins]) == ""
    else:
        assert watch.missing(seen, way, [backup_begins]) == f"WAL file {hidden}"


def test_a_gap_is_closed_by_a_full_backup_after_it_and_by_nothing_else() -> None:
    files = came(1, range(3, 20))
    del files[watch.file_name(1, 9)], files[watch.file_name(1, 10)]
    gap = f"WAL file {watch.file_name(1, 9)}"
    assert watch.missing(files, [(1, 0)], [full(1, 3)]) == gap
    assert watch.missing(files, [(1, 0)], [full(1, 9)]) == gap, "a backup that begins in it lacks its own"
    assert watch.missing(files, [(1, 0)], [full(1, 3), full(1, 11)]) == ""
    assert watch.missing(files, [(1, 0)], []) == "", "without a backup there is nothing to recover from"


def test_the_database_is_on_the_timeline_whose_file_came_last() -> None:
    """A restore that failed leaves a timeline that nothing follows: the one before goes on."""
    files = came(1, range(3, 20)) | came(2, range(12, 14), at=1)
    assert watch.newest(files) == watch.file_name(1, 19)
    assert watch.missing(files, watch.way("", 1), [full(1, 3)]) == ""


def test_a_backup_from_after_the_moment_that_was_restored_leads_nowhere() -> None:
    files = came(1, range(3, 20)) | came(2, range(10, 30), at=3600)
    way = [(1, 0), (2, 10 << 24)]
    assert watch.missing(files, way, [full(1, 3), full(1, 15)]) == ""
    assert watch.missing(files, way, [full(1, 15)]) == "a full backup on timeline 2"
    del files[watch.file_name(1, 5)]
    assert watch.missing(files, way, [full(1, 3), full(1, 15)]) == f"WAL file {watch.file_name(1, 5)}"
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

    def run(*looks: list[str], begin: str = watch.file_name(1, 3), code: int = 0, told: str = "") -> int:
        times = {"start": MOMENT - 3700, "stop": MOMENT - 3600}
        row = {
            "label": FULL,
            "type": "full",
            "timestamp": times,
            "archive": {"start": begin},
            "lsn": {"stop": "0/3000100"},
        }
        row |= {"database": {"id": 1}, "info": {"repository": {"delta": 5}}}
        listing = {"status": {"code": code, "message": "not ok"}, "backup": [row], "db": [{"id": 1, "version": "17"}]}
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
    return [watch.file_name(timeline, number) for number in numbers]


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
    assert broken() == {"since": MOMENT, "missing": f"WAL file {watch.file_name(1, 4)}"}
    assert "invoke backup --full" in capsys.readouterr().err
    assert world(names(3, 5, 6), begin=watch.file_name(1, 5)) == 0
    assert broken() is None


def test_a_file_that_came_meanwhile_is_no_gap(world: Callable[..., int]) -> None:
    assert world(names(3, 5), names(3, 4, 5)) == 0


def test_a_timeline_without_its_history_cannot_be_followed(world: Callable[..., int]) -> None:
    assert world(names(3, 4) + names(5, timeline=2)) == 1
    assert broken()["missing"] == "the file 00000002.history"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"told": "[]"}, "it has no stanza main"),
        ({"code": 99}, "not ok"),
        ({"told": "nonsense"}, "pgBackRest told nothing of it: nonsense"),
        ({"told": '[{"status": {"code": 0}}]'}, "its answer cannot be read"),
    ],
)
def test_a_repository_that_cannot_be_read_is_a_problem_and_no_all_clear(
    world: Callable[..., int], capsys: pytest.CaptureFixture[str], answer: dict[str, Any], words: str
) -> None:
    world(names(3, 5))
    assert world(names(3, 4, 5), **answer) == 1
    assert f"repository 1 cannot be read: {words}" in capsys.readouterr().err
    assert broken() is not None


def test_pgbackrest_is_quoted(world: Callable[..., int]) -> None:
    world(names(3))
    with pytest.raises(watch.Fault, match=r"^\[031\]: what is that$"):
        watch.pgbackrest("main", 1, "nonsense")


# What others make of it.


def test_the_module_passes_on_what_is_broken(
    answering: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering("runuser", info(FULL))
    answering("systemctl", "")
    for name in ("CONFIGURATION", "STATE", "MARKERS", "DRILL", "WATCH"):
        monkeypatch.setattr(facts_module, name, tmp_path / name)
    settings = {
        "stanza": "main",
        "version": "17",
        "places": [],
        "recovery_point_seconds": 1,
        "recovery_time_seconds": 1,
    }
    (tmp_path / "CONFIGURATION").write_text(json.dumps(settings))
    assert facts_module.repository({"collected": [], "whole": False})["watched"] is None
    (tmp_path / "WATCH").write_text(json.dumps(watch.noted({}, [seen(missing="WAL file X"), seen(2)], 100)))
    answer = facts_module.repository({"collected": [], "whole": False})
    assert (answer["watched"], answer["broken"]) == (100, {"1": {"since": 100, "missing": "WAL file X"}})


BROKEN = {"broken": {"2": {"since": MOMENT, "missing": "X"}}}


def test_a_gap_is_found_and_a_backup_without_a_type_closes_it() -> None:
    found = judge.findings(looked(**BROKEN), NOW)
    what = "point-in-time recovery from repository 2 is broken since 2026-11-25 23:00 UTC until the next full backup: X is missing"
    assert [(one.host, one.what, one.next_step) for one in found] == [("backup1", what, "invoke backup --full")]
    assert (judge.due(looked()), judge.due(Looked()), judge.due(looked(**BROKEN))) == ("incr", "incr", "full")
    rows = {kind: [row[-1] for row in show.plan_rows(looked(**BROKEN), kind, NOW)] for kind in ("full", "incr")}
    assert rows == {
        "full": ["", "full, since WAL has a gap that this closes"],
        "incr": ["", "WAL has a gap that only --full closes"],
    }


@pytest.mark.parametrize(("given_type", "made"), [(None, "full"), ("incr", "incr")])
def test_the_backup_is_of_the_type_that_the_plan_said(
    monkeypatch: pytest.MonkeyPatch, given_type: Any, made: str
) -> None:
    monkeypatch.setattr(procedure, "look", lambda _session: looked(**BROKEN))
    monkeypatch.setattr(procedure, "confirm", lambda *_arguments: None)
    asked: list[dict[str, str]] = []

    def carry_out(*_arguments: Any, **variables: str) -> Any:
        asked.append(variables)
        raise KeyboardInterrupt

    monkeypatch.setattr(procedure, "carry_out", carry_out)
    with pytest.raises(KeyboardInterrupt):
        procedure.backup(None, procedure.Wish(given_type))  # type: ignore[arg-type]  # nothing asks it
    assert [one["backup_type"] for one in asked] == [made]


@pytest.mark.parametrize(
    ("watched", "stop", "found"),
    [
        (MOMENT - 3600, MOMENT - 9000, []),
        (MOMENT - 3601, MOMENT - 9000, ["nobody has looked for gaps in WAL for 60 min"]),
        (None, MOMENT - 3600, []),
        (None, MOMENT - 7200, ["nobody has looked for gaps in WAL for 2 h"]),
    ],
)
def test_a_watch_that_looks_no_longer_is_found(watched: int | None, stop: int, found: list[str]) -> None:
    one = looked(watched=watched, places=(place(backups=(backup(stop=stop),)),))
    assert [finding.what for finding in judge.findings(one, NOW)] == found


@pytest.mark.parametrize(("age", "fresh"), [(0, True), (3599, True), (3700, False)])
def test_figures_are_made_of_fresh_notes_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: int, fresh: bool
) -> None:
    for name, program in (("WATCH", watch), ("ARCHIVING", archiving)):
        assert getattr(figures, name) == Path(f"/var/lib/bordbuch-{name.lower()}/seen.json") == program.NOTE
        monkeypatch.setattr(figures, name, tmp_path / name)
    monkeypatch.setattr(figures.time, "time", lambda: MOMENT)
    (tmp_path / "WATCH").write_text(json.dumps(watch.noted({}, [seen(missing="x"), seen(2)], MOMENT - age)))
    (tmp_path / "ARCHIVING").write_text(json.dumps({"looked": MOMENT - age, "ready": 7, "failing": True}))
    settings = {
        "certificates": [],
        "database": "",
        "mail_queue": False,
        "drill": False,
        "backup": True,
        "archiving": True,
    }
    has = figures.figures(settings)
    only = {name: has[name] for name in ("pitr", "archiving")}
    monkeypatch.setattr(figures, "figures", lambda _configuration: only)
    text = figures.render(figures.read_all(settings))
    assert text.count('bordbuch_figure_failed{figure="pitr"} 0') == fresh
    lines = ['bordbuch_pitr_broken{repository="1"} 1', 'bordbuch_pitr_broken{repository="2"} 0']
    lines += ["bordbuch_archive_ready_files 7", "bordbuch_archive_failing 1"]
    assert [line in text.splitlines() for line in lines] == [fresh] * 4


def test_the_limits_are_the_same_wherever_they_stand() -> None:
    for name in ("OLDEST_BACKUP", "OLDEST_DRILL", "OLDEST_MARKER"):
        assert getattr(watch, name) == getattr(judge, name)
    rules = yaml.safe_load((ROOT / "roles/monitoring/files/alerts.yml").read_text())["groups"][0]["rules"]
    alerts = {rule["alert"]: rule for rule in rules}
    seconds = {"h": 3600, "d": 86400}
    for name, limit in (("Backup", judge.OLDEST_BACKUP), ("Drill", judge.OLDEST_DRILL)):
        factors = re.search(r"> (\d+) \* (\d+)$", alerts[f"{name}Old"]["expr"])
        assert factors
        assert int(factors[1]) * int(factors[2]) == limit
        wait = alerts[f"{name}Missing"]["for"]
        assert int(wait[:-1]) * seconds[wait[-1]] == limit


def test_programs_run_with_python_of_debian_12() -> None:
    """Each begins with the interpreter of the host and is found by systemd under the name that its unit says."""
    for name, module in (("watch", watch), ("archiving", archiving)):
        path = ROOT / f"roles/backup/files/{name}.py"
        unit = (ROOT / f"roles/backup/templates/bordbuch-{name}.service.j2").read_text()
        assert path.read_text().startswith("#!/usr/bin/python3 -I\n")
        assert f"ExecStart={{{{ __backup_programs }}}}/{name}.py\n" in unit
        assert f"StateDirectory={module.NOTE.parent.name}\n" in unit
        assert module.__name__ in sys.modules
