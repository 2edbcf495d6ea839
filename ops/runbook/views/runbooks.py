"""Runbooks: a page per procedure, from the playbook, a head that people wrote, and what the logbook knows of it. Pure."""

import statistics
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from ops.runbook.heads import HEADS, MODULES
from ops.runbook.procedures import Play, Procedure, Step, carried_out, paragraphs, tried
from ops.runbook.render import Page
from ops.runbook.summary import Summary
from ops.runbook.world import World

NEWEST = 15
"""How many runs, and how many troubles, a page names; all are in the change log."""

ACTED = ("verified", "failed", "interrupted", "aborted")


@dataclass(frozen=True)
class ShownStep:
    """A step as its page shows it.

    ``does`` is a text of the message file, ``says`` what a module of ours says of itself; ``new`` names the steps in it that were
    not yet tried in this form, of ``count``.
    """

    name: str
    module: str
    branch: str
    does: str
    says: str
    count: int
    new: tuple[str, ...]
    below: tuple[str, ...]


@dataclass(frozen=True)
class Trouble:
    """A run that went wrong, and the next one that did not."""

    one: Summary
    helped: Summary | None


@dataclass(frozen=True)
class Practice:
    """What the logbook knows of a procedure: how often it was carried out, how long verified runs took (seconds), the newest."""

    count: int
    bad: int
    runs: tuple[Summary, ...]
    median: float | None
    longest: float | None
    troubles: tuple[Trouble, ...]


def pages(world: World) -> Iterator[Page]:
    """Yield the index of runbooks, and the page of each."""
    runs = carried_out(world.procedures, world.summaries)
    practised = {one.name: practice(runs[one.name]) for one in world.procedures}
    shown = [(one, HEADS.get(one.name), practised[one.name]) for one in world.procedures]
    rows = [(one.name, head, _untried(world, one), done) for one, head, done in shown]
    yield Page("runbooks/index.html", "runbooks.html", {"rows": rows})
    for one, head, done in shown:
        plays = tuple((play, tuple(_shown(world, one, play))) for play in one.plays)
        new = sum(len(step.new) for _play, steps in plays for step in steps)
        about = paragraphs(one.about)
        data = {
            "one": one,
            "head": head,
            "about": about,
            "plays": plays,
            "practice": done,
            "new": new,
            "newest": NEWEST,
        }
        yield Page(f"runbooks/{one.name}.html", "runbook.html", data)


def practice(runs: Sequence[Summary]) -> Practice:
    """Return what *runs* of a procedure, the oldest first, show."""
    ended = [one for one in runs if one.outcome in ACTED]
    lengths = [one.took for one in ended if one.outcome == "verified" and one.took is not None]
    return Practice(
        count=len(ended),
        bad=sum(one.outcome != "verified" for one in ended),
        runs=tuple(reversed(ended[-NEWEST:])),
        median=statistics.median(lengths) if lengths else None,
        longest=max(lengths, default=None),
        troubles=tuple(_troubles(ended))[-NEWEST:][::-1],
    )


def _troubles(ended: Sequence[Summary]) -> Iterator[Trouble]:
    helped: Summary | None = None
    found = []
    for one in reversed(ended):
        if one.outcome == "verified":
            helped = one
        else:
            found.append(Trouble(one, helped))
    yield from reversed(found)


def _shown(world: World, one: Procedure, play: Play) -> Iterator[ShownStep]:
    done = world.store.steps(one.play_names)
    return (_step(step, world.modules, done) for step in play.steps)


def _step(step: Step, modules: Mapping[str, str], done: Mapping[tuple[str, str], Set[str]]) -> ShownStep:
    leaves = tuple(step.leaves())
    new = tuple(leaf.name for leaf in leaves if not tried(leaf, done)) if done else ()
    short = step.module.rpartition(".")[2]
    return ShownStep(
        name=step.name,
        module=step.module,
        branch=step.branch,
        does=MODULES.get(short, ""),
        says=modules.get(step.module, ""),
        count=len(leaves),
        new=new,
        below=tuple(leaf.name for leaf in leaves) if step.below else (),
    )


def _untried(world: World, one: Procedure) -> int:
    done = world.store.steps(one.play_names)
    steps = [leaf for play in one.plays for step in play.steps for leaf in step.leaves()]
    return sum(not tried(step, done) for step in steps) if done else 0
