"""Which changes touched a host, a package, an advisory: an index over the records, so that a question reads only what answers it.

It lies beside the clone, is brought up to date by what is new since the commit that it names, and is made anew where it does
not fit.
What is found is read from the logbook itself; an audit does not use it.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from ops.errors import Failed
from ops.logbook.files import change_folder, parse_file, split_path
from ops.logbook.model import Record
from ops.logbook.repository import Logbook

LOCK_SECONDS = 60
FILE = "bordbuch-index.sqlite"
VERSION = 2
"""One more for each change of the tables or of what is put into them."""

TABLES = """
CREATE TABLE known (head TEXT NOT NULL);
CREATE TABLE file (change TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (change, name)) WITHOUT ROWID;
CREATE TABLE word (kind TEXT NOT NULL, word TEXT NOT NULL, change TEXT NOT NULL, PRIMARY KEY (kind, word, change)) WITHOUT ROWID;
"""
UNFINISHED = """
SELECT DISTINCT change FROM file
WHERE change NOT IN (SELECT change FROM file WHERE name = 'record.json')
   OR (change IN (SELECT change FROM word WHERE kind = 'owed')
       AND change NOT IN (SELECT change FROM file WHERE name = 'approval.json'))
ORDER BY change
"""
ENDED = "SELECT change FROM file WHERE name = 'record.json'"
HAS = "SELECT change FROM word WHERE kind = ? AND word = ?"


def ended(logbook: Logbook, **words: str) -> tuple[str, ...]:
    """Return the ids of ended changes that have all of *words*, newest first: kind, host, package, advisory, reverts.

    Empty words are passed over. A change has a word if any of its hosts or packages has it.
    """
    asked = [(kind, word) for kind, word in words.items() if word]
    with closing(_open(logbook)) as database:
        query = " INTERSECT ".join([ENDED, *(HAS for _ in asked)]) + " ORDER BY change DESC"
        return tuple(row[0] for row in database.execute(query, [value for pair in asked for value in pair]))


def unfinished(logbook: Logbook) -> tuple[str, ...]:
    """Return the ids of changes that have no end yet, or for which an approval is still owed, the oldest first."""
    with closing(_open(logbook)) as database:
        return tuple(row[0] for row in database.execute(UNFINISHED))


def records(logbook: Logbook, changes: Iterable[str]) -> Iterator[Record]:
    """Yield the records of *changes*, which have ended, in their order.

    Raises:
        Failed: one cannot be read.
    """
    order = tuple(changes)
    contents = logbook.contents([f"HEAD:{change_folder(change)}/record.json" for change in order])
    return (parse_file(Record, change, "record.json", text) for change, text in zip(order, contents, strict=True))


def _open(logbook: Logbook) -> sqlite3.Connection:
    """Return the index as of the newest commit; one that cannot be read is made anew.

    Raises:
        Failed: another command holds it.
    """
    path = logbook.path / ".git" / FILE
    try:
        return _opened(logbook, path)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname == "SQLITE_BUSY":
            raise Failed(f"another command has held {path} for {LOCK_SECONDS} s", next_step="try again") from None
    path.unlink()
    return _opened(logbook, path)


def _opened(logbook: Logbook, path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
    try:
        _bring_up_to_date(logbook, database)
    except BaseException:
        database.close()
        raise
    return database


def _bring_up_to_date(logbook: Logbook, database: sqlite3.Connection) -> None:
    head = logbook.head()
    with database:
        database.execute("BEGIN IMMEDIATE")
        known = _known(database)
        if known and known != head and not logbook.continues(known, head):
            known = ""
        if not known:
            _empty(database)
        if head and head != known:
            _add(logbook, database, logbook.paths_since(known, head))
        database.execute("UPDATE known SET head = ?", (head,))


def _known(database: sqlite3.Connection) -> str:
    if database.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        return ""
    return str(database.execute("SELECT head FROM known").fetchone()[0])


def _empty(database: sqlite3.Connection) -> None:
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        database.execute(f'DROP TABLE "{name}"')
    for statement in TABLES.split(";"):
        database.execute(statement)
    database.execute("INSERT INTO known VALUES ('')")
    database.execute(f"PRAGMA user_version = {VERSION}")


def _add(logbook: Logbook, database: sqlite3.Connection, paths: Iterable[str]) -> None:
    files = [parts for path in paths if (parts := split_path(path))]
    database.executemany("INSERT OR IGNORE INTO file VALUES (?, ?)", files)
    for record in records(logbook, [change for change, name in files if name == "record.json"]):
        words = {(kind, word, record.id) for kind, word in _words(record)}
        database.executemany("INSERT OR IGNORE INTO word VALUES (?, ?, ?)", words)


def _words(record: Record) -> Iterator[tuple[str, str]]:
    yield "kind", record.kind
    yield from (("host", host) for host in record.hosts)
    for result in record.hosts.values():
        for package in result.packages:
            yield "package", package.name
            yield from (("advisory", advisory) for advisory in package.advisories)
    if "reverts" in record.links:
        yield "reverts", record.links["reverts"]
    if record.approval_owed_until:
        yield "owed", ""
