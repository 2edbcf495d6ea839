"""Folders as git names them, made again from the files that each commit touches. Pure, but for what ``load`` reads.

Git does not compare a folder's object with its name when it lists it: one that was changed on the disk would hide a file. So the
names of all folders are computed from what was said to be touched; where they come out as signed, nothing else was.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ops.logbook.objects import object_id

FOLDER = "40000"
EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
Load = Callable[[str], bytes]
"""Returns the content of the tree with this id."""


@dataclass(frozen=True)
class Tree:
    """A folder: the id of its object, and what is in it, by name (as bytes): mode and id, or the folder if it was looked into."""

    id: str
    entries: dict[bytes, "tuple[str, str] | Tree"] | None = None

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
    inside: dict[bytes, list[tuple[str, str, str]]] = {}
    entries = dict(_entries(tree, load))
    for path, mode, blob in files:
        name, _, rest = path.partition("/")
        key = name.encode(errors="surrogateescape")
        if rest:
            inside.setdefault(key, []).append((rest, mode, blob))
        elif blob:
            entries[key] = (mode.lstrip("0"), blob)
        else:
            entries.pop(key, None)
    for key, below in inside.items():
        folder = touch(_folder(entries.get(key)), below, load)
        entries[key] = folder
        if folder.id == EMPTY:
            del entries[key]
    return Tree(_identifier(entries), entries)


def _folder(entry: "tuple[str, str] | Tree | None") -> Tree:
    if isinstance(entry, Tree):
        return entry
    return Tree(entry[1]) if entry and entry[0] == FOLDER else Tree.empty()


def _entries(tree: Tree, load: Load) -> dict[bytes, "tuple[str, str] | Tree"]:
    return _parsed(load(tree.id)) if tree.entries is None else tree.entries


def _parsed(content: bytes) -> dict[bytes, "tuple[str, str] | Tree"]:
    entries: dict[bytes, tuple[str, str] | Tree] = {}
    place = 0
    while place < len(content):
        end = content.index(b"\0", place)
        mode, _, name = content[place:end].partition(b" ")
        place = end + 21
        entries[name] = (mode.decode(), content[end + 1 : place].hex())
    return entries


def _identifier(entries: dict[bytes, "tuple[str, str] | Tree"]) -> str:
    rows = [(name, *_said(entry)) for name, entry in entries.items()]
    rows.sort(key=lambda row: row[0] + b"/" if row[1] == FOLDER else row[0])
    content = b"".join(b"%s %s\0%s" % (mode.encode(), name, bytes.fromhex(blob)) for name, mode, blob in rows)
    return object_id("tree", content)


def _said(entry: "tuple[str, str] | Tree") -> tuple[str, str]:
    return (FOLDER, entry.id) if isinstance(entry, Tree) else entry
