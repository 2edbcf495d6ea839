#!/usr/bin/python3 -I
"""Keep the ledger of who is locked or deleted, by id, outside the database, so that no restore lets anybody back in.

Each change of the database is written to `ledger`; each minute a marker is set in the database, and written to `markers` with
its place in the write-ahead log; each hour `facts.json` says what a restore is compared with. Lines only ever come to `ledger`,
and the last one on a member counts; `deleted` is for good.

    ledger.py            watch the database, and go on when it is away
    ledger.py --state    what the ledger says of each member now

Exit code 3: the database is older than the ledger, which was not replayed on it. Nothing is written until that is done.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import os
import re
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

CONFIGURATION = Path("/etc/bordbuch/backup.json")
GIVEN = Path("/etc/bordbuch/given-facts.json")
"""Facts that are given instead of read: here how wrong this host's clock is to be."""

FOLDER = Path("/var/lib/bordbuch-ledger")
CERTIFICATES = Path("/etc/ssl/bordbuch")

ENTRY = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (locked|unlocked|deleted) ([1-9]\d{0,9})")
TORN = b"~"
"""Ends a line that a crash or a full disk cut short: such a line says nothing, whatever it looks like."""

HIGHEST = 2**31 - 1
"""The type of member ids is integer."""

MARK_SECONDS, FACTS_SECONDS = 60, 3600
PAUSE_SECONDS = 1
"""Notifications within this time are answered together."""

RETRY_SECONDS = 5
KEPT = 8 * 24 * 60
"""How many markers are kept: those of eight days. By number, since a clock may be wrong."""

State = dict[int, str]
Marker = dict[str, Any]


class Fault(Exception):
    """What happened and what to do, for a person to read."""


class Away(Exception):
    """The database cannot be asked now; trying again will do."""


class Older(Fault):
    """The database was taken back to an earlier time."""


# What the files say.


