"""Ending a lab's processes, on a folder that stands for the kernel's: the race cannot be had at will on the real one."""

import threading
from pathlib import Path

import pytest

from ops.errors import Failed
from ops.lab import cgroup


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the group ``lab``, in which a process lives."""
    monkeypatch.setattr(cgroup, "_ROOT", tmp_path)
    (tmp_path / "cgroup.procs").touch()
    cgroup.make("lab")
    (tmp_path / "lab/cgroup.events").write_text("populated 1\n")
    return tmp_path / "lab"


def test_what_enters_the_group_after_the_first_kill_is_killed_too(group: Path) -> None:
    def enter_late() -> None:
        for _ in range(2):
            while not (group / "cgroup.kill").exists():
                pass
            (group / "cgroup.kill").unlink()
        (group / "cgroup.events").write_text("populated 0\n")

    late = threading.Thread(target=enter_late, daemon=True)
    late.start()
    cgroup.kill("lab", limit=5)
    late.join(5)
    assert not late.is_alive()


def test_what_cannot_be_killed_is_said(group: Path) -> None:
    with pytest.raises(Failed, match="do not end"):
        cgroup.kill("lab", limit=0.05)
