"""Telling others by itself: each way out has a thread of its own, and none may fail a change or hold it up for long."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ops.announce import news as messages
from ops.announce import send
from ops.announce.meaning import is_news
from ops.announce.news import News
from ops.announce.settings import Settings
from ops.logbook.files import ChangeFiles

LIMIT_SECONDS = 5.0
"""How long a change waits for its news to go out, all ways together."""

SLOW = "not done in time"
ABOUT = {
    "begun": "that the change began",
    "gate-closed": "that a gate closed",
    "question": "that a question waits",
    "ended": "how the change ended",
}


@dataclass(frozen=True)
class Way:
    """One way out: what it is called in a record, and what sends."""

    name: str
    send: Callable[[News], None]


def ways(settings: Settings) -> tuple[Way, ...]:
    """Return the ways that the inventory names."""
    wanted = {
        "mail": (settings.mail_to or settings.operators_to, send.mail),
        "webhook": (settings.webhook, send.webhook),
        "file": (settings.file, send.append),
        "status page": (settings.status_page, send.publish),
        "status host": (settings.status_host, send.push),
    }
    return tuple(Way(name, _with(settings, act)) for name, (named, act) in wanted.items() if named)


def _with(settings: Settings, act: Callable[[News, Settings], None]) -> Callable[[News], None]:
    return lambda news: act(news, settings)


class Post:
    """News on one way, in their order, sent by a thread that ends with the program whatever it waits for.

    A way that was too slow once is not used again by this command.
    """

    def __init__(self, way: Way) -> None:
        self.way, self._late = way, False
        self._waiting, self._unsent = deque[News](), list[str]()
        self._changed = threading.Condition()

    def put(self, news: News) -> None:
        """Have *news* sent once what came before is."""
        with self._changed:
            if self._late:
                self._unsent.append(_line(news, self.way, SLOW))
                return
            self._waiting.append(news)
            if len(self._waiting) == 1:
                threading.Thread(target=self._work, args=(news,), name=f"news by {self.way.name}", daemon=True).start()

    def _work(self, news: News) -> None:
        while True:
            error = _attempt(self.way, news)
            with self._changed:
                if self._late:
                    return  # it was told of already
                self._waiting.popleft()
                self._unsent += [_line(news, self.way, error)] if error else []
                self._changed.notify_all()
                if not self._waiting:
                    return
                news = self._waiting[0]

    def settle(self, deadline: float) -> list[str]:
        """Wait until all is sent, at most until the monotonic *deadline*, and return what was not, a line each, once."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, max(0.0, deadline - time.monotonic()))
            self._unsent += [_line(news, self.way, SLOW) for news in self._waiting]
            self._late = self._late or bool(self._waiting)
            self._waiting.clear()
            lines, self._unsent = self._unsent, []
            return lines


def _attempt(way: Way, news: News) -> str:
    try:
        way.send(news)
    except Exception as error:  # whatever it is: news never fail a change
        return send.why(error)
    return ""


def _line(news: News, way: Way, error: str) -> str:
    return f"not announced by {way.name}, {ABOUT[news.occasion]}: {error}"


class Announcer:
    """What a command tells others; without ways, nothing."""

    def __init__(self, settings: Settings | None = None, limit_seconds: float = LIMIT_SECONDS) -> None:
        self.settings, self.limit_seconds = settings or Settings(), limit_seconds
        self._posts = [Post(way) for way in ways(self.settings)]
        self._unwritten: list[str] = []

    def change(self, read: Callable[[], ChangeFiles]) -> None:
        """Tell that the change that *read* returns has begun or how it ended, if users may notice it."""
        self._tell_of(read, messages.of_change)

    def gate(self, read: Callable[[], ChangeFiles]) -> None:
        """Tell that a gate of the change that *read* returns closed; its events are those until now."""
        self._tell_of(read, messages.of_gate)

    def question(self, question: str, since: datetime) -> None:
        """Tell that a *question* waits."""
        self._tell(lambda now: messages.of_question(question, self.settings, since, now))

    def _tell_of(self, read: Callable[[], ChangeFiles], say: Callable[[ChangeFiles, Settings, datetime], News]) -> None:
        def write(now: datetime) -> News | None:
            files = read()
            return say(files, self.settings, now) if is_news(files) else None

        self._tell(write)

    def _tell(self, write: Callable[[datetime], News | None]) -> None:
        if not self._posts:
            return
        try:
            news = write(datetime.now(UTC))
        except Exception as error:  # a fault in a text must not fail a change either
            self._unwritten.append(f"not announced, the text could not be written: {send.why(error)}")
            return
        if news:
            for post in self._posts:
                post.put(news)

    def settle(self) -> tuple[str, ...]:
        """Wait until all news are sent, at most ``limit_seconds``, and return what was not, a line each, once."""
        deadline = time.monotonic() + self.limit_seconds
        lines, self._unwritten = self._unwritten, []
        return (*lines, *(line for post in self._posts for line in post.settle(deadline)))