def whole(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and text of the lines of *content* that were written to their end."""
    lines = content.split(b"\n")[:-1]
    return ((number, line) for number, line in enumerate(lines, 1) if not line.endswith(TORN))


def states(content: bytes) -> State:
    """Return the last word on each member in a ledger; nothing comes after `deleted`."""
    found: State = {}
    for number, line in whole(content):
        entry = ENTRY.fullmatch(line)
        if not entry or int(entry[2]) > HIGHEST:
            raise Fault(f"Line {number} of the ledger is no entry. Nothing was done; compare it with its copy.")
        if found.get(int(entry[2])) != "deleted":
            found[int(entry[2])] = entry[1].decode()
    return found


def markers(content: bytes) -> list[Marker]:
    """Return the markers in *content*, the newest last."""
    return [marker(number, line) for number, line in whole(content)]


def marker(number: int, line: bytes) -> Marker:
    """Return the marker in a line; the figures are looked at, since others are reckoned from them."""
    try:
        found = json.loads(line)
        if all(whole_number(found[name], limit) for name, limit in (("number", 2**62), ("highest", HIGHEST))):
            return dict(found)
    except (ValueError, KeyError, TypeError):
        pass
    raise Fault(f"Line {number} of the markers is none. Nothing was done; compare it with its copy.")


def whole_number(value: object, limit: int) -> bool:
    """Whether *value* is a number from 0 to *limit*, and not what merely looks like one."""
    return type(value) is int and 0 <= value <= limit


def read(path: Path) -> bytes:
    """Return what is in a file; one that is still to come is empty."""
    return path.read_bytes() if path.exists() else b""


def append(path: Path, lines: list[str]) -> None:
    """Add *lines* and return when they are on the disk. What was cut short before is ended, so that it says nothing."""
    with path.open("a+b") as file:
        if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
            file.write(TORN + b"\n")
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, content: bytes) -> None:
    """Put *content* in the file's place in one step."""
    aside = path.with_suffix(".new")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def shorten(path: Path) -> None:
    """Drop the oldest markers where there are more than are kept, and what was cut short."""
    content = read(path)
    kept = [line for _, line in whole(content)][-KEPT:]
    shorter = b"".join(line + b"\n" for line in kept)
    if shorter != content:
        replace(path, shorter)


# What the database says.


def difference(known: State, answer: dict[str, Any]) -> State:
    """Return what is to be added to a ledger that says *known*, so that it says what the database answered."""
    wanted = dict.fromkeys(answer["locked"], "locked") | dict.fromkeys(answer["deleted"], "deleted")
    lifted = {member: "unlocked" for member, word in known.items() if word == "locked" and member not in wanted}
    return {
        member: word for member, word in sorted((wanted | lifted).items()) if known.get(member) not in (word, "deleted")
    }


def checked(answer: dict[str, Any]) -> dict[str, Any]:
    """Return *answer* if it names members as the ledger can write them down."""
    named = [*answer["locked"], *answer["deleted"]]
    if whole_number(answer["highest"], HIGHEST) and all(whole_number(member, HIGHEST) and member for member in named):
        return answer
    raise Fault("The database names a member by what is no id. Nothing was written; look at bordbuch.members() there.")


def refuse_older(origin: dict[str, Any], last: int) -> None:
    """Raise where the database, by its *origin*, goes on from before the *last* marker written down here."""
    if origin["recovery"]:
        raise Away("The database is being restored.")
    if origin["newest"] < last:
        raise Older(older(f"its newest marker is {origin['newest']}, the last one written down here {last}"))
    if origin["marked"] not in (None, origin["timeline"]):
        raise Older(older(f"it is on timeline {origin['timeline']}, its newest marker on {origin['marked']}"))


def older(why: str) -> str:
    """Say that the ledger has to be replayed."""
    return (
        f"The database was taken back to an earlier time and the ledger not replayed on it: {why}. Nothing was written. "
        "Replay it (replay.py, its output into psql on the database's host), then start this again."
    )


def explained(problem: Exception) -> str:
    """Return in a sentence why the database could not be asked."""
    code = getattr(problem, "pgcode", None)
    if code in ("3F000", "42883", "42P01"):  # no such schema, function or table
        return "The database lacks LiquidFeedback's schema, or what the role backup adds to it: nothing to watch yet."
    if isinstance(problem, OSError):
        return f"The ledger cannot be written: {problem}."
    said = " ".join(str(problem).split()) or type(problem).__name__
    return said if isinstance(problem, Away) else f"The database cannot be asked: {said}"


# Watching.


@dataclass
class Watch:
    """What is known while the database is watched, and when what is due by the monotonic clock."""

    folder: Path
    connection: Any = None
    known: State = field(default_factory=dict)
    number: int = 0
    highest: int = 0
    mark_at: float = -math.inf
    facts_at: float = -math.inf

    def begin(self, connection: Any) -> None:
        """Go on from what the files say, unless the database is older than they are."""
        self.connection = connection
        shorten(self.folder / "markers")
        self.known = states(read(self.folder / "ledger"))
        last = (markers(read(self.folder / "markers")) or [{"number": 0, "highest": 0}])[-1]
        origin = self.ask("SELECT bordbuch.origin()")
        refuse_older(origin, last["number"])
        self.number, self.highest = origin["newest"], last["highest"]
        self.ask("LISTEN bordbuch_members")

    def ask(self, question: str, *values: int) -> Any:
        """Return the one value that the database answers, None if there is none. Each question is committed at once."""
        with self.connection.cursor() as cursor:
            cursor.execute(question, values)
            return cursor.fetchone()[0] if cursor.description else None

    def round(self) -> None:
        """Do what is due. Who is locked goes first: it must be written whatever else fails."""
        self.look()
        if time.monotonic() >= self.mark_at:
            self.mark()
        if time.monotonic() >= self.facts_at:
            self.write_facts()

    def look(self) -> None:
        """Write down who was locked, unlocked or deleted since the last look."""
        answer = checked(self.ask("SELECT bordbuch.members()"))
        if answer["highest"] < self.highest:
            raise Older(older(f"its highest member id is {answer['highest']}, {self.highest} was there before"))
        found = difference(self.known, answer)
        if found:
            now = iso(clock())
            append(self.folder / "ledger", [f"{now} {word} {member}" for member, word in found.items()])
        self.known |= found
        self.highest = answer["highest"]

    def mark(self) -> None:
        """Set a marker and, when that is committed, a restore point; write down where both are."""
        self.mark_at = time.monotonic() + MARK_SECONDS
        self.number += 1
        made = self.ask("SELECT bordbuch.mark(%s)", self.number)
        point = self.ask("SELECT bordbuch.point(%s)", self.number)
        places = {"lsn": made["lsn"], "point_lsn": point["lsn"], "seen": iso(clock())}
        written = {"number": self.number, "time": made["time"], **places, "highest": self.highest}
        append(self.folder / "markers", [json.dumps(written)])

    def write_facts(self) -> None:
        """Write down what a restore is compared with; where that fails, it is tried again with the next marker."""
        self.facts_at = time.monotonic() + MARK_SECONDS
        facts = self.ask("SELECT bordbuch.facts()")
        replace(self.folder / "facts.json", json.dumps({"time": iso(clock()), "facts": facts}).encode() + b"\n")
        shorten(self.folder / "markers")
        self.facts_at = time.monotonic() + FACTS_SECONDS

    def wait(self) -> None:
        """Return when the database has notified, or a marker is due."""
        time.sleep(PAUSE_SECONDS)
        if not self.connection.notifies:
            select.select([self.connection], [], [], max(0, self.mark_at - time.monotonic()))
        self.connection.poll()
        self.connection.notifies.clear()


def watch(folder: Path, database: dict[str, Any]) -> None:
    """Watch the database for as long as this runs. A problem is said once, and so is its end."""
    import psycopg2  # Debian's python3-psycopg2; reading the ledger does without

    said, watched = "", Watch(folder)
    while True:
        try:
            with connected(database) as connection:
                watched.begin(connection)
                while True:
                    watched.round()
                    said = over(said)
                    watched.wait()
        except (psycopg2.Error, OSError, Away) as problem:
            said = say(explained(problem), said)
        time.sleep(RETRY_SECONDS)


def say(problem: str, said: str) -> str:
    """Print a problem unless it was the last that was *said*, and return it."""
    if problem != said:
        print(problem, file=sys.stderr, flush=True)
    return problem


def over(said: str) -> str:
    """Print that the problem that was *said* is over, if there was one."""
    if said:
        print("All is well again: the database is watched.", file=sys.stderr, flush=True)
    return ""


@contextmanager
def connected(database: dict[str, Any]) -> Iterator[Any]:
    """Connect by this host's certificate; a server that has vanished is noticed within a minute or two."""
    import psycopg2

    connection = psycopg2.connect(
        host=database["host"],
        port=database["port"],
        dbname=database["name"],
        user=database["user"],
        sslmode="verify-full",
        sslrootcert=str(CERTIFICATES / "ca.crt"),
        sslcert=str(CERTIFICATES / "host.crt"),
        sslkey=str(CERTIFICATES / "host.key"),
        connect_timeout=10,
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        tcp_user_timeout=60_000,
        options="-c statement_timeout=120s -c synchronous_commit=on",
        application_name="bordbuch-ledger",
    )
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the ledger for this program; two would write everything twice."""
    with open(os.open(folder / "lock", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Fault("The ledger is being kept already, by another process. This one ends.") from None
        yield


def clock() -> datetime:
    """Return this host's time, or the wrong one that is given instead."""
    given = json.loads(read(GIVEN) or b"{}")
    return datetime.now(UTC) + timedelta(seconds=given.get("clock_offset_seconds", 0))


def iso(moment: datetime) -> str:
    """Return a time in UTC as the ledger writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", action="store_true", help="print the last word on each member, and end")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the ledger lies")
    return parser.parse_args()


def main() -> int:
    """Print the state, or keep the ledger; return the exit code."""
    asked = arguments()
    os.umask(0o027)  # drills read it, by their group
    try:
        if asked.state:
            found = states((asked.folder / "ledger").read_bytes())
            print("".join(f"{member} {word}\n" for member, word in sorted(found.items())), end="")
        else:
            database = json.loads(CONFIGURATION.read_bytes())["database"]
            with only_one(asked.folder):
                watch(asked.folder, database)
    except (Fault, OSError, ValueError, KeyError) as fault:
        print(f"ledger: {fault}", file=sys.stderr)
        return 3 if isinstance(fault, Older) else 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
