"""Ends a lab when the process that owns it is gone, however it ended: the labs of tests outlive no test run."""

import os
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ops.lab import cgroup
from ops.lab.machine import KEEPER, Machine

_ROOT = Path(__file__).parents[2]


def start_keeper(machine: Machine, owner: int) -> None:
    """Start, detached, the process that waits for *owner* (a process id) and then ends the lab."""
    group = f"{machine.lab.cgroup}/{KEEPER}"
    cgroup.kill(group)
    cgroup.make(group)
    argv = [sys.executable, "-m", "ops.lab", "--state", str(machine.files.state), "keep", str(owner)]
    nowhere = subprocess.DEVNULL
    subprocess.Popen(argv, cwd=_ROOT, start_new_session=True, stdin=nowhere, stdout=nowhere, stderr=nowhere)


def keep(machine: Machine, owner: int) -> None:
    """Wait until *owner* is gone, then end the lab. Ended itself by whoever ends the lab before."""
    _enter(cgroup.groups(f"{machine.lab.cgroup}/{KEEPER}"))
    with suppress(ProcessLookupError):
        watched = os.pidfd_open(owner)
        select.select([watched], [], [])
    _enter(cgroup.roots())
    machine.stop()


def _enter(groups: list[Path]) -> None:
    for group in groups:
        (group / "cgroup.procs").write_text(str(os.getpid()))
