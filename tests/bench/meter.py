"""What a piece of work took: time, and whose processor seconds, so that figures of a busy machine can be judged."""

import os
import re
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.lab import Lab, cgroup

CORES = os.cpu_count() or 1
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Reading:
    """Seconds: on the clock, and of processors, by those who used them."""

    clock: float = 0
    controller: float = 0
    hosts: float = 0
    others: float = 0
    """All that was neither ours nor idle: other programs of the machine, and what its own host took from it."""

    @property
    def others_share(self) -> float:
        return self.others / (self.clock * CORES)


@contextmanager
def metered(lab: Lab) -> Iterator[Reading]:
    """Fill in the reading that is yielded when the block ends.

    The controller's share is that of the children of this process that were waited for, theirs included, and of the SSH
    connections that Ansible leaves open; hosts are no children, and have their control group's figures.
    """
    reading = Reading()
    began, hosts, children, busy = time.monotonic(), host_seconds(lab), child_seconds(), busy_seconds()
    yield reading
    reading.clock = time.monotonic() - began
    reading.controller = child_seconds() - children + connection_seconds(lab)
    reading.hosts = host_seconds(lab) - hosts
    reading.others = max(0.0, busy_seconds() - busy - reading.hosts - reading.controller)


def child_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def busy_seconds() -> float:
    """Return the seconds in which the machine's processors were not idle, since it booted."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def host_seconds(lab: Lab) -> float:
    groups = [cgroup.groups(f"{lab.name.cgroup}/{host.name}")[0] for host in lab.hosts()]
    texts = [(group / "cpu.stat").read_text() for group in groups]
    return sum(int(text.split()[1]) for text in texts) / 1e6  # the first line is usage_usec


def connection_seconds(lab: Lab) -> float:
    """Return what the open SSH connections have used: they are nobody's children. New hosts have new ones."""
    return sum(process_seconds(pid) for pid in map(master, lab.files.control.iterdir()) if pid)


def master(socket: Path) -> int:
    """Return the pid of the ssh that listens on *socket*, 0 if none does."""
    command = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "check", "any"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stderr
    found = re.search(r"pid=(\d+)", said)
    return int(found[1]) if found else 0


def process_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
