"""What a lab leaves on the machine: nothing, once it is down."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ops.lab import Lab, cgroup


def traces(lab: Lab) -> list[str]:
    """Return every process, mount, interface, table, group and file outside its folder that belongs to *lab*."""
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True, timeout=10).stdout
    return [
        *processes(lab),
        *(line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(lab.state) in line),
        *(path.name for path in Path("/sys/class/net").glob(f"*-{lab.name.id}*")),
        *(line for line in tables.splitlines() if lab.name.table in line),
        *(str(path) for path in cgroup.groups(lab.name.cgroup) if path.exists()),
        *(str(path) for path in Path("/run/bordbuch").glob(lab.name.id)),
    ]


def processes(lab: Lab) -> list[str]:
    """Return the processes in the lab's control groups, and those that name its folder."""
    return [f"{path.name} {comm(path)}" for path in Path("/proc").glob("[0-9]*") if belongs(path, lab)]


def comm(process: Path) -> str:
    """Return the program's name, empty if the process has gone meanwhile."""
    with suppress(OSError):
        return (process / "comm").read_text().strip()
    return ""


def belongs(process: Path, lab: Lab) -> bool:
    """Whether *process* (a folder of /proc) is one of the lab's; a zombie is none."""
    with suppress(OSError):
        groups = (process / "cgroup").read_text()
        words = (process / "cmdline").read_bytes().decode(errors="replace")
        return bool(words) and (f"/{lab.name.cgroup}/" in groups or str(lab.state) in words)
    return False


def supervisor(lab: Lab, name: str) -> int:
    """Return the process id of the host's supervisor."""
    members = (cgroup.groups(f"{lab.name.cgroup}/{name}")[0] / "cgroup.procs").read_text().split()
    return next(int(pid) for pid in members if comm(Path("/proc") / pid) == "unshare")


def becomes_true(condition: Callable[[], bool], limit: float = 10) -> bool:
    """Wait until *condition* holds, at most *limit* seconds, and return whether it does."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
