"""The message files: every text is in German, with the same places for values, and no template says anything unmarked."""

import re
from pathlib import Path

import pytest

from ops.runbook import messages, render
from ops.runbook.language import Words
from tests.unit.runbook_world import ROOT

TEXTS = messages.texts()
GERMAN = messages.read("de")
PLACES = re.compile(r"\{(\w*)\}")
TEMPLATES = sorted(render.TEMPLATES.rglob("*.html"))
AS_THEY_ARE = re.compile(r"Bordbuch|CSV|PDF|\.yml|JSON")
"""What is the same in all languages."""


def test_every_text_is_in_german() -> None:
    assert len(TEXTS) > 400
    assert [text for text in TEXTS if not (found := GERMAN.get(text)) or not found.string] == []


def test_the_message_file_has_nothing_that_nobody_says() -> None:
    assert {str(message.id) for message in GERMAN if message.id} - set(TEXTS) == set()


def test_the_places_for_values_are_the_same() -> None:
    pairs = [(text, str(found.string)) for text in TEXTS if (found := GERMAN.get(text))]
    assert [text for text, german in pairs if sorted(PLACES.findall(text)) != sorted(PLACES.findall(german))] == []


STEPS = messages.steps("de", ROOT)


def test_every_step_of_every_playbook_is_in_german() -> None:
    assert len(STEPS) > 400
    assert messages.missing(STEPS) == [], f"run invoke docs, then give them words in {messages.path_of('de', 'steps')}"


def test_what_is_typed_is_the_same_in_german() -> None:
    typed = re.compile(r"`[^`]*`|\{\{.*?\}\}|(?<!\w)--?[a-z][\w=.-]*|\w+/[\w/.]+")
    pairs = [(str(message.id), str(message.string)) for message in STEPS if message.id]
    assert [text for text, german in pairs if sorted(typed.findall(text)) != sorted(typed.findall(german))] == []


def test_a_step_is_said_in_each_language_and_in_english_where_there_are_no_words() -> None:
    both, nobody = Words(("de", "en")), "<b>Nobody has words for this"
    assert both.step("Reboot") == '<span lang="de">Neu starten</span><span lang="en">Reboot</span>'
    assert Words(("de",)).step("Reboot") == '<span lang="de">Neu starten</span>'
    assert both.step(nobody) == '<span class="own" lang="en">&lt;b&gt;Nobody has words for this</span>'
    assert Words(("en",)).step("Reboot") == '<span class="own" lang="en">Reboot</span>'
    assert render.Renderer()._step("base : Set up sshd").startswith('base : <span lang="de">sshd einrichten</span>')


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_says_nothing_unmarked(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"<pre.*?</pre>|<!doctype.*?>|\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.DOTALL)
    assert not [
        words for words in re.sub(r"<[^>]*>", "\n", text).split() if re.search(r"[A-Za-z]", AS_THEY_ARE.sub("", words))
    ]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_attribute_holds_words(path: Path) -> None:
    """An attribute has one language only: names come from elements (aria-labelledby), texts of options from the script."""
    assert re.findall(r'(?:aria-label|alt|title|value|placeholder)="[^"{0-9]+"', path.read_text(encoding="utf-8")) == []
