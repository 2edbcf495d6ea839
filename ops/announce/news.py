"""One piece of news: what happened, for whom, in both languages, as it goes to mail, webhook, file and page. Pure."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from ops.announce.meaning import Procedure, procedure_of
from ops.announce.notice import Notice, Occasion, gate_notice, notice, occasion_of, question_notice
from ops.announce.reader import Reader
from ops.announce.settings import Language, Settings
from ops.logbook.files import ChangeFiles
from ops.logbook.model import Model, Moment

LANGUAGES: tuple[Language, ...] = ("de", "en")
Say = Callable[[Reader], Notice]


class News(Model):
    """What programs get as JSON. Times are UTC; only the texts have the reader's.

    ``audience`` is ``operators`` for what users can do nothing about: a gate that closed, a question that waits. ``subject`` and
    ``text`` are in the languages that the inventory names, ``notices`` in all.
    """

    schema_version: Literal["bordbuch/news/1"] = "bordbuch/news/1"
    occasion: Occasion
    audience: Literal["public", "operators"]
    change: str = ""
    procedure: Procedure | None = None
    outcome: str = ""
    time: Moment
    subject: str
    text: str
    notices: dict[Language, Notice]


def of_change(
    files: ChangeFiles, settings: Settings, time: datetime, *, hosts: bool = False, at: datetime | None = None
) -> News:
    """Return the news of a change as it stands at *time*; *hosts* names the servers, planned work begins *at* then.

    Raises:
        BadInput: users notice nothing of it.
    """
    news = _news(occasion_of(files), settings, time, lambda reader: notice(files, reader, at), hosts=hosts)
    return news.model_copy(update=_about(files))


def of_gate(files: ChangeFiles, settings: Settings, time: datetime) -> News:
    """Return the news that a gate closed at *time*; the events of *files* are those until then."""
    news = _news("gate-closed", settings, time, lambda reader: gate_notice(files, reader, time))
    return news.model_copy(update=_about(files))


def of_question(question: str, settings: Settings, since: datetime, time: datetime) -> News:
    """Return the news that a *question* of ours waits *since* then."""
    return _news("question", settings, time, lambda reader: question_notice(question, since, reader))


def _about(files: ChangeFiles) -> dict[str, object]:
    outcome = files.record.outcome if files.record else ""
    return {"change": files.id, "procedure": procedure_of(files), "outcome": outcome}


def _news(occasion: Occasion, settings: Settings, time: datetime, say: Say, *, hosts: bool = False) -> News:
    notices = {lang: say(Reader(lang, settings.timezone, hosts)) for lang in LANGUAGES}
    chosen = [notices[lang] for lang in settings.languages]
    return News(
        occasion=occasion,
        audience="operators" if occasion in ("gate-closed", "question") else "public",
        time=time,
        subject=" / ".join(one.subject for one in chosen),
        text="\n".join(one.text for one in chosen),
        notices=notices,
    )
