"""Message files: read in memory, complete, with the same gaps to be filled in both languages."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from ops.announce.reader import LOCALE
from ops.errors import BadInput
from ops.words import translator

ROOT = Path(__file__).resolve().parents[2]
GERMAN = LOCALE / "de" / "LC_MESSAGES" / "messages.po"
GAP = re.compile(r"\{\w*\}")
HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'


def catalog() -> Catalog:
    with GERMAN.open("rb") as file:
        return read_po(file, locale="de", abort_invalid=True)


def texts(value: object) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (str(value),)


def test_every_message_of_the_code_has_a_german_one_and_none_is_left_over() -> None:
    marked = {
        message for _file, _line, message, _comments, _context in extract_from_dir(str(ROOT / "ops" / "announce"))
    }
    known = {message.id: message for message in catalog() if message.id}
    assert marked == {*known}
    assert [key for key, message in known.items() if message.fuzzy or not all(texts(message.string))] == []


def test_a_translation_has_the_gaps_of_its_original() -> None:
    for message in catalog():
        if message.id:
            wanted = {gap for text in texts(message.id) for gap in GAP.findall(text)}
            assert [set(GAP.findall(text)) for text in texts(message.string)] == [wanted] * len(texts(message.string))


def test_no_word_stands_in_the_page_itself() -> None:
    page = (ROOT / "ops/announce/templates/status.html").read_text(encoding="utf-8")
    body = page.partition("<body>")[2]
    assert re.findall(r"\w+", re.sub(r"\{[{%].*?[}%]\}|<[^>]*>", "", body)) == []


def test_a_language_is_read_from_its_file(tmp_path: Path) -> None:
    write(tmp_path, "fr", HEAD + 'msgid "host"\nmsgid_plural "hosts"\nmsgstr[0] "hôte"\nmsgstr[1] "hôtes"\n')
    french = translator("fr", tmp_path)
    assert (french.ngettext("host", "hosts", 1), french.ngettext("host", "hosts", 2)) == ("hôte", "hôtes")
    assert translator("en", tmp_path).ngettext("host", "hosts", 2) == "hosts"


def test_a_language_that_we_do_not_have_is_refused_with_those_that_we_have(tmp_path: Path) -> None:
    write(tmp_path, "fr", HEAD)
    with pytest.raises(BadInput) as refused:
        translator("tlh", tmp_path)
    assert refused.value.next_step == "use en or fr"


def test_a_broken_message_file_is_refused_and_named(tmp_path: Path) -> None:
    write(tmp_path, "fr", HEAD + 'msgid "a"\nmsgstr "b"\n"c\nnonsense\n')
    with pytest.raises(BadInput, match="of the language 'fr' cannot be read"):
        translator("fr", tmp_path)


def write(folder: Path, lang: str, text: str) -> None:
    path = folder / lang / "LC_MESSAGES" / "messages.po"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
