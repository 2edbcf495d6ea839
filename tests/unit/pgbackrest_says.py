"""What pgBackRest prints of a repository, as its versions on Debian 12 and 13 print it."""

import json
import sys
from pathlib import Path
from typing import Any

# Last, so that nothing in it goes before another module.
sys.path.append(str(Path(__file__).resolve().parents[2] / "roles/backup/files"))

import bordbuch_pgbackrest as seam
import bordbuch_wal as wal

__all__ = ["listed", "printed", "said", "seam", "wal"]


def listed(label: str, *, identity: int = 1, number: int = 1, stop: int = 160, **more: Any) -> dict[str, Any]:
    """Return a backup of the cluster *identity* in repository *number* that was complete at the second *stop*."""
    return {
        "archive": {"start": wal.file_name(1, 3), "stop": wal.file_name(1, 3)},
        "backrest": {"format": 5, "version": "2.55.1"},
        "database": {"id": identity, "repo-key": number},
        "error": False,
        "info": {"delta": 30_000_000, "repository": {"delta": 4_200_000}, "size": 30_000_000},
        "label": label,
        "lsn": {"start": "0/3000028", "stop": "0/30004D8"},
        "timestamp": {"start": stop - 60, "stop": stop},
        "type": {"D": "diff", "I": "incr"}.get(label[-1], "full"),
        **more,
    }


def printed(*backups: dict[str, Any], code: int = 0, message: str = "ok", **more: Any) -> dict[str, Any]:
    """Return a repository with these backups, of one cluster unless *more* says otherwise."""
    key = {"repo-key": 1}
    told = {"code": code, "message": message}
    return {
        "name": "main",
        "archive": [
            {"database": {"id": 1, **key}, "id": "17-1", "min": wal.file_name(1, 3), "max": wal.file_name(1, 3)}
        ],
        "db": [{"id": 1, **key, "system-id": 1, "version": "17"}],
        "backup": list(backups),
        "repo": [{"cipher": "aes-256-cbc", "key": 1, "status": told}],
        "status": {"code": code, "lock": {"backup": {"held": False}}, "message": message},
        **more,
    }


def said(*labels: str, code: int = 0, message: str = "not ok") -> str:
    """Return the whole text for a repository that has the backups *labels*."""
    rows = [listed(label, stop=160 + number) for number, label in enumerate(labels)]
    return json.dumps([printed(*rows, code=code, message=message if code else "ok")])
