"""The control groups of a lab: who is alive in them, freezing, killing, and leaving nothing behind."""

import time
from pathlib import Path

from ops.errors import Failed

_ROOT = Path("/sys/fs/cgroup")


def roots() -> list[Path]:
    """Return the hierarchies a host enters, cgroup v2 first (on a hybrid machine also systemd's own of v1).

    Raises:
        Failed: the machine has no cgroup v2.
    """
    if (_ROOT / "cgroup.procs").exists():
        return [_ROOT]
    if (_ROOT / "unified" / "cgroup.procs").exists():
        return [_ROOT / "unified", *(path for path in [_ROOT / "systemd"] if path.exists())]
    raise Failed("this machine has no cgroup v2, which the lab's hosts need", next_step="boot with unified cgroups")


def groups(name: str) -> list[Path]:
    """Return the folders of the group *name* (``bordbuch-x/app1``) in each hierarchy; they need not exist."""
    return [root / name for root in roots()]


def make(name: str) -> list[Path]:
    """Create the group *name* and return the files that a process enters it by."""
    paths = groups(name)
    for path in paths:
        path.mkdir(parents=True, exist_ok=True)
    return [path / "cgroup.procs" for path in paths]


def is_populated(name: str) -> bool:
    """Whether a process lives in the group or below it."""
    try:
        return "populated 1" in (groups(name)[0] / "cgroup.events").read_text()
    except FileNotFoundError:
        return False


def is_frozen(name: str) -> bool:
    """Whether the group was frozen by `freeze`."""
    try:
        return (groups(name)[0] / "cgroup.freeze").read_text().strip() == "1"
    except FileNotFoundError:
        return False


def freeze(name: str, frozen: bool) -> None:
    """Stop every process of the group where it stands, or let them go on."""
    (groups(name)[0] / "cgroup.freeze").write_text("1" if frozen else "0")


def kill(name: str, limit: float = 10) -> None:
    """Kill every process in the group and below it; wait until they are gone, at most *limit* seconds.

    Raises:
        Failed: something still lives afterwards.
    """
    if not groups(name)[0].exists():
        return
    deadline = time.monotonic() + limit
    while True:
        # Again each time: a host that was being started when its starter was killed enters the group a moment later.
        (groups(name)[0] / "cgroup.kill").write_text("1")
        if not is_populated(name):
            return
        if time.monotonic() > deadline:
            raise Failed(f"processes in the control group {name} do not end", next_step="look at them with ps")
        time.sleep(0.01)


def remove(name: str) -> None:
    """Remove the group and the empty ones below it, in each hierarchy."""
    for top in groups(name):
        if top.exists():
            _remove_tree(top)


def _remove_tree(top: Path) -> None:
    below = [path for path in top.rglob("*") if path.is_dir()]
    for path in sorted([top, *below], key=lambda path: len(path.parts), reverse=True):
        _remove_one(path)


def _remove_one(path: Path) -> None:
    # The kernel lets go of a dead process's group a moment after the process is gone.
    for _ in range(100):
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
        else:
            return
