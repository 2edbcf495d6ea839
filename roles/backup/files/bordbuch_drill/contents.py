"""What is wrong with what was restored, against what the live database and the ledger have told."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from bordbuch_drill.model import Failed, Skipped
from bordbuch_drill.words import some, whole

BOUNDED_ROWS = 100
"""From how many rows on a table must have between half and twice as many."""


def judge_rows(
    expected: Mapping[str, int], found: Mapping[str, int], may_be_empty: Iterable[str], unlogged: Iterable[str]
) -> list[str]:
    """Return what is wrong with the counts of rows. A table that is not logged is empty after every recovery."""
    free = {*may_be_empty, *unlogged}
    faults = [f"{name} is missing" for name in sorted(expected) if name not in found]
    for name in sorted(name for name in expected if name in found and name not in free):
        before, after = expected[name], found[name]
        if before and not after:
            faults.append(f"{name} is empty, and had {before} rows")
        elif before >= BOUNDED_ROWS and not before / 2 <= after <= before * 2:
            faults.append(f"{name} has {after} rows, and had {before}")
    return faults


def judge_names(kind: str, expected: Iterable[str], found: Iterable[str]) -> list[str]:
    """Return which of the *expected* are not there."""
    there = set(found)
    return [f"{kind} {name} is missing" for name in sorted(set(expected) - there)]


def judge_sequences(lines: Iterable[str]) -> list[str]:
    """Return the sequences whose next value is taken: lines of name, highest value of its column, last value, whether used."""
    faults = []
    for line in lines:
        name, highest, last, used = line.rsplit("|", 3)
        following = int(last) + (used == "t")
        if highest and following <= int(highest):
            faults.append(f"{name} would give {following} next, and {highest} is in its column")
    return faults


def judge_values(expected: Mapping[str, int | None], found: Mapping[str, int | None]) -> list[str]:
    """Return the sequences that are behind an earlier value."""
    return [
        f"{name} is at {found.get(name)}, and was at {before}"
        for name, before in sorted(expected.items())
        if before is not None and (found.get(name) is None or int(found[name] or 0) < before)
    ]


def settle(faults: Sequence[str], facts_time: datetime, marker_time: datetime) -> None:
    """Decide what *faults* against the facts of the live database mean.

    Raises:
        Failed: the restored database should have all that the facts tell of.
        Skipped: the facts are newer than what was restored, so that a difference proves nothing.
    """
    if not faults:
        return
    newer = (facts_time - marker_time).total_seconds()
    if newer > 0:
        raise Skipped(
            f"The facts are {newer:.0f} s newer than the restored marker, so that this proves nothing: {some(faults)}."
        )
    raise Failed(f"{some(faults)}.")


def final_states(text: str) -> dict[int, str]:
    """Return the last state of each id in the ledger; deleted is final.

    Raises:
        Failed: a line cannot be read.
    """
    states: dict[int, str] = {}
    for number, line in whole(text):
        match = re.fullmatch(r"\S+ (locked|unlocked|deleted) (\d+)", line)
        if not match:
            raise Failed(f"Line {number} of the ledger cannot be read.")
        if states.get(int(match[2])) != "deleted":
            states[int(match[2])] = match[1]
    return states
