"""What the modules of a patch decide on a host, as far as it can be seen without one."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import ansible.module_utils
import pytest

from playbooks.module_utils.bordbuch import unit

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let modules find what they share, as Ansible does."""
    shared = [*ansible.module_utils.__path__, str(ROOT / "playbooks/module_utils")]
    monkeypatch.setattr(ansible.module_utils, "__path__", shared)


@pytest.fixture
def health() -> ModuleType:
    return importlib.import_module("ansible.module_utils.bordbuch.health")


@pytest.fixture
def hold() -> ModuleType:
    spec = importlib.util.spec_from_file_location("patch_hold", ROOT / "playbooks/library/patch_hold.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_a_service_is_renewed_as_needrestart_would(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(unit, "INSTEAD", tmp_path)
    assert unit.renewal("haproxy.service") == ["systemctl", "try-restart", "haproxy.service"]
    program = tmp_path / "haproxy.service"
    program.touch(mode=0o644)
    assert unit.renewal("haproxy.service")[0] == "systemctl", "what cannot be run is not run"
    program.chmod(0o755)
    assert unit.renewal("haproxy.service") == [str(program)]
    assert unit.renewal("systemd-manager") == ["systemctl", "daemon-reexec"]


@pytest.mark.parametrize(
    ("before", "now", "detail"),
    [
        ("echo 15-main online", "echo 15-main online", ""),
        ("echo 15-main online", "echo 15-main down", "was 15-main online, is 15-main down"),
        ("echo one; echo two", "true", "was one, two, is nothing"),
        ("echo one", "echo one; false", "was one, is one (exit code 1)"),
        (None, None, ""),
        (None, "echo one", "was not there, is one"),
        ("echo one", None, "was one, is not there"),
    ],
)
def test_what_must_be_the_same_is_compared(
    health: ModuleType, before: str | None, now: str | None, detail: str
) -> None:
    (check,) = health.compared([row(now)], health.outputs([row(before)]))
    (found,) = health.examine([{**check, "seconds": 0}])
    assert found == {"name": "clusters as before", "passed": not detail, "detail": detail}


def test_what_nobody_looked_at_before_is_no_yes(health: ModuleType) -> None:
    (check,) = health.compared([row("true")], {})
    (found,) = health.examine([{**check, "seconds": 0}])
    assert (found["passed"], found["detail"]) == (False, "nobody looked before")


def row(script: str | None) -> dict[str, Any]:
    return {"name": "clusters", "command": ["/nowhere/list"] if script is None else ["sh", "-c", script]}


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (["sh", "-c", "echo held for 2 s"], ("", "held for 2 s")),
        (["sh", "-c", "echo 3 left >&2; exit 1"], ("3 left", "")),
        (["false"], ("exit code 1", "")),
        (["/nowhere/proxy"], ("", "nothing was held: the program is not there")),
    ],
)
def test_what_is_not_held_is_told(hold: ModuleType, command: list[str], answer: tuple[str, str]) -> None:
    assert hold.complaint(command) == answer
