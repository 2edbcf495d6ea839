"""Whether one commit is as the logbook writes them: who signed it, with which key, when, and what it does to files. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from ops.logbook.files import split_path
from ops.logbook.finding import Finding
from ops.logbook.history import Commit
from ops.logbook.operators import MAY_SIGN, Operators
from ops.logbook.receipts import Receipt
from ops.logbook.tree import Load, Tree, touch

TOLERANCE = timedelta(minutes=10)
"""How far clocks may differ; the server's hook has the same limit."""

VERDICTS = {"N": "is not signed", "B": "has a signature that is not good", "U": "is signed by a key that is nobody's"}


def judge_commit(
    commit: Commit, dates: Mapping[str, datetime], first: str, operators: Operators, receipt: Receipt | None
) -> Iterator[Finding]:
    """Yield what is wrong with *commit* by itself.

    Args:
        commit: the one.
        dates: what each commit that is known says when it was made, by id.
        first: the id of the logbook's first commit; empty if that is not among those looked at.
        operators: who may sign.
        receipt: the first one that covers it, None where it is not yet off-host.
    """
    yield from _signature(commit, operators, receipt.time if receipt else commit.dated)
    if not commit.usual:
        yield Finding(rule="form", commit=commit.id, what="has headers that the logbook does not write")
    yield from _clock(commit, dates, receipt)
    yield from _line(commit, dates, first)
    yield from _files(commit)


def _signature(commit: Commit, operators: Operators, when: datetime) -> Iterator[Finding]:
    owner = operators.owner(commit.fingerprint)
    if owner and owner[0].office not in MAY_SIGN:
        words = f"is signed by {owner[0].name}, whose office ({owner[0].office}) signs no changes"
        yield Finding(rule="key", commit=commit.id, what=words)
    elif commit.verdict != "G" or not owner:
        words = VERDICTS[commit.verdict]
        yield Finding(rule="signature", commit=commit.id, what=f"{words} ({commit.fingerprint or 'no key'})")
    elif not owner[1].valid_at(when):
        days = f"{owner[1].valid_from or 'ever'} to {owner[1].valid_until or 'further notice'}"
        words = f"is signed by a key of {owner[0].name} that counts from {days}, not on {when:%Y-%m-%d}"
        yield Finding(rule="key", commit=commit.id, what=words)
    people = {commit.author, commit.committer, *([owner[0].name] if owner else [])}
    if len(people) > 1:
        yield Finding(
            rule="signer", commit=commit.id, what=f"author, committer and signer differ: {', '.join(sorted(people))}"
        )


def _clock(commit: Commit, dates: Mapping[str, datetime], receipt: Receipt | None) -> Iterator[Finding]:
    if receipt and commit.dated > receipt.time + TOLERANCE:
        yield Finding(rule="clock", commit=commit.id, what=f"is dated {commit.dated}, after it was received")
    for parent in commit.parents:
        if parent in dates and commit.dated < dates[parent] - TOLERANCE:
            yield Finding(
                rule="clock", commit=commit.id, what=f"is dated {commit.dated}, before the entry that it follows"
            )


def _line(commit: Commit, dates: Mapping[str, datetime], first: str) -> Iterator[Finding]:
    if len(commit.parents) > 1:
        yield Finding(rule="history", commit=commit.id, what="merges two histories; the logbook has one line")
    if not commit.parents and commit.id != first:
        yield Finding(rule="history", commit=commit.id, what="is a second beginning; the logbook has one line")
    for parent in commit.parents:
        if parent not in dates:
            yield Finding(rule="history", commit=commit.id, what=f"follows {parent[:12]}, which git does not show")


def _files(commit: Commit) -> Iterator[Finding]:
    if not commit.touched:
        yield Finding(rule="history", commit=commit.id, what="adds nothing")
    acts = {"M": "modifies", "D": "deletes", "T": "changes the type of"}
    for file in commit.touched:
        if file.status != "A":
            words = f"{acts.get(file.status, file.status)} a file; records are only added"
            yield Finding(rule="history", commit=commit.id, path=file.path, what=words)
        elif file.mode != "100644":
            yield Finding(rule="form", commit=commit.id, path=file.path, what=f"is no plain file (mode {file.mode})")
        if split_path(file.path) is None:
            yield Finding(
                rule="form", commit=commit.id, path=file.path, what="is no file of a change, or in the wrong folder"
            )


def judge_trees(commits: Iterable[Commit], trees: Mapping[str, str], load: Load) -> Iterator[Finding]:
    """Yield the commits whose folders are not what their files give: something that is signed is not shown, or the reverse.

    Args:
        commits: each after its parents.
        trees: the id of the root folder of all commits, and of the one before the first.
        load: reads a folder.
    """
    last, tree = "", Tree.empty()
    for commit in commits:
        if len(commit.parents) > 1:
            continue  # a finding already, and git names no files for it
        before = "".join(commit.parents)
        if before != last:
            tree = Tree(trees[before]) if before in trees else Tree.empty()
        tree, last = touch(tree, [(file.path, file.mode, file.blob) for file in commit.touched], load), commit.id
        if tree.id != commit.tree:
            tree = Tree(commit.tree)
            yield Finding(
                rule="clone", commit=commit.id, what="holds other files than git shows: an object was changed"
            )
