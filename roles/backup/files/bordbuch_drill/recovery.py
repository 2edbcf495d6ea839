"""What a restore and the recovery after it need, and what it means that they do not end well."""

import re
from collections.abc import Sequence

from bordbuch_pgbackrest import own_words

from bordbuch_drill.model import Failed
from bordbuch_drill.wal import SEGMENT_BYTES

KINDS = (
    (r"FileMissingError|\[055\]|missing file", "A file of the backup is missing in the repository"),
    (
        r"ChecksumError|\[026\]|checksum|decompress|inflate|\[029\]|FormatError|CryptoError|\[095\]|size .*do(es)? not match",
        "A file of the backup is damaged in the repository",
    ),
    (r"\[041\]|\[042\]|[Pp]ermission denied", "This account may not read a file of the repository"),
    (r"No space left", "There is no room left below the drill's folder"),
)
"""What pgBackRest's errors mean while it restores, by the first that fits."""


def explain(text: str) -> str:
    """Return what pgBackRest's error means, and the error."""
    said = own_words(text)
    meaning = next((words for pattern, words in KINDS if re.search(pattern, said)), "pgBackRest did not restore")
    return f"{meaning}: {said or 'it said nothing'}"


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
    """Return in words why recovery did not come to its end, by what the server and its calls of pgBackRest have said."""
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
    """Return what is wrong with the WAL: pgBackRest could not give a file, or the server could not read on in one."""
    errors = [number for number, line in enumerate(lines) if line.startswith("ERROR: [")]
    stops = r"LOG:\s+(incorrect|invalid|unexpected|out-of-sequence|.*contrecord|record )"
    damage = [line for line in lines if re.match(stops, line)]
    asked = [match for line in lines if (match := re.search(r"(unable to find|found) ([0-9A-F]{24}) in the ", line))]
    if errors:
        return f"A WAL file cannot be read: {own_words(chr(10).join(lines[errors[-1] :]))}"
    if asked and asked[-1][1] != "found":
        return f"A WAL file is missing: {asked[-1][2]}"
    if damage:
        return f"A WAL file is damaged: {damage[-1].partition(':')[2].strip()}"
    return "A WAL file is missing or damaged"
