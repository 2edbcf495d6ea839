"""A new role: it follows every rule for roles at once, and a name that cannot be one is refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ops.errors import BadInput
from ops.tasks import role as tasks
from tests.unit import test_roles as rules

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "roles" / "base").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "README.md", tmp_path / "docs")
    return tmp_path


RULES = [rule for name, rule in vars(rules).items() if name.startswith("test_") and hasattr(rule, "pytestmark")]
"""The tests of test_roles.py that hold for each role."""


def test_there_are_rules() -> None:
    assert len(RULES) > 5


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_new_role_follows(checkout: Path, rule: object) -> None:
    tasks.make(checkout, "dovecot")
    rule(checkout / "roles" / "dovecot")  # type: ignore[operator]  # a test of one role


def test_nothing_of_the_template_is_left(checkout: Path) -> None:
    for path in tasks.make(checkout, "dovecot"):
        assert tasks.PLACEHOLDER not in f"{path}{path.read_text(encoding='utf-8')}"
        assert path.suffix != tasks.ENDING


def test_a_new_role_is_clean_for_yamllint(checkout: Path) -> None:
    tasks.make(checkout, "dovecot")
    program = Path(sys.executable).with_name("yamllint")
    command = [program, "--strict", "--config-file", ROOT / ".yamllint", checkout / "roles"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


def test_the_index_names_the_new_role_once(checkout: Path) -> None:
    written = tasks.make(checkout, "dovecot")
    index = checkout / "docs" / "README.md"
    assert index in written
    line = next(text for text in index.read_text(encoding="utf-8").split("\n- ") if text.startswith("Roles: "))
    assert line.endswith(",\n  [dovecot](../roles/dovecot/README.md).")
    assert "[base](../roles/base/README.md)" in line


@pytest.mark.parametrize("name", ["", "x", "Dovecot", "dove-cot", "1st", "../base", "all", "tasks", "a" * 32, "ä1"])
def test_a_name_that_cannot_be_one_is_refused(checkout: Path, name: str) -> None:
    with pytest.raises(BadInput, match="cannot be the name of a role"):
        tasks.make(checkout, name)
    assert [path.name for path in (checkout / "roles").iterdir()] == ["base"]


def test_a_name_that_is_taken_is_refused(checkout: Path) -> None:
    with pytest.raises(BadInput, match="there is a role base already"):
        tasks.make(checkout, "base")
    assert list((checkout / "roles" / "base").iterdir()) == []
