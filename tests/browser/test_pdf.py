"""PDFs of pages: what they say, that they are the same each time, that nothing is run or fetched, and when they come and go."""

import ctypes
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from ops.errors import Failed
from ops.lab.packages import ensure_packages
from ops.runbook import pdf, prints
from ops.runbook.prints import document
from ops.runbook.render import Page, Renderer
from ops.runbook.site import Built, Job, build
from ops.runbook.store import NAME
from ops.tasks import pages
from ops.tasks.runbook import report
from tests.unit.runbook_world import ROOT, Files, Maker, hosts, inventory, logbook, operators, reading

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HOSTILE = (
    '</p><script>alert(1)</script><img src="http://192.0.2.1/x"><style>*{background:url(file:///etc/passwd)}</style>'
)


@pytest.fixture(scope="module", autouse=True)
def libraries() -> None:
    """What WeasyPrint needs from Debian."""
    ensure_packages(*((package, package) for package in pdf.missing()))


def maker() -> Maker:
    return Maker(hosts(3), datetime(2026, 11, 20, tzinfo=UTC), timedelta(hours=1))


def site(folder: Path, changes: list[tuple[str, Files]], **options: Any) -> int:
    """Make the site of *changes* (added to the logbook beside it), and return how many PDFs were made."""
    book = logbook(folder / "book", changes) if changes else reading(folder / "book")
    return build(Job(folder / "site", ROOT, book, inventory(), operators(), **{"now": NOW, **options})).printed


