"""What verdicts are made from, and what all questions to the records have in common. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from ops.inventory import Inventory
from ops.logbook.operators import Operators
from ops.logbook.verify import Audit
from ops.runbook.requirements import Check, Exceptional
from ops.runbook.store import Exposure, Seen
from ops.runbook.summary import Summary

PLANNED_KINDS = ("patch", "revert", "restore")
"""Kinds of changes that need a plan; playbooks without one read, or bring hosts to what the roles say."""

OPEN_SECONDS = 86400
"""After this a change that has no end is an exception."""

DRILL_DAYS = 9
"""Drills run weekly; `invoke backup.check` complains after as many days."""

BACKUP_DAYS = 30
"""Over how many days it is looked whether each has a backup."""

ACCESS_DAYS = 31
"""Access rights are compared monthly; what is older is old."""

PATCH_SECONDS = 7 * 86400
"""Within this a security update is to be installed: the week of the runbook's head."""


@dataclass(frozen=True)
class Promise:
    """What is promised: seconds that may be lost, seconds that a restore may take."""

    point: int
    time: int


@dataclass(frozen=True)
class Grounds:
    """What verdicts are made from; of ``installed`` advisories, counted on each host, ``in_time`` were within the limit."""

    summaries: Sequence[Summary]
    inventory: Inventory
    operators: Operators
    looks: dict[str, Seen]
    exposures: Sequence[Exposure]
    installed: int
    in_time: int
    signers: Sequence[tuple[str, str, int, int, int]]
    promise: Promise
    now: datetime
    audit: Audit | None = None

    @cached_property
    def _by_kind(self) -> dict[str, list[Summary]]:
        found: dict[str, list[Summary]] = {}
        for one in self.summaries:
            if one.begun and one.outcome not in ("", "refused"):
                found.setdefault(one.kind, []).append(one)
        return found

    def of(self, *kinds: str) -> list[Summary]:
        """Return the changes of *kinds* that ended after they had begun, kind by kind, the oldest first."""
        return [one for kind in kinds for one in self._by_kind.get(kind, ())]


def newest_by_host(comparisons: Iterable[Summary]) -> dict[str, Summary]:
    """Return the newest of the *comparisons* of access rights, the oldest first, that took in each host."""
    return {host: one for one in comparisons if one.ended for host in one.hosts}


def share(
    question: str, of: Iterable[Summary], good: Callable[[Summary], bool], what: str, *, needed: bool = True
) -> Check:
    """Return how many of the changes *of* are *good*; the others are exceptions, said as *what*."""
    changes = list(of)
    bad = [one for one in changes if not good(one)]
    named = tuple(Exceptional(what, one.id) for one in bad)
    return Check(question, len(changes), len(changes) - len(bad), named, needed)


def age(on: Grounds, time: datetime) -> float:
    """Return how many seconds ago *time* was."""
    return (on.now - time).total_seconds()
