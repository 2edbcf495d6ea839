"""Files that are written whole or not at all, and files that nobody changes."""

from __future__ import annotations

import array
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

GET_FLAGS, SET_FLAGS, IMMUTABLE = 0x80086601, 0x40086602, 0x10
"""From linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IMMUTABLE_FL."""


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write *path* whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    with aside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.chmod(mode)
    aside.replace(path)


def flag(paths: Iterable[str], *, on: bool) -> int:
    """Set or clear the immutable flag of *paths* and return how many were changed."""
    changed = 0
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue  # a link, or gone meanwhile
        try:
            changed += set_flag(descriptor, on=on)
        finally:
            os.close(descriptor)
    return changed


def set_flag(descriptor: int, *, on: bool) -> bool:
    """Set or clear the flag of an open file and return whether it was otherwise."""
    flags = array.array("L", [0])
    fcntl.ioctl(descriptor, GET_FLAGS, flags)
    wanted = flags[0] | IMMUTABLE if on else flags[0] & ~IMMUTABLE
    if wanted == flags[0]:
        return False
    fcntl.ioctl(descriptor, SET_FLAGS, array.array("L", [wanted]))
    return True
