"""The message files: every text of templates and code, and every text of playbooks and roles (``steps.po``), in German.

``python -m ops.runbook.messages`` brings the first up to date, `invoke docs` the second. English is the language that the texts
are written in, so it needs no file.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from ops.logbook import words
from ops.runbook.language import FOLDER, STEPS
from ops.runbook.procedures import read_modules, read_procedures, wording

HERE = Path(__file__).parent
KEYWORDS = {"_": None, "N_": None}
SHARED = (words.OUTCOME, words.OPEN, words.HOST, words.PACKAGE, words.SECONDS)
"""Wording that the logbook's own pages have, too."""


def texts() -> list[str]:
    """Return every text that has to be translated, each once."""
    found = [text for table in SHARED for text in table.values()]
    return list(dict.fromkeys([*_extracted(), *found]))


def _extracted() -> Iterator[str]:
    for pattern, method in (("**/*.py", "python"), ("templates/**/*.html", "jinja2.ext:babel_extract")):
        for path in sorted(HERE.glob(pattern)):
            with path.open("rb") as file:
                options = {"trimmed": "false", "silent": "false"}
                for found in extract(method, file, KEYWORDS, (), options):
                    text = found[1]
                    if isinstance(text, str) and text:
                        yield text


def path_of(lang: str, name: str = "messages") -> Path:
    """Return the message file *name* of *lang*."""
    return FOLDER / lang / "LC_MESSAGES" / f"{name}.po"


def read(lang: str, name: str = "messages") -> Catalog:
    """Return what the message file *name* of *lang* holds."""
    with path_of(lang, name).open("rb") as file:
        return read_po(file, locale=lang, abort_invalid=True)


def refreshed(old: Catalog, texts: Iterable[str]) -> Catalog:
    """Return a message file of just *texts*, with the words that *old* has for them."""
    fresh = Catalog(locale=old.locale, project="bordbuch", fuzzy=False)
    for text in texts:
        known = old.get(text)
        fresh.add(text, known.string if known else "")
    return fresh


def missing(catalog: Catalog) -> list[str]:
    """Return the texts that still need words in *catalog*."""
    return [str(message.id) for message in catalog if message.id and not message.string]


def as_text(catalog: Catalog) -> str:
    """Return *catalog* as its file holds it."""
    written = io.BytesIO()
    write_po(written, catalog, omit_header=True, no_location=True, width=120)
    return written.getvalue().decode().rstrip("\n") + "\n"


def steps(lang: str, root: Path) -> Catalog:
    """Return the message file of the playbooks and roles of the checkout *root*, with the words that there are in *lang*."""
    return refreshed(read(lang, STEPS), wording(read_procedures(root), read_modules(root)))


if __name__ == "__main__":
    catalog = refreshed(read("de"), texts())
    path_of("de").write_text(as_text(catalog), encoding="utf-8")
    print("\n".join(missing(catalog)))
