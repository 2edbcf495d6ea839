"""The public status page: the last news as one HTML file, both languages, without scripts. Pure."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ops.announce.news import LANGUAGES, News
from ops.announce.reader import Reader

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
QUIET = ("verified", "refused", "rejected")
"""Outcomes after which nothing goes on any more; all else has a broken line beside it, and says so in words."""

NAMES: Mapping[str, str] = MappingProxyType({"de": "Deutsch", "en": "English"})


def render(news: News, timezone: str) -> str:
    """Return the page that shows *news*, with times in *timezone*.

    It says what goes on, since when, what that means, and when there will be more; no host is named on it.
    """
    parts = [
        {"lang": lang, "name": NAMES[lang], "notice": news.notices[lang], **_frame(Reader(lang, timezone), news)}
        for lang in LANGUAGES
    ]
    return _ENVIRONMENT.get_template("status.html").render(parts=parts, open=news.outcome not in QUIET)


def _frame(reader: Reader, news: News) -> dict[str, str]:
    moment = reader.moment(news.time)
    return {
        "title": reader.gettext("State of the site"),
        "written": reader.gettext("Written {moment}").format(moment=moment),
    }
