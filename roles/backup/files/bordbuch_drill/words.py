"""Texts: times, lines of the ledger, and what a person reads: errors on one line, and not too many names."""

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
