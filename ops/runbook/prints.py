"""Which PDFs lie beside the pages: the few pages that an auditor prints, and each month with all its changes.

One change takes WeasyPrint half a second, so there is none of each of thousands: a month is one document (several, where it has
many changes), which reads on paper from its table to each change in full. A PDF that is there is never older than its page: where
a build that makes none finds something new, the PDF goes, and with it the link.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.runbook import pdf
from ops.runbook.language import LANGUAGES
from ops.runbook.reading import Reader, Work, read_changes, unlisted
from ops.runbook.render import Page, PdfLinks, Renderer
from ops.runbook.store import Store
from ops.runbook.summary import Summary, summarise
from ops.runbook.views.change import change_page
from ops.runbook.writing import key_of

SINGLE = ("index.html", "backups.html", "vulnerabilities/index.html", "requirements.html", "duties.html", "verify.html")
"""Pages of which there is a PDF: what an auditor holds against the records; all else is lists to search in."""

CHANGES = 50
"""Changes in one document: what is full is not made again when the month goes on."""

Later = Mapping[str, Sequence[tuple[str, str]]]
"""Per change: relation and id of later ones that speak of it."""

_LINK = re.compile(r' href="([^"]*)"')
_FOR_SCREENS = re.compile(r' (?:tabindex|role|aria-labelledby|id)="[a-z-]*(?:caption|region|0)"')


@dataclass(frozen=True)
class Part:
    """Some changes of a month, the oldest first, of the ``total`` that it has; ``key`` says of which files they are made."""

    path: str
    month: str
    changes: tuple[Summary, ...]
    total: int
    key: str


@dataclass
class Shelf:
    """The PDFs of one site; ``make`` says whether this build makes those that are missing."""

    folder: Path
    store: Store
    languages: tuple[str, ...] = LANGUAGES
    make: bool = False
    wanted: dict[str, tuple[Page | Part, str, str]] = field(default_factory=dict)
    moved: bool = False

    def of_page(self, page: Page) -> PdfLinks:
        """Return the links on *page* to its own PDFs; the time at which it was made makes no other PDF of it."""
        if page.path not in SINGLE:
            return ()
        key = key_of(sorted((name, value) for name, value in page.data.items() if name != "now"))
        return tuple(filter(None, [self._offer(page, page.path.removesuffix(".html"), key)]))

    def of_month(self, parts: Sequence[Part]) -> PdfLinks:
        """Return the links to the PDFs of a month's *parts*; ``moved`` says whether any comes or goes."""
        self.moved = False
        return tuple(filter(None, [self._offer(part, part.path, part.key) for part in parts]))

    def _offer(self, of: Page | Part, path: str, key: str) -> tuple[tuple[str, str], ...]:
        """Return the PDFs of *of* that are there, or will be when this build ends; remove those of something older."""
        found = []
        for lang in self.languages:
            name = f"{path}-{lang}.pdf"
            known, there = self.store.page_key(name), (self.folder / name).is_file()
            if not (known == key and there):
                self.moved |= self.make or bool(known)
                if not self.make:
                    (self.folder / name).unlink(missing_ok=True)
                    self.store.forget_page(name)
                    continue
                self.wanted[name] = (of, lang, key)
            found.append((lang, name))
        return tuple(found)

    def fill(self, reader: Reader, later: Later) -> int:
        """Make the PDFs that are wanted, and return how many."""
        if not self.wanted:
            return 0
        count = pdf.make(self._documents(reader, later))
        for name, (_of, _lang, key) in self.wanted.items():
            self.store.note_page(name, key)
        return count

    def _documents(self, reader: Reader, later: Later) -> Iterator[pdf.Document]:
        renderers = {lang: Renderer((lang,), printing=True) for lang in self.languages}
        for name, (of, lang, _key) in self.wanted.items():
            pages = [of] if isinstance(of, Page) else list(self._pages(of, reader, later))
            yield self.folder / name, document(renderers[lang], pages)

    def _pages(self, part: Part, reader: Reader, later: Later) -> Iterator[Page]:
        """Yield the table of *part*, and the page of each of its changes, read again."""
        data = {"of": part.month, "changes": part.changes, "total": part.total}
        yield Page(part.path, "month.html", data)
        ids = [one.id for one in part.changes]
        known = self.store.known()
        wanted = Work(reader, {change: unlisted(known[change]) for change in ids}, self.store.entries(ids), later)
        for files in read_changes(reader.logbook, wanted.blobs):
            spoken = wanted.later.get(files.id, ())
            yield change_page(files, summarise(files), wanted.entries[files.id], spoken, reader.operators)


def parts_of(month: str, changes: Sequence[Summary], known: Mapping[str, str], later: Later) -> list[Part]:
    """Return the documents of *month*, whose *changes* are the newest first; *known* are the files of each."""
    oldest, found = list(reversed(changes)), []
    for start in range(0, len(oldest), CHANGES):
        some = tuple(oldest[start : start + CHANGES])
        path = f"changes/{month[:4]}/{month[5:7]}/changes-{start // CHANGES + 1}"
        key = key_of([(one.id, known[one.id], sorted(later.get(one.id, ()))) for one in some])
        found.append(Part(path, month, some, len(changes), key))
    return found


def document(renderer: Renderer, pages: Sequence[Page]) -> str:
    """Return *pages* as one document, with links among themselves only: paper leads nowhere, and nobody has our folders."""
    rest = [renderer.page(page, bare=True) for page in pages[1:]]
    text = renderer.page(pages[0], more=rest)
    inside = {page.path for page in pages}

    def kept(found: re.Match[str]) -> str:
        target = re.sub(r"^(?:\.\./)+", "", found[1])
        return f' href="#{target}"' if target in inside else found[0] if found[1].startswith("#") else ""

    return _FOR_SCREENS.sub("", _LINK.sub(kept, text))
