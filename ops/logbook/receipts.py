"""Receipts: what the off-host repository took, when by its own clock, in a file that operators cannot change. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ops.logbook.finding import Finding
from ops.logbook.history import Commit

NONE = "0" * 40
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([a-z][a-z0-9-]*) ([0-9a-f]{40}) ([0-9a-f]{40})", re.ASCII)


class Receipt(NamedTuple):
    """One push as the server saw it: when, whose SSH key, from which commit to which."""

    time: datetime
    by: str
    old: str
    new: str


def parse_receipts(text: str) -> tuple[Receipt, ...]:
    """Return the receipts of *text*; lines that are none are left out, ``judge_text`` names them."""
    return tuple(receipt for line in text.splitlines() if (receipt := _receipt(line)))


def _receipt(line: str) -> Receipt | None:
    found = _LINE.fullmatch(line)
    try:
        return Receipt(datetime.fromisoformat(found[1]), found[2], found[3], found[4]) if found else None
    except ValueError:
        return None


def judge_text(text: str, seen_before: str, judged: int = 0) -> Iterator[Finding]:
    """Yield what is wrong with the receipts as text: no receipt, or not the ones that this clone saw before.

    Args:
        text: all receipts.
        seen_before: what they must begin with.
        judged: how many characters of them were judged before.
    """
    for number, line in enumerate(text[judged:].splitlines(), start=1 + text.count("\n", 0, judged)):
        if not _receipt(line):
            yield Finding(rule="receipt", what=f"line {number} of the receipts is none: {line[:80]!r}")
    if not text.startswith(seen_before):
        yield Finding(rule="receipt", what="the receipts are not those that this clone saw before, with new ones added")


def judge_chain(
    receipts: Sequence[Receipt],
    commits: Mapping[str, Commit],
    head: str,
    last: str = NONE,
    when: datetime | None = None,
) -> Iterator[Finding]:
    """Yield what is wrong with *receipts*: a gap, a commit that is gone, the newest one not the *head*.

    Args:
        receipts: those to judge.
        commits: the history, each after its parents.
        head: the newest commit of the off-host repository, empty if there is none.
        last: where the receipt before them ended.
        when: the time of the receipt before them.
    """
    places = {commit: place for place, commit in enumerate(commits)}
    for receipt in receipts:
        if receipt.old != last:
            words = f"a receipt is missing between {last[:12]} and {receipt.old[:12]}"
            yield Finding(rule="receipt", commit=receipt.new, what=words)
        if when and receipt.time < when:
            yield Finding(rule="receipt", commit=receipt.new, what="the receipts are not in the order of their times")
        if receipt.new not in commits:
            words = f"was received on {receipt.time:%Y-%m-%d %H:%M:%S} UTC from {receipt.by} and is not in the history"
            yield Finding(rule="history", commit=receipt.new, what=words)
        elif places[receipt.new] <= places.get(receipt.old, -1):
            yield Finding(rule="receipt", commit=receipt.new, what="a receipt goes back in the history")
        last, when = receipt.new, receipt.time
    if head and head != last and head in commits:
        yield Finding(rule="receipt", commit=head, what="the off-host repository holds it without a receipt")
    if not head and last != NONE:
        yield Finding(rule="remote", what="the off-host repository is empty, and its receipts say that it was not")


def received(receipts: Sequence[Receipt], commits: Mapping[str, Commit]) -> dict[str, Receipt]:
    """Return for each commit the first receipt that covers it."""
    covered: dict[str, Receipt] = {}
    for receipt in receipts:
        pending = [receipt.new]
        while pending:
            commit = pending.pop()
            if commit in commits and commit not in covered:
                covered[commit] = receipt
                pending += commits[commit].parents
    return covered
