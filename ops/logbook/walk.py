"""One walk over the history after what is known: its commits, receipts, folders and changes, judged together.

From nothing known it is the whole history; from a memory only what is new, and what is unfinished.
"""

import signal
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from multiprocessing import get_context

from ops.logbook.files import change_folder, split_path
from ops.logbook.finding import Finding
from ops.logbook.git import Git
from ops.logbook.history import Commit, read_history
from ops.logbook.judge import Added, judge_change
from ops.logbook.judge_commit import judge_commit, judge_trees
from ops.logbook.judge_machine import judge_machine
from ops.logbook.memory import Entry, Memory, text_digest
from ops.logbook.objects import read_objects
from ops.logbook.operators import Operators
from ops.logbook.receipts import Receipt, judge_chain, parse_receipts, received
from ops.logbook.repository import Logbook

Changes = Mapping[str, Sequence[Entry]]

MANY = 500
"""From how many changes on more processes are started."""

PART = 50
"""How many changes one of them judges at a time."""


@dataclass(frozen=True)
class Ground:
    """What a walk goes over and by what it judges; *compared* says whether the off-host repository answered."""

    logbook: Logbook
    operators: Operators
    rules: Mapping[str, str]
    now: datetime
    ends: Sequence[str]
    head: str
    receipts: str
    compared: bool


@dataclass(frozen=True)
class Walk:
    """What was gone over, and what was found."""

    findings: tuple[Finding, ...]
    commits: Mapping[str, Commit]
    covered: Mapping[str, Receipt]
    changes: Changes
    base: Memory
    fresh: frozenset[str]

    def since(self, moment: datetime) -> tuple[Finding, ...]:
        """Return the findings about what was received, or is dated, since *moment*; those about no commit belong to any time."""
        return tuple(one for one in self.findings if self._when(one.commit, moment) >= moment)

    def _when(self, commit: str, otherwise: datetime) -> datetime:
        if commit in self.covered:
            return self.covered[commit].time
        return self.commits[commit].dated if commit in self.commits else otherwise


def walk(ground: Ground, base: Memory) -> Walk | None:
    """Judge what is after *base*, which was good; None where what is there does not simply continue it."""
    if base.commit and not _continues(ground, base):
        return None
    history = read_history(ground.logbook.git, ground.operators, ground.ends, base.commit)
    commits = {commit.id: commit for commit in history}
    receipts = parse_receipts(ground.receipts[base.text :])
    covered = received(receipts, commits)
    changes = collect(history, base)
    fresh = changes.keys() - base.unfinished.keys()
    if base.commit and _any_there(ground.logbook, base.commit, fresh):
        return None  # a change that had ended is touched again
    findings = [
        *(judge_chain(receipts, commits, ground.head, base.last, base.received) if ground.compared else ()),
        *_commits(ground, base, commits, covered),
        *judge_trees(history, _trees(base, history), lambda tree: _folder(ground.logbook, tree)),
        *_changes(ground, changes, commits, covered),
    ]
    return Walk(tuple(findings), commits, covered, changes, base, frozenset(fresh))


def _continues(ground: Ground, base: Memory) -> bool:
    grown = all(ground.logbook.continues(base.commit, end) for end in ground.ends)
    return bool(ground.ends) and grown and (not ground.compared or base.fits(ground.receipts))


def _any_there(logbook: Logbook, commit: str, changes: Iterable[str]) -> bool:
    folders = [change_folder(change) for change in changes]
    return bool(folders) and bool(logbook.git.run("ls-tree", "--name-only", commit, "--", *folders).out)


def _commits(
    ground: Ground, base: Memory, commits: Mapping[str, Commit], covered: Mapping[str, Receipt]
) -> Iterator[Finding]:
    dates = {commit.id: commit.dated for commit in commits.values()}
    if base.dated:
        dates[base.commit] = base.dated
    first = "" if base.commit else next(iter(commits), "")
    for commit in commits.values():
        yield from judge_commit(commit, dates, first, ground.operators, covered.get(commit.id))


def _trees(base: Memory, history: Iterable[Commit]) -> dict[str, str]:
    return {base.commit: base.tree, **{commit.id: commit.tree for commit in history}}


def _folder(logbook: Logbook, tree: str) -> bytes:
    return next(read_objects(logbook.git, [tree], "tree"))


