"""Folders as git names them, made again from the files that each commit touches. Pure, but for what ``load`` reads.

Git does not compare a folder's object with its name when it lists it: one that was changed on the disk would hide a file. So the
names of all folders are computed from what was said to be touched; where they come out as signed, nothing else was.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ops.logbook.objects import object_id

FOLDER = b"40000"
EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
Load = Callable[[str], bytes]
"""Returns the content of the tree with this id."""


class Entry(NamedTuple):
    """A line of a folder: the bytes that stand in its object, and the folder behind it if it was looked into."""

    row: bytes
    folder: "Tree | None" = None


@dataclass(frozen=True)
class Tree:
    """A folder: its id, and if it was looked into what is in it, by name; a folder's ends with ``/``, as git sorts them."""

    id: str
    entries: Mapping[bytes, Entry] | None = None

    @classmethod
    def empty(cls) -> "Tree":
        """Return the folder with nothing in it."""
        return cls(EMPTY, {})


def touch(tree: Tree, files: Iterable[tuple[str, str, str]], load: Load) -> Tree:
    """Return *tree* with *files* (path, mode, id of the content; an empty id for one that goes).

    Args:
        tree: the folder; it is left as it is.
        files: what is touched.
        load: reads a folder that was not looked into yet.
    """
    entries = dict(_parsed(load(tree.id)) if tree.entries is None else tree.entries)
    inside: dict[bytes, list[tuple[str, str, str]]] = {}
    for path, mode, blob in files:
        first, below, rest = path.partition("/")
        name = first.encode(errors="surrogateescape")
        if below:
            inside.setdefault(name, []).append((rest, mode, blob))
        elif blob:
            entries[name] = Entry(_row(mode.lstrip("0").encode(), name, blob))
        else:
            entries.pop(name, None)
    for name, those in inside.items():
        folder = touch(_folder(entries.get(name + b"/")), those, load)
        entries[name + b"/"] = Entry(_row(FOLDER, name, folder.id), folder)
        if folder.id == EMPTY:
            del entries[name + b"/"]
    return Tree(object_id("tree", b"".join(entries[name].row for name in sorted(entries))), entries)


def _folder(entry: Entry | None) -> Tree:
    if entry is None:
        return Tree.empty()
    return entry.folder or Tree(entry.row[-20:].hex())


def _row(mode: bytes, name: bytes, identifier: str) -> bytes:
    return b"%s %s\0%s" % (mode, name, bytes.fromhex(identifier))


def _parsed(content: bytes) -> dict[bytes, Entry]:
    entries: dict[bytes, Entry] = {}
    place = 0
    while place < len(content):
        end = content.index(b"\0", place)
        mode, _, name = content[place:end].partition(b" ")
        entries[name + b"/" if mode == FOLDER else name] = Entry(content[place : end + 21])
        place = end + 21
    return entries
