"""Who reads: the language, the time zone, and whether host names are wanted. Words, dates and numbers in the reader's form."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType

from babel.dates import format_date, format_datetime, format_time, get_timezone
from babel.lists import format_list
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

from ops.announce.settings import Language
from ops.words import translator

LOCALE = Path(__file__).parent / "locale"
FORMS: Mapping[Language, str] = MappingProxyType({"de": "de_DE", "en": "en_GB"})
"""How dates and numbers are written; Europeans read the English ones, too."""

UNITS = (("duration-hour", 3600), ("duration-minute", 60), ("duration-second", 1))


@dataclass(frozen=True)
class Reader:
    """The one for whom a text is written."""

    language: Language
    timezone: str = "Europe/Berlin"
    hosts: bool = False
    """Whether servers are named."""

    @property
    def form(self) -> str:
        """The locale of dates and numbers."""
        return FORMS[self.language]

    def gettext(self, message: str) -> str:
        """Return *message* in the reader's language."""
        return translator(self.language, LOCALE).gettext(message)

    def ngettext(self, one: str, many: str, count: int) -> str:
        """Return *one* or *many*, as it must be for *count*, in the reader's language, with ``{count}`` filled in."""
        return translator(self.language, LOCALE).ngettext(one, many, count).replace("{count}", self.number(count))

    def moment(self, time: datetime) -> str:
        """Return *time* with its day, in the reader's zone."""
        zone = get_timezone(self.timezone)
        return self.gettext("{date}, {time} ({zone})").format(
            date=format_date(time.astimezone(zone), format="long", locale=self.form),
            time=self.clock(time),
            zone=format_datetime(time, "zzz", tzinfo=zone, locale=self.form),
        )

    def clock(self, time: datetime) -> str:
        """Return the time of day of *time*, in the reader's zone."""
        return format_time(time, format="short", tzinfo=get_timezone(self.timezone), locale=self.form)

    def day(self, time: datetime) -> str:
        """Return the day of *time*, in the reader's zone."""
        return format_date(time.astimezone(get_timezone(self.timezone)), format="long", locale=self.form)

    def period(self, begin: datetime, end: datetime) -> str:
        """Return from when to when, the day once where it is the same."""
        same = self.day(begin) == self.day(end)
        until = self.gettext("{time}").format(time=self.clock(end)) if same else self.moment(end)
        return self.gettext("{begin} to {end}").format(begin=self.moment(begin), end=until)

    def month(self, day: date) -> str:
        """Return the month of *day* with its year."""
        return format_date(day, "LLLL y", locale=self.form)

    def span(self, seconds: int) -> str:
        """Return a length of *seconds*: the two largest units of it."""
        parts, rest = list[str](), seconds
        for unit, size in UNITS:
            count, rest = divmod(rest, size)
            if count or (unit == "duration-second" and not parts):
                parts.append(format_unit(count, unit, locale=self.form))
        return " ".join(parts[:2])

    def number(self, value: int) -> str:
        """Return a whole number."""
        return format_decimal(value, locale=self.form)

    def percent(self, share: float) -> str:
        """Return a *share* of 1, to a thousandth of a percent."""
        return format_percent(share, format="#,##0.000 %", locale=self.form, group_separator=True)

    def listed(self, names: list[str]) -> str:
        """Return *names* as an enumeration."""
        return format_list(names, locale=self.form)
