"""A drill's request, configuration, steps and verdict, and the program itself."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.drill_world import FILES, NOON, model, outcome, request, result, run, server, words

# Request, configuration, verdict.


def test_a_request() -> None:
    assert request.parse_request("{}") == model.Request("", "", "", 0)
    text = '{"id": "x", "label": "20261128-012322F_20261129-010203D", "to": "2026-11-28T12:00:00Z", "repository": 2}'
    assert request.parse_request(text).repository == 2
    assert request.parse_request('{"label": "random"}').label == "random"


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
    with pytest.raises(model.Failed) as caught:
        request.parse_request(text)
    assert said in str(caught.value)


SETTINGS: dict[str, Any] = {
    "stanza": "main",
    "repositories": [1, 2],
    "version": "17",
    "database": {"host": "db1", "port": 5432, "name": "liquidfeedback", "user": "bordbuch_watch"},
    "recovery_point_seconds": 900,
    "recovery_time_seconds": 3600,
}


def test_the_timer_tries_each_repository_in_turn_and_old_backups_too() -> None:
    places = [{"number": 1, "kind": "posix"}, {"number": 2, "kind": "posix"}, {"number": 3, "kind": "sftp"}]
    turns = [json.loads(request.of_the_week(week, json.dumps({"places": places}))) for week in range(4)]
    assert [(turn["repository"], turn["label"]) for turn in turns] == [(1, ""), (2, ""), (1, "random"), (2, "random")]
    assert all(request.parse_request(request.of_the_week(week, json.dumps({"places": places}))) for week in range(4))
    assert [request.of_the_week(0, text) for text in ("", "{}", '{"places": []}')] == ["{}"] * 3


def test_the_configuration() -> None:
    found = request.parse_settings(json.dumps(SETTINGS))
    assert found.application
    assert (found.repositories, found.may_be_empty) == ((1, 2), ())
    for text in (
        "{",
        "[]",
        json.dumps({**SETTINGS, "database": "x"}),
        json.dumps({**SETTINGS, "stanza": 1, "version": 2})[5:],
    ):
        with pytest.raises(model.Failed, match="The configuration cannot be understood"):
            request.parse_settings(text)


@pytest.mark.parametrize("text", ["2026-11-28T12:00:00Z", "2026-11-28T13:00:00+01:00", "2026-11-28 12:00:00"])
def test_a_time_without_an_offset_is_utc(text: str) -> None:
    assert words.parse_time(text) == NOON


NAMES = ["a", "b", "c"]
states = st.sampled_from(["passed", "failed", "skipped", "skipped by configuration"])


@given(st.lists(states, min_size=3, max_size=3))
def test_the_verdict(ends: list[str]) -> None:
    outcomes = [
        outcome(name, end.split()[0], by_configuration="by" in end) for name, end in zip(NAMES, ends, strict=True)
    ]
    expected = "fail" if "failed" in ends else "partial" if "skipped" in ends else "pass"
    assert result.verdict(outcomes, NAMES) == expected


@given(st.sets(st.sampled_from(NAMES), max_size=2))
def test_what_was_not_come_to_is_no_pass(done: set[str]) -> None:
    assert result.verdict([outcome(name) for name in done], NAMES) == "fail"


def test_a_step_waits_for_what_it_needs() -> None:
    step = run.Step("c", str, ("a", "b"))
    assert run.missing_need(step, [outcome("a"), outcome("b")]) == ""
    assert run.missing_need(step, [outcome("a"), outcome("b", "skipped")]) == "b"
    assert run.missing_need(step, []) == "a"


def test_steps_need_only_steps_before_them() -> None:
    names = [step.name for step in run.STEPS]
    assert len({*names, run.CLEAN.name}) == len(names) + 1
    for number, step in enumerate(run.STEPS):
        assert {*step.needs} <= {*names[:number]}


def test_the_throwaway_server_neither_archives_nor_listens_nor_loads() -> None:
    wanted = {
        "listen_addresses": "",
        "archive_mode": "off",
        "shared_preload_libraries": "",
        "unix_socket_permissions": "0700",
    }
    assert wanted.items() <= server.SERVER.items()


# The program itself, with a repository that is not there.


def test_the_starter_finds_the_package_though_its_folder_is_left_out() -> None:
    command = [sys.executable, "-I", "-B", str(FILES / "drill.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd="/")
    assert done.returncode == 1
    assert done.stderr.startswith("Prove a backup: ")


def test_all_of_the_package_is_installed() -> None:
    listed = yaml.safe_load((FILES.parent / "vars/main.yml").read_text(encoding="utf-8"))["__backup_drill_modules"]
    assert sorted(listed) == sorted(path.name for path in (FILES / "bordbuch_drill").glob("*.py"))


@pytest.fixture
def place(tmp_path: Path) -> Any:
    (tmp_path / "state").mkdir()
    (tmp_path / "backup.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    return model.Paths(
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
    text = (
        f"import sys; from pathlib import *; sys.path.append({str(FILES)!r}); from bordbuch_drill.model import Paths; "
    )
    text += f"from bordbuch_drill.run import main; sys.exit(main({arguments!r}, {place!r}))"
    command = [sys.executable, "-B", "-c", text]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")


def told(place: Any) -> dict[str, Any]:
    return dict(json.loads(place.result.read_text(encoding="utf-8")))


def test_a_drill_without_a_repository_fails_leaves_nothing_and_tells_all_steps(place: Any) -> None:
    (place.work / "data").mkdir(parents=True)
    process = start(place, str(place.state / "no-request.json"))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "Traceback" not in said
    found = told(place)
    assert found["verdict"] == "fail"
    assert found["promised"] == {"recovery_time_seconds": 3600, "recovery_point_seconds": 900}
    steps = {step["name"]: step for step in found["steps"]}
    assert [*steps] == [step.name for step in (*run.STEPS, run.CLEAN)]
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
    assert told(place)["steps"][0]["detail"] == "'no' is no label of a backup."


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
    found = told(place)
    assert found["verdict"] == "fail"
    ends = [(step["name"], step["state"]) for step in found["steps"]]
    assert ends == [("configuration", "passed"), ("look", "failed"), ("clean", "passed")]
    assert found["steps"][1]["detail"] == f"the drill was interrupted ({signal.Signals(number).name})"
    assert not place.work.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(stamp.read_text(encoding="ascii")), 0)
