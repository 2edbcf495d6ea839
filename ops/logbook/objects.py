"""Git's objects, read by one process for many, each compared with its own name: git itself believes what lies on the disk."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

from ops.errors import Failed
from ops.logbook.git import Git

AT_ONCE = 500
"""How many objects are read by one git process, so that memory does not grow with the logbook."""


def read_objects(git: Git, names: Sequence[str], kind: str, at_once: int = AT_ONCE) -> Iterator[bytes]:
    """Yield the content of each of *names* (ids, or ``commit:path``) in their order.

    Args:
        git: of the clone.
        names: of the objects.
        kind: ``blob``, ``tree`` or ``commit``; all are of it.
        at_once: how many one git process reads.

    Raises:
        Failed: one is not there, of another kind, or not what its name says.
    """
    parts = [names[start : start + at_once] for start in range(0, len(names), at_once)]
    with ThreadPoolExecutor(max_workers=1) as ahead:  # git reads the next ones while somebody looks at these
        coming = ahead.submit(_batch, git, parts[0]) if parts else None
        for part, following in zip_longest(parts, parts[1:]):
            out = coming.result() if coming else b""
            coming = ahead.submit(_batch, git, following) if following else None
            yield from _objects(part, out, kind)


def _batch(git: Git, names: Sequence[str]) -> bytes:
    return git.run("cat-file", "--batch", stdin="".join(f"{name}\n" for name in names).encode()).out


def _objects(names: Sequence[str], out: bytes, kind: str) -> Iterator[bytes]:
    place = 0
    for name in names:
        end = out.index(b"\n", place)
        identifier, found, *size = out[place:end].decode(errors="replace").rsplit(" ", 2)
        if found != kind or not size:
            raise Failed(f"{name} is not in the logbook", next_step="invoke audit")
        place, start = end + 1 + int(size[0]) + 1, end + 1
        content = out[start : place - 1]
        if object_id(kind, content) != identifier:
            words = f"the {kind} {identifier} is not what its name says: it was changed on this disk"
            raise Failed(words, next_step="move the clone aside; the next command fetches it anew")
        yield content


def object_id(kind: str, content: bytes) -> str:
    """Return the name that git gives to an object of *kind* with *content*."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(content)) + content, usedforsecurity=False).hexdigest()
