"""Texts: times, lines of the ledger, and what a person reads: errors on one line, and not too many names."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

NAMED = 5
"""How many single faults of a kind are named; the others are counted."""


def parse_time(text: str) -> datetime:
    """Return the time that *text* (ISO) means; without an offset it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def iso(moment: datetime) -> str:
    """Return a time as results have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def whole(text: str) -> list[tuple[int, str]]:
    """Return number and text of the lines that were written to their end: the ledger's daemon marks others with a tilde."""
    return [(number, line) for number, line in enumerate(text.split("\n")[:-1], 1) if not line.endswith("~")]


def first_line(text: str) -> str:
    """Return the first line of *text* that says something, without its full stop."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:300].rstrip(".")


def some(entries: Sequence[str]) -> str:
    """Return the first few of *entries* and how many more there are."""
    more = f" and {len(entries) - NAMED} more" if len(entries) > NAMED else ""
    return ", ".join(entries[:NAMED]) + more


def printable(text: str) -> str:
    """Return *text* on one line and without what is no letter: what a wrong key makes of a file may stand in an error."""
    return " ".join("".join(letter if letter.isprintable() and letter != "\ufffd" else " " for letter in text).split())


def own_words(text: str) -> str:
    """Return pgBackRest's first error of what it printed, without its time and process, and without its tries."""
    lines = [re.sub(r"^(\S+ \S+ )?P\d+\s+", "", line).strip() for line in text.splitlines()]
    first = next((number for number, line in enumerate(lines) if line.startswith("ERROR")), None)
    if first is None:
        return printable(next((line for line in lines if line), ""))[:300]
    said = [lines[first]]
    for line in lines[first + 1 :]:
        if not line or re.match(r"[A-Z]+:", line):
            break
        said.append(line)
    return re.sub(r" on retry after \d+ms( \[\w+\])?", "", printable(" ".join(said)))[:300]
