"""Pages as PDF, by WeasyPrint: tagged (PDF/UA-1), pages numbered, the same bytes for the same page; nothing is asked of anybody."""

import ctypes
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from ops.errors import Failed

LIBRARIES = {"libpangoft2-1.0.so.0": "libpangoft2-1.0-0", "libharfbuzz-subset.so.0": "libharfbuzz-subset0"}
"""What WeasyPrint loads, and Debian's packages of it (12 and 13); all else that it loads comes with these, a font, too."""

INSTALL = "apt-get install --no-install-recommends"
STYLE = Path(__file__).parent / "assets" / "style.css"
FONTS = 'html { font-family: "DejaVu Sans" } code, pre { font-family: "DejaVu Sans Mono" }'
"""The fonts that come with the libraries, so that a page looks the same wherever it is made."""

AT_ONCE = 4
"""Documents per process that wait to be made: their text is in memory."""

Document = tuple[Path, str]
"""Where a PDF is to lie, and the HTML of it."""


def missing(load: Callable[[str], object] = ctypes.CDLL) -> list[str]:
    """Return the Debian packages without which no PDF can be made here; *load* opens a library or raises `OSError`."""

    def lacks(library: str) -> bool:
        try:
            load(library)
        except OSError:
            return True
        return False

    return [package for library, package in LIBRARIES.items() if lacks(library)]


def as_pdf(html: str) -> bytes:
    """Return the PDF of *html*, a whole document.

    Raises:
        OSError: a library is missing (see `missing`).
    """
    import weasyprint  # here, since it takes a second, and fails where a library is missing

    fonts = weasyprint.text.fonts.FontConfiguration()
    nothing = weasyprint.urls.URLFetcher(allowed_protocols=())  # a page is whole: neither the net nor a file is asked
    styles = [
        weasyprint.CSS(string=text, font_config=fonts, url_fetcher=nothing)
        for text in (STYLE.read_text(encoding="utf-8"), FONTS)
    ]
    document = weasyprint.HTML(string=html, url_fetcher=nothing)
    made: bytes = document.write_pdf(stylesheets=styles, font_config=fonts, pdf_variant="pdf/ua-1")
    return made


def make(documents: Iterable[Document]) -> int:
    """Write all *documents*, by as many processes as there are cores, and return how many.

    Raises:
        Failed: one of the processes was ended from outside.
    """
    waiting, count = iter(documents), 0
    with pool() as processes:
        while some := list(islice(waiting, AT_ONCE * len(os.sched_getaffinity(0)))):
            count += sum(processes.map(write_pdf, *zip(*some, strict=True)))
    return count


@contextmanager
def pool() -> Iterator[ProcessPoolExecutor]:
    """Yield processes, none of which begins before there is work: a document takes some hundred MB while it is made."""
    context = multiprocessing.get_context("forkserver")
    try:
        with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=context) as processes:
            yield processes
    except BrokenProcessPool:
        raise Failed(
            "a process that made PDFs was ended, for want of memory perhaps: each takes up to 400 MB",
            left="the pages are there, PDFs of them may be missing",
            next_step="free memory and run it again, or leave out --pdf",
        ) from None


def write_pdf(path: Path, html: str) -> bool:
    """Write the PDF of *html* to *path*, whose folder is made; return True."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_pdf(html))
    return True
