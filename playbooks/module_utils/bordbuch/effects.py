"""What a set of package changes will touch besides files: running services, the boot, room on the file systems."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

INFO = Path("/var/lib/dpkg/info")
RESERVE_BYTES = 50_000_000
"""Room that stays free beside what the packages need: logs and temporary files of the same minutes."""

_KERNEL = re.compile(r"linux-image-\d")


def merged(path: str) -> str:
    """Return *path* as the kernel names it on a host with a merged /usr (dpkg still lists ``/lib/…``)."""
    return f"/usr{path}" if re.match(r"/(lib\w*|bin|sbin)/", path) else path


def files_of(names: Iterable[tuple[str, str]]) -> set[str]:
    """Return the paths that the installed packages *names* (name, architecture) own."""
    listings = [path for name, arch in names for path in (INFO / f"{name}.list", INFO / f"{name}:{arch}.list")]
    return {merged(line) for path in listings if path.exists() for line in path.read_text().splitlines()}


def services_using(files: set[str]) -> list[str]:
    """Return the running services of which a process has one of *files* as its program or mapped into memory."""
    using = (process for process in Path("/proc").glob("[0-9]*") if mapped(process) & files)
    return sorted({unit for unit in map(service_of, using) if unit})


def services_on_deleted(files: set[str]) -> list[str]:
    """Return the running services of which a process still runs on a deleted former version of one of *files*."""
    return services_using({f"{path} (deleted)" for path in files})


def mapped(process: Path) -> set[str]:
    """Return the files that the process at ``/proc/PID`` runs on; none if it ended meanwhile."""
    try:
        maps = (process / "maps").read_text()
    except OSError:
        return set()
    return {line.rstrip("\n").split(None, 5)[5] for line in maps.splitlines() if "/" in line}


def service_of(process: Path) -> str:
    """Return the systemd service that the process at ``/proc/PID`` belongs to, empty if to none."""
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
