"""The message file: every text of templates and code, in German. ``python -m ops.runbook.messages`` brings it up to date.

English is the language that the texts are written in, so it needs no file.
"""

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from ops.logbook import words
from ops.runbook.language import FOLDER

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


def path_of(lang: str) -> Path:
    """Return the message file of *lang*."""
    return FOLDER / lang / "LC_MESSAGES" / "messages.po"


def read(lang: str) -> Catalog:
    """Return what the message file of *lang* holds."""
    with path_of(lang).open("rb") as file:
        return read_po(file, locale=lang, abort_invalid=True)


def update(lang: str) -> list[str]:
    """Bring the message file of *lang* up to date, and return the texts that still need words in it."""
    old = read(lang) if path_of(lang).exists() else Catalog(locale=lang)
    fresh = Catalog(locale=lang, project="bordbuch", fuzzy=False)
    for text in texts():
        known = old.get(text)
        fresh.add(text, known.string if known else "")
    with path_of(lang).open("wb") as file:
        write_po(file, fresh, omit_header=True, no_location=True, width=120)
    return [str(message.id) for message in fresh if message.id and not message.string]


if __name__ == "__main__":
    for missing in update("de"):
        print(missing)