def collect(history: Iterable[Commit], base: Memory) -> dict[str, list[Entry]]:
    """Return the files of each change that *history* touches or *base* has unfinished, in the order in which they came.

    One that came twice alike counts once.
    """
    changes = {change: list(entries) for change, entries in base.unfinished.items()}
    seen = {(change, entry.name, entry.blob) for change, entries in changes.items() for entry in entries}
    for commit in history:
        for file in commit.touched:
            parts = split_path(file.path)
            if parts and file.status in "AM" and file.mode == "100644" and (*parts, file.blob) not in seen:
                seen.add((*parts, file.blob))
                entry = Entry(commit=commit.id, person=commit.committer, name=parts[1], blob=file.blob)
                changes.setdefault(parts[0], []).append(entry)
    return changes


def _changes(
    ground: Ground, changes: Changes, commits: Mapping[str, Commit], covered: Mapping[str, Receipt]
) -> Iterator[Finding]:
    """Judge *changes*; where there are many, on all processors."""
    order = [(change, entries, _recorded(entries, commits, covered)) for change, entries in sorted(changes.items())]
    judge = partial(judge_part, ground.logbook.git, ground.operators, dict(ground.rules), ground.now)
    if len(order) < MANY:
        yield from judge(order)
        return
    parts = [order[start : start + PART] for start in range(0, len(order), PART)]
    # What is forked runs nothing but `judge_part`: no thread of this process has a lock that it needs.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(mp_context=get_context("fork"), initializer=signal.signal, initargs=ignore) as processes:
        for found in processes.map(judge, parts):
            yield from found


def _recorded(
    entries: Iterable[Entry], commits: Mapping[str, Commit], covered: Mapping[str, Receipt]
) -> datetime | None:
    """Return when the record among *entries* was received, or is dated; None where it did not come with this walk."""
    commit = next((entry.commit for entry in entries if entry.name == "record.json"), "")
    if commit in covered:
        return covered[commit].time
    return commits[commit].dated if commit in commits else None


def judge_part(
    git: Git,
    operators: Operators,
    rules: Mapping[str, str],
    now: datetime,
    part: Sequence[tuple[str, Sequence[Entry], datetime | None]],
) -> list[Finding]:
    """Return what is wrong with each change of *part*, whose files are read here.

    Raises:
        Failed: a file is not what its name says.
    """
    contents = read_objects(git, [entry.blob for _, entries, _ in part for entry in entries], "blob")
    found: list[Finding] = []
    for change, entries, recorded in part:
        added = [Added(entry.commit, entry.person, entry.name, next(contents)) for entry in entries]
        found += judge_change(change, added, rules, now)
        if recorded:
            found += judge_machine(change, added, operators, recorded)
    return found


def remembered(ground: Ground, done: Walk) -> Memory:
    """Return what is to be remembered of a walk that found nothing: all up to the newest commit that a receipt covers.

    Where there is no off-host repository, all up to the newest commit.
    """
    judged = done.covered if ground.compared else done.commits
    if not judged:
        return done.base
    newest = done.commits[next(name for name in reversed(list(done.commits)) if name in judged)]
    changes = {change: _up_to(entries, done, judged) for change, entries in done.changes.items()}
    return done.base.model_copy(
        update={
            "commit": newest.id,
            "tree": newest.tree,
            "dated": newest.dated,
            "text": len(ground.receipts),
            "text_digest": text_digest(ground.receipts),
            "received": done.covered[newest.id].time if ground.compared else None,
            "commits": done.base.commits + len(judged),
            "changes": done.base.changes + sum(bool(changes[change]) for change in done.fresh),
            "off_host": done.base.off_host + len(done.covered),
            "unfinished": {change: entries for change, entries in changes.items() if _unfinished(entries)},
        }
    )


def _up_to(entries: Iterable[Entry], done: Walk, judged: Container[str]) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if entry.commit in judged or entry.commit not in done.commits)


def _unfinished(entries: Iterable[Entry]) -> bool:
    """Whether a change may still get files, or waits for an approval: it has no record, or was begun without an approval."""
    names = {entry.name for entry in entries}
    begun_without = {"plan.json", "start-1.json"} <= names and "approval.json" not in names
    return bool(names) and ("record.json" not in names or begun_without)
