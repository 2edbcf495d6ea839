"""All languages of the site at once: each text, number and date as every reader has it; the page shows one of them.

A text is the same markup wherever it stands, so it is made once and kept. Where all languages agree (most numbers) there is
only one form.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel.dates import format_date, format_skeleton, get_month_names
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup, escape

from ops.words import SOURCE, translator

LANGUAGES = ("de", "en")
FOLDER = Path(__file__).parent / "locale"
STEPS = "steps"
"""The message file of what playbooks and roles say."""
_LOCALES = {"de": "de_DE", "en": "en_GB"}
_DAY, _HOUR, _MINUTE = 86400, 3600, 60
_MOST_KEPT = 20_000
"""Texts that are kept: enough for one page after the other, and memory does not grow with the logbook."""


def N_(msgid: str) -> str:  # noqa: N802  (the name by which Babel's extraction knows a text that is translated later)
    """Return *msgid* as it is: it marks a text for the message file."""
    return msgid


class Words:
    """What the pages say, in *languages*; the first one is shown where a page can hold only one."""

    def __init__(self, languages: tuple[str, ...] = LANGUAGES) -> None:
        self.languages = languages
        self._translators = {lang: translator(lang, FOLDER) for lang in languages}
        self._steps = {lang: translator(lang, FOLDER, STEPS) for lang in languages}
        self._kept: dict[tuple[Any, ...], Markup] = {}

    def text(self, msgid: str, **values: Any) -> Markup:
        """Return the text *msgid* with *values* in their places ({name}), as markup; what others wrote is escaped."""
        key = ("text", msgid, *values.items()) if values else ("text", msgid)
        return self._once(key, lambda lang: self.plain(lang, msgid, **values))

    def plain(self, lang: str, msgid: str, **values: object) -> Markup:
        """Return the text *msgid* in one language."""
        text = escape(self._translators[lang].gettext(msgid))
        said = {name: escape(_formatted(lang, value)) for name, value in values.items()}
        return Markup(str(text).format(**said)) if said else text  # noqa: S704  (text and values are escaped right here)

    def step(self, text: str, marked: Callable[[str], Markup] = escape) -> Markup:
        """Return the *text* of a playbook or role, made by *marked*; where there are no words for it, as it is: in English."""
        said = {lang: self._steps[lang].gettext(text) for lang in self.languages}
        if set(said.values()) == {text}:
            return Markup(f'<span class="own" lang="{SOURCE}">{marked(text)}</span>')  # noqa: S704  (marked escapes)
        shown = (f'<span lang="{lang}">{marked(words)}</span>' for lang, words in said.items())
        return Markup("".join(shown))  # noqa: S704  (marked escapes)

    def number(self, value: float) -> Markup:
        """Return *value* with at most one digit after the point."""
        return self._once(("number", value), lambda lang: _number(lang, value))

    def percent(self, share: float) -> Markup:
        """Return *share* (of 1) in percent."""
        return self._once(("percent", share), lambda lang: str(format_percent(share, locale=_LOCALES[lang])))

    def moment(self, time: datetime | None) -> Markup:
        """Return *time* to the minute, in UTC, with its machine-readable form; nothing for None."""
        if time is None:
            return Markup("")
        return self._once(("moment", time), lambda lang: moment_text(lang, time), time)

    def day(self, day: date | None) -> Markup:
        """Return *day*, to the minute where it is a time; nothing for None."""
        if day is None or isinstance(day, datetime):
            return self.moment(day)
        return self._once(("day", day), lambda lang: str(format_date(day, "medium", locale=_LOCALES[lang])))

    def month(self, month: str) -> Markup:
        """Return *month* (``2026-11``) by its name."""
        first = date.fromisoformat(f"{month}-01")
        return self._once(("month", month), lambda lang: str(format_skeleton("yMMMM", first, locale=_LOCALES[lang])))

    def span(self, seconds: float | None) -> Markup:
        """Return a length of *seconds* in its two largest units; nothing for None."""
        if seconds is None:
            return Markup("")
        return self._once(("span", round(seconds)), lambda lang: self._span(lang, round(seconds)))

    def _span(self, lang: str, seconds: int) -> str:
        if seconds >= 2 * _DAY:
            return self.plain(lang, N_("{days} days"), days=round(seconds / _DAY, 1))
        hours, rest = divmod(seconds, _HOUR)
        minutes, rest = divmod(rest, _MINUTE)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"

    def _once(self, key: tuple[Any, ...], make: Callable[[str], str], at: datetime | None = None) -> Markup:
        """Return what *make* gives for each language, made once for each *key*; *at* is the time that it says."""
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) > _MOST_KEPT:
                self._kept.clear()
            found = self._kept[key] = self._each(make, at)
        return found

    def _each(self, make: Callable[[str], str], at: datetime | None) -> Markup:
        texts = [(lang, str(escape(make(lang)))) for lang in self.languages]
        same = all(text == texts[0][1] for _lang, text in texts)
        shown = texts[0][1] if same else "".join(f'<span lang="{lang}">{text}</span>' for lang, text in texts)
        if at:
            shown = f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{shown}</time>'
        return Markup(shown)  # noqa: S704  (escaped above)


def moment_text(lang: str, time: datetime) -> str:
    """Return *time* in UTC as a reader of *lang* writes it."""
    there = time.astimezone(UTC)
    if lang == "de":
        return f"{there:%d.%m.%Y, %H:%M} UTC"
    return f"{there.day} {_month_names(lang)[there.month]} {there:%Y, %H:%M} UTC"


@cache
def _month_names(lang: str) -> dict[int, str]:
    return dict(get_month_names("abbreviated", locale=_LOCALES[lang]))


def _number(lang: str, value: float) -> str:
    return str(format_decimal(round(value, 1), locale=_LOCALES[lang]))


def _formatted(lang: str, value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(lang, value)
    if isinstance(value, datetime):
        return moment_text(lang, value)
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def visible(value: Any) -> Any:
    """Return a text that others wrote with what cannot be seen shown as its code; anything else as it is."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in value.replace("\n", " "))
