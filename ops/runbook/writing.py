"""Writing pages, and only those of which something has changed."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.runbook.advisories import as_csv_rows
from ops.runbook.render import Page, PdfLinks, Renderer
from ops.runbook.store import Exposure
from ops.runbook.views import vulnerabilities

Keys = Sequence[tuple[str, str]]
"""Path and key of each page that was written."""


@dataclass(frozen=True)
class Batch:
    """Pages for ``folder``: each with the links to its PDFs, and its key when it was last written, empty if it never was."""

    folder: Path
    pages: Sequence[tuple[Page, PdfLinks, str]]


@dataclass(frozen=True)
class AdvisoryMonth:
    """The advisories first seen in a month, each by host; ``keys`` says of what its pages were made before."""

    folder: Path
    month: str
    found: Mapping[str, Sequence[Exposure]]
    keys: Mapping[str, str]


def write_advisory_month(renderer: Renderer, job: AdvisoryMonth) -> Keys:
    """Write the pages and the data of *job*, and return path and key of the pages that were written."""
    out = io.StringIO()
    csv.writer(out).writerows(as_csv_rows(job.found))
    write(job.folder / "vulnerabilities" / f"{job.month}.csv", out.getvalue())
    pages = vulnerabilities.month_pages(job.month, job.found)
    return write_batch(renderer, Batch(job.folder, [(page, (), job.keys.get(page.path, "")) for page in pages]))


def write_batch(renderer: Renderer, job: Batch) -> Keys:
    """Write those pages of *job* of which something has changed, and return path and key of each."""
    written = ((page.path, write_page(renderer, job.folder, page, links, known)) for page, links, known in job.pages)
    return [(path, key) for path, key in written if key]


def write_page(renderer: Renderer, folder: Path, page: Page, links: PdfLinks, known: str) -> str:
    """Write *page* with *links* to its PDFs unless it was made of the same before; return its key, empty if nothing was written.

    Args:
        renderer: makes the HTML.
        folder: of the site.
        page: what to write.
        links: to PDFs of it.
        known: its key when it was last written, empty if it never was.
    """
    key = key_of((sorted(page.data.items()), links))
    if key == known:
        return ""
    write(folder / page.path, renderer.page(page, links))
    return key


def key_of(made_from: object) -> str:
    """Return a digest of what something is made from."""
    return hashlib.sha256(repr(made_from).encode()).hexdigest()


def write(path: Path, text: str) -> None:
    """Write *text* to *path*, whose folder is made."""
    content = text.encode()
    try:
        path.write_bytes(content)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
