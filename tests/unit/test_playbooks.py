"""What holds for every play, whoever adds it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(ROOT.glob("playbooks/*.yml"))
PLAYS = [(path, play) for path in PLAYBOOKS for play in yaml.safe_load(path.read_text(encoding="utf-8"))]

every_playbook = pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)
every_play = pytest.mark.parametrize(
    ("path", "play"), PLAYS, ids=[f"{path.name}: {play.get('name')}" for path, play in PLAYS]
)


def explains_itself(path: Path, play: dict[str, Any]) -> bool:
    """Return whether a comment stands above the play, or above its max_fail_percentage."""
    lines = path.read_text(encoding="utf-8").splitlines()
    place = lines.index(f"- name: {play['name']}")
    rest = [number for number, line in enumerate(lines) if number > place and "max_fail_percentage" in line]
    return any(lines[number - 1].lstrip().startswith("#") for number in [place, *rest[:1]])


@every_playbook
def test_a_playbook_begins_with_what_it_is_for(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "---"
    assert re.match(r"# [A-Z].*", lines[1]), "after ---, a comment says what the playbook does"


@every_play
def test_a_play_has_a_name(path: Path, play: dict[str, Any]) -> None:
    assert re.match(r"[A-Z]", play.get("name", "")), path.name


@every_play
def test_a_play_fails_fast_or_says_why_not(path: Path, play: dict[str, Any]) -> None:
    fails_fast = play.get("any_errors_fatal") is True or play.get("max_fail_percentage") == 0
    assert fails_fast or explains_itself(path, play), (
        "any_errors_fatal, max_fail_percentage: 0, or a comment with why not"
    )


@every_play
def test_a_play_says_whether_it_gathers_facts(path: Path, play: dict[str, Any]) -> None:
    assert isinstance(play.get("gather_facts"), bool), path.name


@every_playbook
def test_errors_are_not_ignored(path: Path) -> None:
    assert "ignore_errors" not in path.read_text(encoding="utf-8")


def test_the_whole_sets_up_the_base_first() -> None:
    plays = [play for path, play in PLAYS if path.name == "site.yml"]
    assert plays[0]["roles"] == ["base"]
    assert plays[0]["hosts"] == "all"
