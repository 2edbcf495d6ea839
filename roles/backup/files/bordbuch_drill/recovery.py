"""What a restore and the recovery after it need, and what it means that they do not end well."""

import re
from collections.abc import Sequence

from bordbuch_pgbackrest import fetch_fault
from bordbuch_wal import SEGMENT_BYTES

from bordbuch_drill.model import Failed


def check_room(free: int, needed: int) -> None:
    """Check that a backup of so many bytes fits, with some WAL beside it.

    Raises:
        Failed: it does not.
    """
    needed += needed // 10 + 16 * SEGMENT_BYTES
    if free < needed:
        raise Failed(
            f"The restore needs {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free below the drill's folder."
        )


def control_settings(text: str) -> dict[str, str]:
    """Return the settings that recovery needs at least, by what pg_controldata says of the restored database."""
    found = dict(re.findall(r"^(max_\w+) setting:\s+(\d+)$", text, re.MULTILINE))
    return {
        # A transaction that was prepared, and its locks, must find room; both may have been raised after the backup.
        "max_prepared_transactions": str(max(2 * int(found.get("max_prepared_xacts", 0)), 64)),
        "max_locks_per_transaction": str(max(2 * int(found.get("max_locks_per_xact", 0)), 256)),
    }


def judge_recovery(log: str) -> str:
    """Return in words why recovery did not come to its end, by what the server, and what fetches WAL for it, have said."""
    lines = [re.sub(r"^\S+ \S+ \S+ \[\d+\] ", "", line) for line in log.splitlines()]
    lines = [line for line in lines if "the database system is" not in line]
    what = wal_fault(lines)
    if any("recovery ended before configured recovery target" in line for line in lines):
        done = re.findall(r"redo done at (\S+)", log)
        return f"{what}. Recovery ended {f'at {done[-1]}' if done else 'before it began'}, short of its target."
    if any(re.search(r"could not locate (a valid|required) checkpoint", line) for line in lines):
        return f"{what}. The backup itself needs it."
    last = next((line for line in reversed(lines) if re.match(r"(FATAL|PANIC|ERROR):", line)), "")
    return f"The restored server ended: {last or next(reversed(lines), 'it said nothing')}"


def wal_fault(lines: Sequence[str]) -> str:
    """Return what is wrong with the WAL: a file could not be fetched, or the server could not read on in one."""
    stops = r"LOG:\s+(incorrect|invalid|unexpected|out-of-sequence|.*contrecord|record )"
    damage = [line for line in lines if re.match(stops, line)]
    if not_fetched := fetch_fault(lines):
        return not_fetched
    if damage:
        return f"A WAL file is damaged: {damage[-1].partition(':')[2].strip()}"
    return "A WAL file is missing or damaged"
