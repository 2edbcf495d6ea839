"""Signed entries of the logbook: which commit added which files of a change, by whom, with which key.

The key is the one that the signature names. Whether the signature is good is for ``invoke audit`` and for the commands that
each page shows; the pages say so.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ops.logbook import sshsig
from ops.logbook.files import split_path
from ops.logbook.rawcommit import take_apart
from ops.logbook.repository import Logbook

_COMMIT = re.compile(rb"(?:\A|\0)commit ([0-9a-f]{40})\n")
_USUAL = re.compile(
    rb"tree [0-9a-f]{40}\n(?:parent [0-9a-f]{40}\n)*author [^\n]*\n"
    rb"committer ([^<>\n]*?) ?<[^<>\n]*> (\d{1,11}) [+-]\d{4}\ngpgsig ([^\n]*\n(?: [^\n]*\n)*)\n"
)
"""The head of a commit as the logbook writes it: the committer's name, the time, and the signature, indented."""

_HISTORY_SECONDS = 600


class Entry(NamedTuple):
    """One commit: its id, the change that it is of, the committer's name, the key's fingerprint, its time, the files' names."""

    id: str
    change: str
    who: str
    fingerprint: str
    at: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Span:
    """The commits of ``logbook`` that are reachable from the commit ``head``, and not from ``old`` if that is not empty."""

    logbook: Logbook
    old: str
    head: str


def spans(whole: Span, most: int) -> list[Span]:
    """Return *whole* in parts of about as many commits as *most*; where histories met, a commit may be in two of them.

    Raises:
        Failed: git failed.
    """
    if not whole.head or whole.head == whole.old:
        return []
    words = ("rev-list", "--topo-order", "--reverse", *_range(whole))
    commits = whole.logbook.git.run(*words, limit_seconds=_HISTORY_SECONDS).text.split()
    ends = [*commits[most - 1 : -1 : most], whole.head]
    return [Span(whole.logbook, old, head) for old, head in pairwise([whole.old, *ends])]


def read_entries(_renderer: object, span: Span) -> list[Entry]:
    """Return the entries of *span*.

    Raises:
        Failed: git failed.
    """
    words = ("log", "--format=raw", "--name-only", "--no-renames", "--root", "-z", *_range(span))
    return parse_log(span.logbook.git.run(*words, limit_seconds=_HISTORY_SECONDS).out)


def _range(span: Span) -> tuple[str, ...]:
    return (span.head, f"^{span.old}") if span.old else (span.head,)


def added_since(logbook: Logbook, old: str, head: str) -> dict[str, str] | None:
    """Return path → blob of the files that were added after the commit *old* up to *head*; None if the history is another one now.

    None, too, where anything but adding was done: then what was read before counts for nothing.
    """
    if not old or logbook.git.attempt("merge-base", "--is-ancestor", old, head).code:
        return None
    fields = (
        logbook.git.run("diff-tree", "-r", "-z", "--no-renames", old, head).out.decode(errors="replace").split("\0")
    )
    rows = [(meta.split(), path) for meta, path in zip(fields[::2], fields[1::2], strict=False)]
    return None if any(meta[4] != "A" for meta, _path in rows) else {path: meta[3] for meta, path in rows}


def parse_log(text: bytes) -> list[Entry]:
    """Return the entries in *text*, what ``git log --format=raw --name-only -z`` prints."""
    parts = _COMMIT.split(text)
    found = [_entry(commit.decode(), body) for commit, body in zip(parts[1::2], parts[2::2], strict=True)]
    return [entry for entry in found if entry is not None]


def _entry(commit: str, body: bytes) -> Entry | None:
    head, *others = body.split(b"\0")
    paths = [path.decode(errors="replace") for path in (head.rpartition(b"\n")[2], *others) if path]
    files = [parts for path in paths if (parts := split_path(path))]
    who, at, signature = _signed(head)
    if not files or not who:
        return None
    return Entry(commit, files[0][0], who, fingerprint(signature), at, tuple(name for _change, name in files))


def _signed(head: bytes) -> tuple[str, int, bytes]:
    """Return who committed, when (seconds since 1970), and the signature; of unusual commits as the audit takes them apart."""
    if found := _USUAL.match(head):
        return found[1].decode(errors="replace"), int(found[2]), found[3].replace(b"\n ", b"\n")
    taken = take_apart(head)
    return taken.committer.name, int(taken.committer.time.timestamp()), taken.signature


def fingerprint(signature: bytes) -> str:
    """Return the fingerprint of the key that *signature* names, empty where it is none."""
    try:
        return sshsig.fingerprint(sshsig.parse(signature).key)
    except sshsig.BadSignature:
        return ""
