"""The lock of a host: one change at a time, whoever starts it from wherever. It has no time to live."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.module_utils.bordbuch.state import read

PATH = Path("/var/lib/bordbuch/lock.json")


def holder() -> dict[str, object] | None:
    """Return who holds this host: change, operator, controller, since; None where nobody does."""
    return read(PATH)


def take(claim: dict[str, object]) -> dict[str, object] | None:
    """Take the lock for *claim* (change, operator, controller, since), or return who else holds it.

    The same change takes its own lock again: that is how it is resumed.
    """
    PATH.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    candidate = PATH.with_name(f"lock.{os.getpid()}")
    candidate.write_text(json.dumps(claim, sort_keys=True))
    try:
        os.link(candidate, PATH)  # fails if it exists, and is never seen half written
        return None
    except FileExistsError:
        found = holder()
        return None if found and found["change"] == claim["change"] else found or take(claim)
    finally:
        candidate.unlink()


def free(change: str | None) -> dict[str, object] | None:
    """Free the lock of *change* (None: of whoever holds it) and return who held it, None if there was nothing to free."""
    found = holder()
    if found is None or (change is not None and found["change"] != change):
        return None
    PATH.unlink(missing_ok=True)
    return found
