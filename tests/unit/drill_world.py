"""The modules of a drill as they lie in the role, and markers, backups and outcomes that are easily made."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

# Last, so that nothing in it goes before another module.
sys.path.append(str(Path(__file__).resolve().parents[2] / "roles/backup/files"))

import bordbuch_pgbackrest as seam
import bordbuch_wal as wal
from bordbuch_drill import (
    application,
    contents,
    listing,
    model,
    prepare,
    recovery,
    request,
    result,
    run,
    server,
    target,
    words,
)

__all__ = [
    "application",
    "contents",
    "listing",
    "model",
    "prepare",
    "recovery",
    "request",
    "result",
    "run",
    "seam",
    "server",
    "target",
    "wal",
    "words",
]

FILES = Path(__file__).resolve().parents[2] / "roles/backup/files"
SEGMENT = 16 * 1024 * 1024
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def marker(number: int, segment: int, minute: int = 0, **more: Any) -> Any:
    """Return a marker whose restore point ends in the middle of a segment."""
    moment = NOON + timedelta(minutes=minute or number)
    values = {"time": moment, "lsn": segment * SEGMENT + 1000, "point": segment * SEGMENT + 2000, "seen": moment}
    return model.Marker(number=number, **{**values, **more})


def backup(label: str = "20261128-110000F", stop: int = 1, last: int = 9, minute: int = -60, **more: Any) -> Any:
    """Return a backup that ended at the begin of segment *stop*; the repository's WAL goes to the end of segment *last*."""
    ended = NOON + timedelta(minutes=minute)
    values = {
        "label": label,
        "type": "full",
        "began": ended,
        "ended": ended,
        "cluster": "17-1",
        "version": "17",
        "tool": "2.55",
        "first_wal": wal.file_name(1, stop),
        "stop": wal.as_lsn(stop * wal.SEGMENT_BYTES),
        "last_wal": wal.file_name(1, last),
        "damaged": False,
        "database_bytes": 10,
        "added_bytes": 5,
        "stored_bytes": 5,
    }
    return seam.Backup(**{**values, **more})


def name_of(timeline: int, segment: int) -> str:
    """Return a WAL file's name as xlog_internal.h makes it."""
    return f"{timeline:08X}{segment // 256:08X}{segment % 256:08X}"


def outcome(name: str, state: str = "passed", *, by_configuration: bool = False) -> Any:
    return model.Outcome(name, state, 0, "", by_configuration)


def check(act: Any, said: str) -> None:
    """Check that *act* fails with what is *said*, or not at all where that is nothing."""
    if said:
        with pytest.raises(model.Failed) as caught:
            act()
        assert said in str(caught.value)
    else:
        act()
