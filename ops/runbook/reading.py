"""Reading changes once: parsed, summarised, their pages written."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ops.logbook.files import ChangeFiles, parse_change, split_path
from ops.logbook.operators import Operators
from ops.logbook.repository import Logbook
from ops.runbook.entries import Entry
from ops.runbook.render import Renderer
from ops.runbook.summary import Rows, rows, summarise
from ops.runbook.views.change import change_page
from ops.runbook.writing import write

Blobs = Mapping[str, str]
"""File name → id of its blob."""

FEW = 300
"""Fewer changes than this are read by one process."""

CHUNK = 100
PAGE = "page.md"
"""The page that lies beside a record; this site makes its own."""


@dataclass(frozen=True)
class Reader:
    """What reading and writing the pages of changes needs."""

    logbook: Logbook
    operators: Operators
    folder: Path


@dataclass(frozen=True)
class Work:
    """Some changes: the blobs of each, its signed entries, and later changes that speak of it."""

    reader: Reader
    blobs: Mapping[str, Blobs]
    entries: Mapping[str, Sequence[Entry]]
    later: Mapping[str, Sequence[tuple[str, str]]]


class Read(NamedTuple):
    """What is kept of a change that was read: its id, its hosts, its summary as JSON, and the rows by host and advisory."""

    id: str
    hosts: tuple[str, ...]
    summary: str
    rows: Rows


def changes_in(blobs: Mapping[str, str], since: str, only: Container[str] | None = None) -> dict[str, dict[str, str]]:
    """Return by change its files and their blobs, from all *blobs* (path → id): those from the day *since* on, or *only* these."""
    found: dict[str, dict[str, str]] = {}
    for path, blob in blobs.items():
        parts = split_path(path)
        if parts and (parts[0] >= since if only is None else parts[0] in only):
            found.setdefault(parts[0], {})[parts[1]] = blob
    return found


def listed(names: Blobs) -> str:
    """Return the files of a change as the store keeps them: name and blob of each."""
    return " ".join(f"{name}:{blob}" for name, blob in sorted(names.items()))


def unlisted(text: str) -> dict[str, str]:
    """Return what `listed` made *text* of."""
    return {name: blob for name, _, blob in (pair.partition(":") for pair in text.split())}


def read_changes(logbook: Logbook, blobs: Mapping[str, Blobs]) -> Iterator[ChangeFiles]:
    """Yield the changes of *blobs*, in their order.

    Raises:
        Failed: a file cannot be read, with its name.
    """
    wanted = [blob for names in blobs.values() for name, blob in names.items() if name != PAGE]
    contents = logbook.contents(wanted)
    for change, names in blobs.items():
        yield parse_change(change, {name: next(contents) for name in names if name != PAGE})


def work(renderer: Renderer, wanted: Work) -> list[Read]:
    """Read the changes *wanted*, write their pages, and return what is to be kept of them."""
    reader, done = wanted.reader, []
    for files in read_changes(reader.logbook, wanted.blobs):
        summary = summarise(files)
        later = wanted.later.get(files.id, ())
        page = change_page(files, summary, wanted.entries.get(files.id, ()), later, reader.operators)
        write(reader.folder / page.path, renderer.page(page))
        done.append(Read(files.id, tuple(summary.hosts), summary.model_dump_json(), rows(files)))
    return done


def parts_of(wanted: Work) -> list[Work]:
    """Return the work *wanted* in parts."""
    return [_part(wanted, start) for start in range(0, len(wanted.blobs), CHUNK)]


def _part(wanted: Work, start: int) -> Work:
    changes = list(wanted.blobs)[start : start + CHUNK]
    return Work(
        wanted.reader,
        {change: wanted.blobs[change] for change in changes},
        {change: wanted.entries.get(change, ()) for change in changes},
        {change: wanted.later[change] for change in changes if change in wanted.later},
    )
