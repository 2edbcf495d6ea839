"""How well records answer what an auditor checks. Pure.

A verdict is never better than the evidence: no record is *not met*, a check that nobody made is *partly* at best.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["met", "partly", "not-met"]
MOST_EXCEPTIONS = 20
"""How many exceptions a page names; the rest is counted."""


@dataclass(frozen=True)
class Exceptional:
    """One exception: the change that it is about (or none), and what is to be said in a text of the message file."""

    what: str
    change: str = ""
    subject: str = ""


@dataclass(frozen=True)
class Check:
    """One question to the records: of *total* that it concerns, *answered* answer it; the rest are *exceptions*.

    ``needed`` is false where no case is good news: nobody left, nothing was an emergency.
    """

    question: str
    total: int
    answered: int
    exceptions: tuple[Exceptional, ...] = ()
    needed: bool = True

    @property
    def verdict(self) -> Verdict:
        """Met if all answer, not met if none does or there are none."""
        if self.answered == 0:
            return "not-met"
        return "met" if self.answered == self.total else "partly"


@dataclass(frozen=True)
class Rule:
    """A rule as it is configured: a text of the message file, and what stands in its places."""

    text: str
    values: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Requirement:
    """What must be shown: ids of the catalogues, a title in words of our own, rules as configured, checks, and limits.

    A limit is what records cannot show or nobody looked at: with one, *partly* is the best verdict.
    """

    ids: tuple[str, ...]
    title: str
    rules: tuple[Rule, ...]
    checks: tuple[Check, ...]
    limits: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """The fragment that leads to it on its page."""
        return self.ids[0].replace(" ", "-").replace(":", "-").replace(".", "-")

    @property
    def answers(self) -> int:
        """How many records answer it, over all checks."""
        return sum(check.answered for check in self.checks)

    @property
    def verdict(self) -> Verdict:
        """The worst of its checks; partly at best where there are limits, or a check that is needed had no case."""
        cases = [check.verdict for check in self.checks if check.total]
        needed = [check for check in self.checks if check.needed]
        if not cases:
            return "not-met" if needed or not self.checks else "partly"
        short = self.limits or any(not check.total for check in needed)
        return worst([*cases, "partly"] if short else cases)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return not-met if that is among *verdicts*, else partly if that is, else met."""
    return "not-met" if "not-met" in verdicts else "partly" if "partly" in verdicts else "met"
