"""What is done on lab hosts over SSH: waiting for them, running programs, filling their file systems."""

import shlex
import socket
import subprocess
import time
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal, Protocol

from ops.errors import Failed

_NO_CONTACT = 255
"""The exit code with which ssh says that it has no connection."""

_FILL = """
set -eu
used=$(du -sxm -- "$1" | cut -f1)
mkdir -p /run/lab-fill
mount -t tmpfs -o "size=$((used + used / 4 + 16))m,mode=$(stat -c %a -- "$1")" tmpfs /run/lab-fill
cp -a -- "$1/." /run/lab-fill/
dd if=/dev/zero of=/run/lab-fill/.lab-fill bs=64k 2>/dev/null || :  # it ends when there is no room, as it should
truncate -s "-$2" /run/lab-fill/.lab-fill
mount --bind /run/lab-fill "$1"
umount /run/lab-fill
rmdir /run/lab-fill
"""


class Reachable(Protocol):
    """What waiting needs of a lab."""

    @property
    def ssh_config(self) -> Path:
        """The file for ``ssh -F``."""

    def is_on(self, name: str) -> bool:
        """Whether the host's supervisor lives."""


def run_on(
    config: Path, name: str, argv: Sequence[str], *, given: str | None = None, limit: float = 60, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program on a host; parameters and faults are those of `Lab.run_on`."""
    try:
        done = subprocess.run(
            ["ssh", "-F", str(config), "-o", "BatchMode=yes", name, shlex.join(argv)],
            input="" if given is None else given, capture_output=True, text=True, timeout=limit, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{argv[0]} took longer than {limit:.0f} s", host=name) from error
    if done.returncode == _NO_CONTACT:
        raise Failed(f"no contact: {done.stderr.strip()}", host=name)
    if check and done.returncode:
        raise Failed(f"{shlex.join(argv)} ended with {done.returncode}: {done.stderr.strip()}", host=name)
    return done


def wait_ready(lab: Reachable, name: str, address: IPv4Address, limit: float) -> None:
    """Wait until systemd on the host says that it runs.

    Raises:
        Failed: not within *limit* seconds, the host went off, or units failed.
    """
    deadline = time.monotonic() + limit
    state = ""
    while state not in ("running", "degraded"):
        if time.monotonic() > deadline or not lab.is_on(name):
            raise Failed(f"the host did not become ready within {limit:.0f} s ({state or 'no answer'})", host=name)
        state = _ask_state(lab, name, deadline) if _answers(address) else ""
    if state == "degraded":
        failed = run_on(lab.ssh_config, name, ["systemctl", "--failed", "--plain", "--no-legend"]).stdout
        raise Failed(f"units failed while it booted: {' '.join(failed.split())}", host=name)


def _answers(address: IPv4Address) -> bool:
    try:
        with socket.create_connection((str(address), 22), timeout=1) as connection:
            connection.settimeout(1)
            return connection.recv(4) == b"SSH-"
    except OSError:
        time.sleep(0.05)
        return False


def _ask_state(lab: Reachable, name: str, deadline: float) -> str:
    """Return systemd's word on the whole system; empty where the bus is not there yet."""
    argv = ["systemctl", "is-system-running", "--wait"]
    limit = max(1.0, deadline - time.monotonic())
    try:
        return run_on(lab.ssh_config, name, argv, limit=limit, check=False).stdout.strip()
    except Failed:
        time.sleep(0.05)
        return ""


def close_connections(folder: Path, how: Literal["exit", "stop"]) -> None:
    """Close the SSH connections that Ansible kept open: at once, or as soon as what runs over them has ended."""
    for path in folder.glob("*"):
        if path.is_socket():
            argv = ["ssh", "-O", how, "-o", f"ControlPath={path}", "lab"]
            subprocess.run(argv, capture_output=True, check=False, timeout=10)


def fill(lab: Reachable, name: str, path: str, leave_bytes: int) -> None:
    """Mount a file system over *path* that holds what is there and has *leave_bytes* left."""
    run_on(lab.ssh_config, name, ["sh", "-c", _FILL, "fill", path, str(leave_bytes)])


def drain(lab: Reachable, name: str, path: str) -> None:
    """Remove what took the room."""
    run_on(lab.ssh_config, name, ["rm", "--", f"{path}/.lab-fill"])
