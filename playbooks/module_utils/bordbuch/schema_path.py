"""The way from one version of LiquidFeedback's schema to another: the shortest over the scripts that a release ships. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Set

SCRIPT = re.compile(r"core-update\.v(?P<start>[0-9.]+)-v(?P<end>[0-9.]+)\.sql")
Edge = tuple[str, str]


class NoWay(Exception):
    """No script leads there; carries which steps there are."""


def edges(names: Iterable[str]) -> frozenset[Edge]:
    """Return from which version to which the scripts called *names* lead; other files are no steps."""
    found = (SCRIPT.fullmatch(name) for name in names)
    return frozenset((match["start"], match["end"]) for match in found if match)


def path(steps: Set[Edge], start: str, end: str, avoid: Set[Edge]) -> list[Edge]:
    """Return the steps from version *start* to *end*: as few as there are, of two ways the one by newer versions.

    Args:
        steps: which steps there are scripts for.
        start: the version that the schema has.
        end: the version that it is to have.
        avoid: steps that are never taken though there is a script.

    Raises:
        NoWay: no script leads there.
    """
    before: dict[str, Edge | None] = {start: None}
    waiting = deque([start])
    while waiting:
        version = waiting.popleft()
        for step in sorted(steps - avoid, key=lambda step: order(step[1]), reverse=True):
            if step[0] == version and step[1] not in before:
                before[step[1]] = step
                waiting.append(step[1])
    if end not in before:
        known = ", ".join(f"{one} to {two}" for one, two in sorted(steps - avoid)) or "none"
        raise NoWay(f"no script leads from {start} to {end}; steps are: {known}")
    taken: list[Edge] = []
    while step := before[taken[-1][0] if taken else end]:
        taken.append(step)
    return taken[::-1]


def order(version: str) -> tuple[int, ...]:
    """Return *version* so that versions can be compared."""
    return tuple(int(part) for part in version.split(".") if part)


def script(step: Edge) -> str:
    """Return the name of the script of *step*."""
    return f"core-update.v{step[0]}-v{step[1]}.sql"