def texts(content: bytes) -> str:
    """Return what the PDF *content* says, without breaks."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).split())


def printed(folder: Path) -> set[str]:
    return {path.relative_to(folder / "site").as_posix() for path in (folder / "site").rglob("*.pdf")}


MONTH = "changes/2026/11"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pdf")
    one = maker()
    first, second = one.patch(reason=HOSTILE), one.timed()
    assert site(folder, [first, second], pdf=True) == 2 * (len(prints.SINGLE) + 1)
    return folder


def test_each_page_that_is_printed_has_a_pdf_in_each_language(made: Path) -> None:
    names = [name.removesuffix(".html") for name in prints.SINGLE]
    expected = {f"{name}-{lang}.pdf" for name in (*names, f"{MONTH}/changes-1") for lang in ("de", "en")}
    assert printed(made) == expected
    for name in (*prints.SINGLE, f"{MONTH}/index.html"):
        text = (made / "site" / name).read_text(encoding="utf-8")
        links = [one for one in expected if f'{"../" * name.count("/")}{one}"' in text]
        assert sorted(Path(one).name[-6:-4] for one in links) == ["de", "en"], name
    assert ".pdf" not in (made / "site/hosts/index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("lang", "title", "words"),
    [("de", "Änderungen von 2026-11", "getan und geprüft"), ("en", "Changes of 2026-11", "done and verified")],
)
def test_a_month_is_tagged_named_numbered_and_whole(made: Path, lang: str, title: str, words: str) -> None:
    content = (made / "site" / MONTH / f"changes-1-{lang}.pdf").read_bytes()
    reader = PdfReader(io.BytesIO(content))
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"].value is True
    assert root["/Lang"] == lang
    assert b"pdfuaid" in root["/Metadata"].get_data()
    assert reader.metadata is not None
    assert reader.metadata.title == title
    assert f"1 / {len(reader.pages)}" in reader.pages[0].extract_text()
    text = texts(content)
    assert words in text
    assert all(text.count(path.stem) > 1 for path in (made / "site" / MONTH).glob("2026-*.html"))
    assert "bordbuch-timer" in text, "each change is there in full, with its commands"


def test_hostile_content_is_shown_and_not_run(made: Path) -> None:
    content = (made / "site" / MONTH / "changes-1-en.pdf").read_bytes()
    assert "<script>alert(1)</script><img" in texts(content).replace("> <", "><")
    reader = PdfReader(io.BytesIO(content))
    assert not any(
        "/URI" in str(note) or "/JS" in str(note) for page in reader.pages for note in page.get("/Annots", ())
    )
    assert not any(page.images for page in reader.pages)


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(_self: object, request: object, *_more: object) -> None:
        raise AssertionError(request)

    monkeypatch.setattr("urllib.request.OpenerDirector.open", ask)
    monkeypatch.setattr("socket.socket.connect", ask)
    inside = '<img src="file:///etc/passwd" alt="x"><link rel="stylesheet" href="http://192.0.2.1/"><style>@import "ftp://x/";</style>'
    made = pdf.as_pdf(f'<html lang="en"><head><title>x</title>{inside}</head><body>seen</body></html>')
    assert "seen" in texts(made)
    assert "root:" not in texts(made)


def test_the_same_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    one = maker()
    site(tmp_path, [one.patch(reason=HOSTILE), one.timed()], pdf=True, languages=("en",))
    for name in printed(tmp_path):
        assert (tmp_path / "site" / name).read_bytes() == (made / "site" / name).read_bytes(), name


def test_paper_leads_nowhere_but_to_itself() -> None:
    renderer = Renderer(("en",), printing=True)
    data = {"of": "2026-11", "changes": (), "total": 0}
    text = document(renderer, [Page("a", "month.html", data), Page("b/c", "month.html", data)])
    assert (text.count("<article"), text.count("<html"), text.count("<title>")) == (2, 1, 1)
    assert "href=" not in text


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """PDFs that are wanted, by name; instead of a PDF each holds its HTML, which takes no time."""
    names: list[str] = []

    def make(documents: Any) -> int:
        done = [(path, html) for path, html in documents]
        for path, html in done:
            names.append(path.name)
            path.write_text(html, encoding="utf-8")
        return len(done)

    monkeypatch.setattr(pdf, "make", make)
    return names


def test_only_what_is_new_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: list[str]) -> None:
    monkeypatch.setattr(prints, "CHANGES", 3)
    one = maker()
    site(tmp_path, list(one.changes(5)), pdf=True, languages=("en",))
    assert {"changes-1-en.pdf", "changes-2-en.pdf"} <= set(counted)
    counted.clear()
    assert site(tmp_path, [], pdf=True, languages=("en",), now=NOW + timedelta(minutes=1)) == 0
    one.now += one.step
    site(tmp_path, [one.patch()], pdf=True, languages=("en",))
    assert "changes-2-en.pdf" in counted
    assert "changes-1-en.pdf" not in counted
    assert "verify-en.pdf" not in counted or "duties-en.pdf" in counted


def test_a_pdf_is_never_older_than_its_page(tmp_path: Path, counted: list[str]) -> None:
    one = maker()
    first = one.patch()
    site(tmp_path, [first], pdf=True)
    site(tmp_path, [])
    assert f"{MONTH}/changes-1-de.pdf" in printed(tmp_path), "nothing is new: it stays"
    one.now += one.step
    second, files = one.playbook(links={"corrects": first[0]})
    site(tmp_path, [(second, files)])
    gone = {f"{MONTH}/changes-1-de.pdf", "index-de.pdf"}
    assert not gone & printed(tmp_path)
    for name in (f"{MONTH}/index.html", "index.html"):
        assert ".pdf" not in (tmp_path / "site" / name).read_text(encoding="utf-8")
    site(tmp_path, [], pdf=True)
    assert gone <= printed(tmp_path)
    assert "changes-1-de.pdf" in (tmp_path / "site" / MONTH / "index.html").read_text(encoding="utf-8")
    assert "corrected by" in (tmp_path / "site" / MONTH / "changes-1-en.pdf").read_text(encoding="utf-8")


def test_piece_by_piece_it_becomes_the_same_as_at_once(tmp_path: Path, counted: list[str]) -> None:
    changes = list(maker().changes(8))
    site(tmp_path / "pieces", changes[:5], pdf=True)
    site(tmp_path / "pieces", changes[5:], pdf=True)
    site(tmp_path / "once", changes, pdf=True)
    pieces, once = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name / "site").rglob("*.*")}
        for name in ("pieces", "once")
    )
    differ = [
        str(a)
        for (a, text), other in zip(sorted(pieces.items()), sorted(once.items()), strict=True)
        if text != other[1]
    ]
    assert [name for name in differ if Path(name).name != NAME] == []


def test_what_is_missing_is_named_by_its_package() -> None:
    def load(library: str) -> object:
        if "harfbuzz" in library:
            raise OSError(library)
        return ctypes

    assert pdf.missing(load) == ["libharfbuzz-subset0"]


def test_without_the_libraries_the_pages_are_made_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pdf, "missing", lambda: ["libx"])
    with pytest.raises(Failed, match="no PDF was made") as failed:
        report(Built(1, 1, 7), tmp_path, pages.lacking())
    assert failed.value.next_step == "apt-get install --no-install-recommends libx"
    assert "7 pages written" in "".join(capsys.readouterr())
