"""Cases as data: what hosts told and a run did, and the plan, outcome and page that must come of it (tests/cases)."""

import json
import re
from pathlib import Path

import pytest

from ops.patch.facts import HostFacts
from tests.cases.case import EXPECTED, GIVEN, HERE, RESUMED, Case, folders
from tests.cases.situations import RELEASES, SITUATIONS

PROGRAMS = {"__init__.py", "README.md", "capture.py", "case.py", "fixed.py", "situations.py"}
OF_A_MACHINE = re.compile(
    r"/home/|/tmp/(?!payload|signature)|/root/|/usr/local/|\b(?!192\.0\.2\.|127\.0\.0\.)(?:\d{1,3}\.){3}\d{1,3}\b(?![-+.~])"
    r"|PRIVATE KEY|https?://(?!archive\.test/|192\.0\.2\.)"
)
BOOT_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")

each_case = pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)


@pytest.mark.parametrize("name", EXPECTED)
@each_case
def test_the_code_does_what_the_case_expects(folder: Path, name: str) -> None:
    expected = (folder / name).read_text(encoding="utf-8")
    found = Case.read(folder).expectations()[name]
    assert found == expected, "if that was meant: python -m tests.cases.capture --expectations, and read the diff"


@each_case
def test_a_case_lacks_nothing_and_holds_nothing_unused(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} - {RESUMED} == {*GIVEN, *EXPECTED}
    case = Case.read(folder)
    assert set(case.facts) == set(case.inventory.hosts), "each host of the inventory has told something, or null"
    planned = set(case.plan().actions.hosts)
    happened = [event for run in case.runs for event in run]
    assert all(case.runs), "a run without an event"
    assert {event.host for event in happened} - {""} <= planned, "events of hosts that were not planned for"
    assert [event for event in happened if event.type == "result" and not event.host] == []


@each_case
def test_what_hosts_told_can_be_read(folder: Path) -> None:
    for host, told in Case.read(folder).facts.items():
        if told is not None:
            assert HostFacts.model_validate(told).release in RELEASES.values(), host


@each_case
def test_a_case_holds_nothing_of_a_machine(folder: Path) -> None:
    for path in folder.iterdir():
        content = path.read_text(encoding="utf-8")
        assert OF_A_MACHINE.findall(content) == [], path.name
        assert {found[8:] for found in BOOT_ID.findall(content)} <= {"-0000-4000-8000-000000000000"}, path.name


def test_every_situation_was_captured_and_no_file_lies_about() -> None:
    names = {folder.name for folder in folders()}
    assert set(SITUATIONS) - names == set()
    assert {path.name for path in HERE.iterdir() if path.is_file()} == PROGRAMS


def test_cases_show_every_state_of_a_host_and_outcome_on_both_releases() -> None:
    read = [json.loads((folder / "outcome.json").read_text(encoding="utf-8")) for folder in folders()]
    assert {outcome["outcome"] for outcome in read} == {"verified", "failed", "refused", "interrupted"}
    states = {host["state"] for outcome in read for host in outcome["hosts"].values()}
    assert states == {"verified", "failed", "refused", "unreachable", "not-begun", "interrupted"}
    told = [facts for folder in folders() for facts in Case.read(folder).facts.values()]
    assert {facts["release"] for facts in told if facts} == {"bookworm", "trixie"}
