"""The pages of a small logbook, word for word. ``python -m tests.unit.test_runbook_golden`` writes them anew: read what differs."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.runbook.site import Job, build
from tests.unit.runbook_world import ROOT, Maker, hosts, inventory, logbook, operators

GOLDEN = Path(__file__).parent / "golden" / "runbook"
BEGIN = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
PAGES = (
    "index.html",
    "changes/index.html",
    "changes/2026/11/index.html",
    "changes/2026/11/changes.csv",
    "changes/2026/11/changes.json",
    "changes/index-2026.js",
    "backups.html",
    "vulnerabilities/2026-11.html",
    "requirements.html",
    "duties.html",
    "verify.html",
)
"""Pages that are made from logbook and inventory alone: others change with every playbook."""


def made(folder: Path) -> dict[str, str]:
    """Return the pages of a logbook of twelve changes and one by a timer, and three pages of a change, by name."""
    one = Maker(hosts(3), BEGIN, timedelta(hours=5))
    done = list(one.changes(12))
    one.now += one.step
    book = logbook(folder / "book", [*done, one.timed()])
    now = BEGIN + timedelta(days=3)
    build(Job(folder / "site", ROOT, book, inventory(), operators(), now=now))
    ids = book.change_ids()
    changes = [f"changes/2026/11/{one}.html" for one in (ids[0], *ids[-2:])]
    return {name: (folder / "site" / name).read_text(encoding="utf-8") for name in [*PAGES, *changes]}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return made(tmp_path_factory.mktemp("golden"))


def kept() -> dict[str, str]:
    return {path.relative_to(GOLDEN).as_posix(): path.read_text(encoding="utf-8") for path in GOLDEN.rglob("*.*")}


def test_every_golden_page_is_made(pages: dict[str, str]) -> None:
    assert kept().keys() == pages.keys()


@pytest.mark.parametrize("name", sorted(kept()))
def test_a_page_is_word_for_word_as_it_was(pages: dict[str, str], name: str) -> None:
    assert pages.get(name) == kept()[name]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        for page, text in made(Path(temporary)).items():
            place = GOLDEN / page
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
