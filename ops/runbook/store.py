"""What was read of the logbook, kept beside the site so that a build reads only what is new. It can be made anew at any time.

SQLite, in one transaction per build: a build that is killed leaves the store as it was, and the next one writes again what
it does not know of.
"""

import json
import sqlite3
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import TypeAdapter

from ops.errors import Failed
from ops.runbook.entries import Entry
from ops.runbook.summary import Look, Rows, Summary

NAME = ".state.sqlite"
WAIT_SECONDS = 120
"""How long a build waits for another one of the same site."""

PROVEN = ("current", "pending")
"""Verdicts of a look at a host that could be judged: what such a plan does not list is not open."""

CACHE_KIB = 200_000
"""Memory for the store: ten years of 200 hosts fit."""

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (path TEXT PRIMARY KEY, key TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS change (id TEXT PRIMARY KEY, files TEXT, summary TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (id TEXT PRIMARY KEY, change TEXT, who TEXT, fingerprint TEXT, at INTEGER, names TEXT)
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_of ON entry (change);
CREATE TABLE IF NOT EXISTS exposure (advisory TEXT, host TEXT, seen INTEGER, listed INTEGER, installed INTEGER, last INTEGER,
    reopened INTEGER, change TEXT, published INTEGER, PRIMARY KEY (advisory, host)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS package (host TEXT, name TEXT, architecture TEXT, version TEXT, state TEXT, at INTEGER, change TEXT,
    PRIMARY KEY (host, name, architecture)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS look (host TEXT, change TEXT, at INTEGER, verdict TEXT, updates INTEGER, detail TEXT,
    PRIMARY KEY (host, at, change)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS judged (host TEXT PRIMARY KEY, newest INTEGER) WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS standing AS SELECT advisory, host, seen, installed, change,
    max(listed, reopened) > last AND max(listed, reopened) >= ifnull(newest, 0) AS open, published
    FROM exposure LEFT JOIN judged USING (host);
CREATE TABLE IF NOT EXISTS step (play TEXT, task TEXT, action TEXT, form TEXT, PRIMARY KEY (play, task, action, form))
    WITHOUT ROWID;
"""
_NAMES = ("meta", "page", "change", "entry", "exposure", "package", "look", "judged", "step")
_EXPOSURE = """
INSERT INTO exposure VALUES (?1, ?2, ?3, ?3, ?4, ifnull(?4, 0), ifnull(?5, 0), CASE WHEN ?4 IS NULL THEN '' ELSE ?6 END, ?7)
ON CONFLICT DO UPDATE SET
    seen = min(seen, excluded.seen),
    listed = max(listed, excluded.listed),
    change = CASE WHEN excluded.installed < ifnull(installed, excluded.installed + 1) THEN excluded.change ELSE change END,
    installed = CASE WHEN installed IS NULL THEN excluded.installed
                     WHEN excluded.installed IS NULL THEN installed ELSE min(installed, excluded.installed) END,
    last = max(last, excluded.last),
    reopened = max(reopened, excluded.reopened),
    published = CASE WHEN published IS NULL THEN excluded.published
                     WHEN excluded.published IS NULL THEN published ELSE min(published, excluded.published) END
"""
_TOOK = "SELECT max(0, installed - seen) AS took FROM exposure WHERE installed IS NOT NULL"
_PACKAGE = """
INSERT INTO package VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version, state = excluded.state,
    at = excluded.at, change = excluded.change WHERE excluded.at >= at
"""
_JUDGED = "INSERT INTO judged VALUES (?, ?) ON CONFLICT DO UPDATE SET newest = max(newest, excluded.newest)"
_STEP = "INSERT OR IGNORE INTO step VALUES (?, ?, ?, ?)"


_SUMMARIES = TypeAdapter(tuple[Summary, ...])


class Exposure(NamedTuple):
    """One advisory on one host: first seen in a plan, first installed, by which change; published when (seconds since 1970).

    It is open where the newest plan that could judge the host lists it, and no record has installed it since. Where neither is so
    and it was never installed, it went without a record.
    """

    advisory: str
    host: str
    seen: int
    installed: int | None
    change: str
    open: bool
    published: int | None = None


class Delays(NamedTuple):
    """From first seen to installed, in seconds: how many there are, their median, the longest, how many within each limit."""

    total: int
    median: int
    longest: int
    within: tuple[int, ...]


class Version(NamedTuple):
    """A package on a host as the newest record has it."""

    name: str
    architecture: str
    version: str
    state: str
    at: int
    change: str


class Seen(NamedTuple):
    """One look at a host by a plan."""

    host: str
    change: str
    at: int
    verdict: str
    updates: int
    look: Look


class Store:
    """The store of one site; ``Store.open`` gives it for one build."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> "Iterator[Store]":
        """Yield the store of the site in *folder*; what was done is kept if nothing fails.

        Raises:
            Failed: another build held it for too long, or it cannot be read.
        """
        connection = sqlite3.connect(folder / NAME, timeout=WAIT_SECONDS, isolation_level=None)
        try:
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute("PRAGMA synchronous = OFF")  # it can be made anew
            connection.execute("BEGIN IMMEDIATE")
            store = cls(connection)
            store._make()
            yield store
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            words = f"the store of the site in {folder} cannot be used: {error}"
            raise Failed(
                words, left="the pages may be older than the logbook", next_step=f"rm {folder / NAME}"
            ) from None
        finally:
            connection.close()

    def clear(self) -> None:
        """Forget everything, tables of earlier programs too: the site is made anew."""
        self._db.execute("DROP VIEW standing")
        for name in _NAMES:
            self._db.execute(f"DROP TABLE {name}")
        self._make()

    def _make(self) -> None:
        for statement in _TABLES.split(";"):
            self._db.execute(statement)

    def note(self, name: str, value: str) -> None:
        """Keep *value* under *name*."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> str:
        """Return what is kept under *name*, empty if nothing is."""
        return str(next(iter(self._db.execute("SELECT value FROM meta WHERE name = ?", (name,))), ("",))[0])

    def page_key(self, path: str) -> str:
        """Return of what the page at *path* was made, empty if it was not."""
        return str(next(iter(self._db.execute("SELECT key FROM page WHERE path = ?", (path,))), ("",))[0])

    def note_page(self, path: str, key: str) -> None:
        """Keep of what the page at *path* is made."""
        self._db.execute("INSERT OR REPLACE INTO page VALUES (?, ?)", (path, key))

    def page_keys(self, beginning: str) -> dict[str, str]:
        """Return path → of what it was made, of the pages whose paths have this *beginning*."""
        return dict(self._db.execute("SELECT path, key FROM page WHERE path GLOB ?", (f"{beginning}*",)))

    def forget_page(self, path: str) -> None:
        """Forget the page at *path*."""
        self._db.execute("DELETE FROM page WHERE path = ?", (path,))

    def pages(self) -> set[str]:
        """Return the paths of all pages that were made."""
        return {path for (path,) in self._db.execute("SELECT path FROM page")}

    def known(self) -> dict[str, str]:
        """Return change → its files when it was read."""
        return dict(self._db.execute("SELECT id, files FROM change"))

    def put(self, changes: Sequence[tuple[str, str, str, Rows]]) -> None:
        """Keep what was read of *changes*: the id of each, of which files, its summary as JSON, and its rows."""
        write, found = self._db.executemany, [rows for *_, rows in changes]
        write("INSERT OR REPLACE INTO change VALUES (?, ?, ?)", (change[:3] for change in changes))
        write(_EXPOSURE, (row for rows in found for row in rows.exposures))
        write(_PACKAGE, (row for rows in found for row in rows.packages))
        write("INSERT OR REPLACE INTO look VALUES (?, ?, ?, ?, ?, ?)", (row for rows in found for row in rows.looks))
        proven = [
            (host, at) for rows in found for host, _change, at, verdict, *_rest in rows.looks if verdict in PROVEN
        ]
        write(_JUDGED, proven)
        write(_STEP, (row for rows in found for row in rows.steps))
        if proven or any(rows.exposures for rows in found):
            self._db.execute("DELETE FROM meta WHERE name GLOB 'figure *'")

    def summaries(self) -> tuple[Summary, ...]:
        """Return the summaries of all changes, the oldest first."""
        found = self._db.execute("SELECT summary FROM change ORDER BY id")
        return _SUMMARIES.validate_json("[" + ",".join(text for (text,) in found) + "]")

    def add_entries(self, entries: Iterable[Entry]) -> None:
        """Keep signed entries of the logbook."""
        values = ((one.id, one.change, one.who, one.fingerprint, one.at, " ".join(one.names)) for one in entries)
        self._db.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?)", values)

    def entries(self, changes: Iterable[str]) -> dict[str, tuple[Entry, ...]]:
        """Return the entries of each of *changes*, in the order of their times."""
        question = "SELECT id, change, who, fingerprint, at, names FROM entry WHERE change = ? ORDER BY at, id"
        return {change: tuple(_entry(row) for row in self._db.execute(question, (change,))) for change in changes}

    def signers(self) -> list[tuple[str, str, int, int, int]]:
        """Return who signed with which key how often, first and last, in seconds since 1970."""
        question = (
            "SELECT who, fingerprint, count(*), min(at), max(at) FROM entry GROUP BY who, fingerprint ORDER BY who, 4"
        )
        return list(self._db.execute(question))

    def exposures(self, advisories: Iterable[str]) -> dict[str, list[Exposure]]:
        """Return what is kept of each of *advisories*, by host."""
        question = "SELECT * FROM standing WHERE advisory = ? ORDER BY host"
        return {name: [Exposure(*row) for row in self._db.execute(question, (name,))] for name in advisories}

    def open_exposures(self) -> list[Exposure]:
        """Return every advisory that is open on a host, the oldest first."""
        question = "SELECT * FROM standing WHERE open ORDER BY seen, advisory, host"
        return [Exposure(*row) for row in self._db.execute(question)]

    def advisory_months(self) -> dict[str, list[str]]:
        """Return month of the first sight → advisories."""
        return cast(dict[str, list[str]], self._figure("months", self._advisory_months))

    def _advisory_months(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        question = (
            "SELECT strftime('%Y-%m', min(seen), 'unixepoch'), advisory FROM exposure GROUP BY advisory ORDER BY 1, 2"
        )
        for month, advisory in self._db.execute(question):
            found.setdefault(month, []).append(advisory)
        return found

    def delays(self, limits: Sequence[int]) -> Delays:
        """Return how long it took from first seen to installed, of all that was installed; *limits* (seconds) part the classes."""
        total, median, longest, within = self._figure(f"delays {limits}", lambda: self._delays(limits))
        return Delays(total, median, longest, tuple(within))

    def _delays(self, limits: Sequence[int]) -> tuple[int, int, int, list[int]]:
        took = sorted(seconds for (seconds,) in self._db.execute(_TOOK))
        within = [bisect_right(took, limit) for limit in limits]
        return (len(took), took[len(took) // 2], took[-1], within) if took else (0, 0, 0, within)

    def slowest(self, count: int) -> list[Exposure]:
        """Return the *count* slowest that were installed."""
        columns, order = (
            "advisory, host, seen, installed, change, 0",
            "ORDER BY installed - seen DESC, advisory, host LIMIT ?",
        )
        question = f"SELECT {columns} FROM exposure WHERE installed IS NOT NULL {order}"  # noqa: S608  (texts of ours)
        return [Exposure(*row) for row in self._db.execute(question, (count,))]

    def flow(self) -> Mapping[str, tuple[int, int]]:
        """Return per month how many advisories were first seen on a host, and first installed; without what went unrecorded."""
        return {month: (seen, gone) for month, (seen, gone) in self._figure("flow", self._flow).items()}

    def _flow(self) -> dict[str, tuple[int, int]]:
        question = "SELECT seen / 86400, installed / 86400 FROM standing WHERE installed OR open"
        days = list(self._db.execute(question))
        seen, gone = _by_month(day for day, _ in days), _by_month(day for _, day in days if day is not None)
        return {month: (seen[month], gone[month]) for month in sorted({*seen, *gone})}

    def _figure(self, name: str, make: Callable[[], object]) -> Any:
        """Return, by way of JSON, what *make* counts; kept until a change says anything of an advisory or of a look at a host."""
        text = self.noted(f"figure {name}")
        if not text:
            text = json.dumps(make())
            self.note(f"figure {name}", text)
        return json.loads(text)

    def versions(self, host: str) -> list[Version]:
        """Return the packages of *host* as records have them, by name."""
        question = "SELECT name, architecture, version, state, at, change FROM package WHERE host = ? ORDER BY name, architecture"
        return [Version(*row) for row in self._db.execute(question, (host,))]

    def looks(self, host: str, count: int) -> list[Seen]:
        """Return what the newest *count* plans saw on *host*, the oldest first."""
        question = "SELECT * FROM look WHERE host = ? ORDER BY at DESC, change DESC LIMIT ?"
        return _looks(self._db.execute(question, (host, count)))[::-1]

    def newest_looks(self) -> dict[str, Seen]:
        """Return what the newest plan saw on each host."""
        question = "SELECT host, change, max(at), verdict, updates, detail FROM look GROUP BY host"
        return {seen.host: seen for seen in _looks(self._db.execute(question))}

    def steps(self, plays: Iterable[str]) -> dict[tuple[str, str], set[str]]:
        """Return in which forms each step (task, module) of *plays* was carried out; one is empty if it was not noted."""
        found: dict[tuple[str, str], set[str]] = {}
        for play in plays:
            for task, action, form in self._db.execute("SELECT task, action, form FROM step WHERE play = ?", (play,)):
                found.setdefault((task, action), set()).add(form)
        return found


def _by_month(days: Iterable[int]) -> "Counter[str]":
    """Return how many of *days* (since 1970) are in each month."""
    found: Counter[str] = Counter()
    for day, count in Counter(days).items():
        found[f"{datetime.fromtimestamp(day * 86400, UTC):%Y-%m}"] += count
    return found


def _entry(row: tuple[Any, ...]) -> Entry:
    return Entry(id=row[0], change=row[1], who=row[2], fingerprint=row[3], at=row[4], names=tuple(row[5].split()))


def _looks(rows: Iterable[tuple[Any, ...]]) -> list[Seen]:
    return [Seen(row[0], row[1], row[2], row[3], row[4], Look.model_validate_json(row[5])) for row in rows]


def moment(seconds: int) -> datetime:
    """Return *seconds* since 1970, as the store has times, as a time."""
    return datetime.fromtimestamp(seconds, UTC)
