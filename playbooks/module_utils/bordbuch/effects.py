"""What a set of package changes will touch besides files: running services, the boot, room on the file systems."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

INFO = Path("/var/lib/dpkg/info")
RESERVE_BYTES = 50_000_000
"""Room that stays free beside what the packages need: logs and temporary files of the same minutes."""

REBOOT_ONLY = ("dbus.service", "dbus-broker.service")
"""What cannot be restarted under everything that is connected to it: only a reboot brings it onto new files."""

_KERNEL = re.compile(r"linux-image-\d")


def merged(path: str) -> str:
    """Return *path* as the kernel names it on a host with a merged /usr (dpkg still lists ``/lib/…``)."""
    return f"/usr{path}" if re.match(r"/(lib\w*|bin|sbin)/", path) else path


def files_of(name: str, architecture: str) -> set[str]:
    """Return the paths that an installed package owns."""
    listings = (INFO / f"{name}.list", INFO / f"{name}:{architecture}.list")
    return {merged(line) for path in listings if path.exists() for line in path.read_text().splitlines()}


def services_of_packages(names: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return, by name, the running services that run on files of each of the installed packages *names* (name, architecture)."""
    using = services_by_file()
    found: dict[str, set[str]] = {}
    for name, architecture in names:
        paths = files_of(name, architecture) & using.keys()
        found.setdefault(name, set()).update(*(using[path] for path in paths))
    return {name: sorted(services) for name, services in found.items() if services}


def services_by_file() -> dict[str, set[str]]:
    """Return, by path, the running services of which a process has that file as its program or mapped into memory."""
    using: dict[str, set[str]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        if service := service_of(process):
            for path in mapped(process):
                using.setdefault(path, set()).add(service)
    return using


def only_by_reboot(names: Iterable[str], services: dict[str, list[str]]) -> list[str]:
    """Return which packages of *names* take effect by a reboot only: a kernel, and what such *services* run on."""
    return sorted(name for name in names if _KERNEL.match(name) or set(services.get(name, ())) & {*REBOOT_ONLY})


def mapped(process: Path) -> set[str]:
    """Return the files that the process at ``/proc/PID`` runs on; none if it ended meanwhile."""
    try:
        maps = (process / "maps").read_text()
    except OSError:
        return set()
    return {line.rstrip("\n").split(None, 5)[5] for line in maps.splitlines() if "/" in line}


def service_of(process: Path) -> str:
    """Return the service that the process at ``/proc/PID`` belongs to, as needrestart names it, empty if to none."""
    if process.name == "1":
        return "systemd-manager"
    try:
        groups = (process / "cgroup").read_text()
    except OSError:
        return ""
    names = re.findall(r"/([^/\n]+\.service)(?:/|$)", groups, re.M)
    return names[0] if names else ""


def brings_kernel(names: Iterable[str]) -> bool:
    """Return whether a kernel image is among the package *names*."""
    return any(_KERNEL.match(name) for name in names)


def room(growth: int, largest: int, to_download: int, kernel: bool) -> list[dict[str, object]]:
    """Return free and needed bytes of ``/``, ``/var`` and ``/boot``.

    Args:
        growth: how much the installed packages grow, in bytes.
        largest: the installed size of the largest package, which dpkg unpacks beside the old one.
        to_download: bytes that are not yet in the cache.
        kernel: a kernel comes, so that /boot takes another image and initial file system.
    """
    boot = sum(path.stat().st_size for path in Path("/boot").iterdir() if path.is_file()) if kernel else 0
    needs = {"/": growth + largest, "/var": to_download, "/boot": boot}
    return [
        {"path": path, "free_bytes": free_bytes(path), "needed_bytes": needed + RESERVE_BYTES if needed else 0}
        for path, needed in needs.items()
        if Path(path).is_dir()
    ]


def free_bytes(path: str) -> int:
    """Return the bytes that may still be written to the file system of *path*."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
