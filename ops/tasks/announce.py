"""Words for others: the notice of one change, and the report of a month."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from invoke import Context

from ops import terminal
from ops.announce import figures, news, reader
from ops.announce import report as reports
from ops.announce.settings import Settings
from ops.change import look
from ops.errors import BadInput
from ops.tasks.command import command
from ops.tasks.work import INVENTORY, at_work

LANG = "de, en or both; by default that of the inventory (announce_language)"
HOSTS = "name servers, too"
JSON = "print it as JSON, for a program"


@command(
    positional=["change"],
    help={
        "change": "id of the change, e.g. 2026-11-25-2300-k7xq",
        "lang": LANG,
        "at": "when planned work begins, in the inventory's time zone, e.g. 2026-11-28T22:00",
        "hosts": HOSTS,
        "json": JSON,
        "inventory": INVENTORY,
    },
)
def notice(
    c: Context,
    change: str,
    lang: str = "",
    at: str = "",
    hosts: bool = False,
    json: bool = False,
    inventory: str = "inventory/lab",
) -> None:
    """Write the announcement of a change for those who use the site: that it is planned, has begun, or how it ended.

    Example: invoke notice 2026-11-25-2300-k7xq --lang de
    """
    with at_work(Path(inventory)) as session:
        settings = written_in(session.inventory.policy.announce, lang)
        begin = moment(at, settings.timezone)
        made = news.of_change(look.one(session, change), settings, datetime.now(UTC), hosts=hosts, at=begin)
        if json:
            terminal.data(made.model_dump(mode="json"))
            return
        for language in settings.languages:
            terminal.say(f"{made.notices[language].subject}\n\n{made.notices[language].text}")


@command(
    help={
        "month": "the month, e.g. 2026-11; by default the last one that is over",
        "lang": LANG,
        "hosts": "say what is still open with the names of servers",
        "json": JSON,
        "inventory": INVENTORY,
    }
)
def report(
    c: Context,
    month: str = "",
    lang: str = "",
    hosts: bool = False,
    json: bool = False,
    inventory: str = "inventory/lab",
) -> None:
    """Write the report of a month for blog and board: what was done, availability, security, backups, what comes next.

    Example: invoke report --month 2026-11
    """
    with at_work(Path(inventory)) as session:
        settings = written_in(session.inventory.policy.announce, lang)
        span = figures.month_of(month or last_month(settings.timezone), settings.timezone, datetime.now(UTC))
        made = figures.figures(session.logbook.read_all(), span, hosts=hosts)
        if json:
            terminal.data(made.model_dump(mode="json"))
            return
        for language in settings.languages:
            terminal.say(reports.report(made, reader.Reader(language, settings.timezone, hosts)))


def written_in(settings: Settings, lang: str) -> Settings:
    """Return *settings* with the language *lang*, if one was typed.

    Raises:
        BadInput: it is none that we have.
    """
    if lang not in ("", "de", "en", "both"):
        raise BadInput(f"there are no words in the language {lang!r}", next_step="use de, en or both")
    return settings.model_copy(update={"language": lang}) if lang else settings


def moment(text: str, timezone: str) -> datetime | None:
    """Return the time *text*, in *timezone* where it names no zone itself; None for an empty one.

    Raises:
        BadInput: it is no time.
    """
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise BadInput(f"{text!r} is no time", next_step="write it like 2026-11-28T22:00") from None
    return time.replace(tzinfo=ZoneInfo(timezone)) if time and time.tzinfo is None else time


def last_month(timezone: str) -> str:
    """Return the last month that is over in *timezone*."""
    first = datetime.now(ZoneInfo(timezone)).replace(day=1)
    return f"{first - timedelta(days=1):%Y-%m}"
