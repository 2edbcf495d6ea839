#!/usr/bin/python3 -I
"""Look whether WAL leaves this host of the database for the repository, and say what keeps it from that.

    archiving.py    by the timer, as postgres; exits 1 with one sentence per problem

That WAL was dropped cannot be seen here, since PostgreSQL was told that all is well: the repository's host looks for that.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# -I leaves out the folder of this file. It comes last, so that nothing in it goes before the standard library.
sys.path.append(str(Path(__file__).resolve().parent))

from bordbuch_files import write
from bordbuch_pgbackrest import Stanza

CONFIGURATION = Path("/etc/bordbuch/archiving.json")
NOTE = Path("/var/lib/bordbuch-archiving/seen.json")

LATE_SECONDS = 300
"""How long a file may wait while attempts fail: a repository that is restarted is no alarm."""

WAITING_SECONDS = 600
"""How long a file may wait otherwise: one that is sent is tried for a minute, and the server makes one a minute."""

PATIENCE_SECONDS = 60
"""How long a server that is restarted is waited for."""

STATE = """
SELECT json_build_object(
  'recovering', pg_is_in_recovery(),
  'mode', current_setting('archive_mode'),
  'command', current_setting('archive_command'),
  'library', current_setting('archive_library'),
  'archived', coalesce(extract(epoch FROM last_archived_time), 0),
  'failed', coalesce(extract(epoch FROM last_failed_time), 0),
  'ready', (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),
  'oldest', (SELECT extract(epoch FROM min(modification)) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),
  'data', current_setting('data_directory'),
  'now', extract(epoch FROM clock_timestamp()))
FROM pg_stat_archiver
"""


@dataclass(frozen=True)
class Server:
    """What the server says of its archiving; times in seconds since 1970, 0 for never."""

    recovering: bool
    mode: str
    command: str
    library: str
    archived: float
    failed: float
    ready: int
    oldest: float | None
    data: str
    now: float


# What is wrong. Pure.


def problems(server: Server, free_bytes: int, wanted: dict[str, Any]) -> Iterator[str]:
    """Yield one sentence per problem; *wanted* is the configuration: whether this host archives, of which stanza, the room."""
    if not server.recovering:
        yield from setting_problems(server, wanted)
    if failing(server):
        yield (
            f"archiving fails, and WAL has waited for {minutes(waited(server))}: "
            "see the server's log, and on the repository's host bordbuch-pgbackrest.service"
        )
    elif waited(server) > WAITING_SECONDS:
        yield (
            f"{server.ready} WAL files wait to be archived, the oldest for {minutes(waited(server))}, and no attempt fails: "
            "see whether the repository's host is slow, and whether a pgbackrest hangs"
        )
    if free_bytes < wanted["room_mb"] * 2**20:
        yield (
            f"the file system of pg_wal has {free_bytes // 2**20} MiB of room left: when it is full, the database stops. "
            "Nothing is to be deleted in pg_wal"
        )


def setting_problems(server: Server, wanted: dict[str, Any]) -> Iterator[str]:
    """Yield where the server archives and must not, or does not as it must."""
    if not wanted["archives"]:
        if server.mode != "off":
            yield "this host archives (archive_mode) and is not the first of backup_database_hosts: two histories would mix"
    elif server.mode == "off":
        yield "archive_mode is off: no WAL goes to the repository"
    elif server.library or not Stanza(wanted["stanza"]).sent_by(server.command):
        yield f"archive_command does not send WAL to the repository: it is {server.command or 'empty'!r}"


def failing(server: Server) -> bool:
    """Return whether the last failure came after the last success, and not just now."""
    return server.failed > server.archived and waited(server) > LATE_SECONDS


def waited(server: Server) -> float:
    """Return for how many seconds the oldest file has waited, 0 where none does."""
    return server.now - server.oldest if server.oldest else 0


def minutes(seconds: float) -> str:
    """Return a length as a person reads it."""
    return f"{seconds // 60:.0f} min" if seconds < 7200 else f"{seconds // 3600:.0f} h"


# What is read.


def ask() -> Server | None:
    """Return what the server says, None where it does not answer though it was waited for."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while True:
        done = run("psql", "-XAtq", "-d", "postgres", "-c", STATE)
        if done.returncode == 0:
            return Server(**json.loads(done.stdout))
        if time.monotonic() > ends:
            return None
        time.sleep(2)


def restoring() -> bool:
    """Return whether a restore goes on: then the server is down, or without an address, on purpose."""
    units = ("--state=active,activating", "bordbuch-restore@*")
    return bool(run("systemctl", "list-units", "--plain", "--no-legend", *units).stdout.strip())


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program that reads."""
    environment = {**os.environ, "PGCONNECT_TIMEOUT": "10"}
    try:
        return subprocess.run(
            command,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", "no answer")


def note(server: Server) -> None:
    """Write down what the figures of this host are made from."""
    write(NOTE, json.dumps({"looked": int(time.time()), "ready": server.ready, "failing": failing(server)}))


def main() -> int:
    """Look, note, and say what is wrong."""
    if restoring():
        print("a restore goes on: nothing was looked at")
        return 0
    server = ask()
    if server is None:
        print("PostgreSQL does not answer, so whether WAL is archived is not known", file=sys.stderr)
        return 1
    note(server)
    free = shutil.disk_usage(Path(server.data) / "pg_wal").free
    wrong = list(problems(server, free, json.loads(CONFIGURATION.read_text())))
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
