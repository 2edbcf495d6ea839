"""A commit as git keeps it: its headers, what of it is signed, and the signature. Pure.

What is signed is taken apart as git does (commit.c, parse_signed_commit), so that both judge the same bytes.
"""

import re
from datetime import UTC, datetime
from itertools import takewhile
from typing import NamedTuple

_PERSON = re.compile(rb"(.*?) ?<([^<>\n]*)> (\d{1,11}) [+-]\d{4}")
_USUAL = re.compile(r"tree( parent)* author committer( gpgsig)?")
NEVER = datetime.fromtimestamp(0, UTC)


class Person(NamedTuple):
    """An author or a committer: name, and the time that they say."""

    name: str
    time: datetime


class RawCommit(NamedTuple):
    """A commit in parts. *usual* says whether it has only the headers that the logbook writes, each once."""

    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    payload: bytes
    signature: bytes
    usual: bool


def take_apart(raw: bytes) -> RawCommit:
    """Return the parts of the commit whose object has the content *raw*; what cannot be read is empty, and not *usual*."""
    head, rest = _split(raw)
    payload, signature = _signed(head)
    rows = [line.rstrip(b"\n").partition(b" ") for line in head if not line.startswith(b" ")]
    first = {name: value for name, _, value in reversed(rows)}
    author, committer = (_PERSON.fullmatch(first.get(name, b"")) for name in (b"author", b"committer"))
    names = " ".join(_text(name) for name, _, _ in rows)
    return RawCommit(
        tree=_text(first.get(b"tree", b"")),
        parents=tuple(_text(value) for name, _, value in rows if name == b"parent"),
        author=_person(author),
        committer=_person(committer),
        payload=payload + rest,
        signature=signature,
        usual=bool(_USUAL.fullmatch(names) and author and committer),
    )


def _split(raw: bytes) -> tuple[list[bytes], bytes]:
    """Return the lines of the headers, and the rest from the first empty line on."""
    lines = re.findall(rb"[^\n]*\n|[^\n]+", raw.partition(b"\n\n")[0] + b"\n")
    head = list(takewhile(lambda line: line != b"\n", lines))
    return head, raw[sum(map(len, head)) :]


def _signed(head: list[bytes]) -> tuple[bytes, bytes]:
    """Return what is signed, and the signature: several are one text, and other headers ``gpgsig…`` are in neither."""
    payload, signature, inside, other = [], [], False, False
    for line in head:
        follows = line.startswith(b" ")
        opens = line.startswith(b"gpgsig ")
        other = not opens and (line.startswith(b"gpgsig") or (other and follows and not inside))
        inside = opens or (inside and follows)
        if inside:
            signature.append(line.removeprefix(b"gpgsig").removeprefix(b" ") if opens else line[1:])
        elif not other:
            payload.append(line)
    return b"".join(payload), b"".join(signature)


def _person(found: re.Match[bytes] | None) -> Person:
    return Person(_text(found[1]), datetime.fromtimestamp(int(found[3]), UTC)) if found else Person("", NEVER)


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
