#!/usr/bin/python3 -I
"""Make a backup into each repository, seal what is there, and let go what is older than the policy keeps.

The database's host reaches the repository by pgBackRest's own protocol, which can delete. So everything that is finished is
sealed: immutable for everybody but root, who unseals it for the moment in which old backups go, with the server down. The last
backup of each repository that a drill has proven is never let go.

    backup.py full|diff|incr    a backup, by the timer or by `invoke backup`, which leaves a request before
    backup.py seal              what has come since, every few minutes
    backup.py drilled           take over the result of a drill, which may not write here itself
    backup.py prepare           by the role: bring an empty first place back from the second, and make what backups and WAL go to;
                                with --check it only says whether there is anything to do
"""

from __future__ import annotations

import argparse
import fcntl
import json
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

# -I leaves out the folder of this file. It comes last, so that nothing in it goes before the standard library.
sys.path.append(str(Path(__file__).resolve().parent))

from bordbuch_files import flag, write
from bordbuch_pgbackrest import Fault, Stanza, finished, too_old
from bordbuch_places import ACCOUNT, LEDGER, Repository, keep_ledger, opened, prepare, seal, sealed

CONFIGURATION = Path("/etc/bordbuch/backup.json")
STATE = Path("/var/lib/bordbuch/backup")
DRILLS = Path("/var/lib/bordbuch/drill")
DRILLED = Path("/var/lib/bordbuch-drill/result.json")
SERVER = "bordbuch-pgbackrest.service"
KEEPER = "bordbuch-ledger.service"
WATCH = "bordbuch-watch.service"
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
HOST_KEY = Path("/etc/ssh/ssh_host_ed25519_key")
"""Signs results: controllers know it already, and nobody but root can read it."""

NAMESPACE = "bordbuch-timer"
"""Of ssh-keygen(1): a signature made for this counts for nothing else, and none made by sshd counts for this."""

LITTLE_ROOM = 256 << 20
"""Bytes; a file of WAL has 16 MB."""


@dataclass
class Result:
    """How a backup went: what is written for the record, and never more."""

    id: str
    type: str
    started: str
    by: str
    kind: str = "backup"
    ended: str = ""
    ok: bool = False
    reason: str = ""
    repositories: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Make, seal and let go backups; take over the results of drills.")
    parser.add_argument("what", choices=["full", "diff", "incr", "seal", "drilled", "prepare"])
    parser.add_argument(
        "--check", action="store_true", help="with prepare: do nothing, say whether there is anything to do"
    )
    given = parser.parse_args()
    wanted = given.what
    if wanted == "drilled":
        return drilled()
    if given.check and not CONFIGURATION.exists():
        print(json.dumps({"did": ["everything is made for the first time"], "wal": []}))
        return 0
    configuration = json.loads(CONFIGURATION.read_text())
    stanza = Stanza(configuration["stanza"], ACCOUNT)
    repositories = [Repository(**entry) for entry in configuration["places"]]
    STATE.mkdir(parents=True, exist_ok=True)
    if given.check:
        print(json.dumps(prepare(stanza, repositories, only_look=True), indent=1))
        return 0
    with alone():
        if wanted == "prepare":
            print(json.dumps(prepare(stanza, repositories), indent=1))
            return 0
        if wanted == "seal":
            # First: it must not wait for a place that knows no such flags.
            keep_ledger(repositories)
            print(f"sealed {seal(repositories)} files")
            return 0
        return backup(stanza, repositories, wanted, requested(STATE))


def requested(folder: Path) -> str:
    """Return the id of the change that asked for this, empty if the timer did; a request counts once."""
    path = folder / "request.json"
    if not path.exists():
        return ""
    identifier = str(json.loads(path.read_text())["id"])
    path.unlink()
    return identifier


def drilled() -> int:
    """Take over the result of a drill: for the record, for the alarm, and for what must not be let go."""
    identifier = requested(DRILLS)
    if not DRILLED.exists():
        print("the drill left no result")
        return 1
    result = ended_drill(json.loads(DRILLED.read_text()))
    name = identifier or new_id(datetime.now(UTC))
    leave({**result, "id": name, "kind": "drill"}, good=result["verdict"] in ("pass", "partial"))
    if result["verdict"] == "pass":
        labels = {**proven(), str(result["repository"]): result["label"]}
        write(DRILLS / "last.json", json.dumps({"ended": int(time.time()), "labels": labels}))
    DRILLED.unlink()
    return 0


def proven() -> dict[str, str]:
    """Return the last backup of each repository that a drill has proven, by the repository's number."""
    path = DRILLS / "last.json"
    return dict(json.loads(path.read_text()).get("labels", {})) if path.exists() else {}


def ended_drill(result: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a drill; one that was killed has no verdict, which is a fail with the step that it was at."""
    if result["verdict"]:
        return result
    killed = {
        "name": "the drill itself",
        "state": "failed",
        "seconds": 0,
        "detail": "it was killed, or had no memory left",
    }
    return {**result, "verdict": "fail", "ended": now(), "steps": [*result["steps"], killed]}


@contextmanager
def alone() -> Iterator[None]:
    """Keep a seal and a backup from meeting: one waits for the other."""
    with (STATE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def backup(stanza: Stanza, repositories: list[Repository], wanted: str, identifier: str) -> int:
    """Make one backup into each repository, and leave the result for whoever collects it."""
    result = Result(
        id=identifier or new_id(datetime.now(UTC)),
        type=wanted,
        started=now(),
        by="operator" if identifier else "timer",
    )
    try:
        for repository in repositories:
            result.repositories.append(into(stanza, repository, wanted))
        result.ok = True
    except Fault as fault:
        result.reason = str(fault) + room(repositories)
    if result.ok:
        result.warnings += finish(stanza, repositories)
    result.warnings += sealed(repositories)
    conclude(result, stanza, repositories)
    return 0 if result.ok else 1


def room(repositories: list[Repository]) -> str:
    """Return where there is next to no room left, which pgBackRest does not say when it cannot write."""
    places = [one.path for one in repositories if one.kind == "posix"]
    free = {path: shutil.disk_usage(path).free for path in places if Path(path).exists()}
    return "".join(f"; only {left >> 20} MB are left for {path}" for path, left in free.items() if left < LITTLE_ROOM)


def finish(stanza: Stanza, repositories: list[Repository]) -> list[str]:
    """Do what comes after a backup that was made, and return what is to be said: nothing of it makes the backup less."""
    said = []
    for act in (partial(mark, stanza), *(partial(let_go, stanza, one) for one in repositories)):
        try:
            said += act()
        except (Fault, OSError) as fault:
            said.append(str(fault))
    return said


def into(stanza: Stanza, repository: Repository, wanted: str) -> dict[str, Any]:
    """Make a backup into *repository* and return what it has become, read back from the repository itself."""
    began = time.monotonic()
    try:
        made = stanza.back_up(repository.number, wanted)
    except Fault as fault:
        raise Fault(f"repository {repository.number}: {fault}") from None
    if made.damaged:
        raise Fault(f"backup {made.label} found damaged pages in the database: they were damaged before it")
    return {
        "repository": repository.number,
        "label": made.label,
        "type": made.type,
        "seconds": round(time.monotonic() - began),
        "database_bytes": made.database_bytes,
        "stored_bytes": made.added_bytes,
        "stop": made.ended.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def mark(stanza: Stanza) -> list[str]:
    """Have a marker written after the backup, and WAL up to it sent, so that a drill can prove it at once."""
    before = newest_marker()
    # It writes one when it starts; where it does not run, it is not for us to start it.
    systemctl("try-restart", KEEPER)
    ends = time.monotonic() + 20
    while newest_marker() == before:
        if time.monotonic() > ends:
            return [f"no marker was written after the backup: see {KEEPER}"]
        time.sleep(0.2)
    try:
        stanza.send_wal()
    except Fault as fault:
        return [f"WAL did not arrive after the backup: {fault}"]
    return []


def newest_marker() -> str:
    """Return the newest line of the markers that is written to its end, empty if there is none.

    Its time would not tell it from one that was written just before: that is told in seconds.
    """
    path = LEDGER / "markers"
    return path.read_text().rpartition("\n")[0].rpartition("\n")[2] if path.exists() else ""


def let_go(stanza: Stanza, repository: Repository) -> list[str]:
    """Remove what is older than the policy keeps, unless that were its last proven backup; return what is to be said.

    Nobody reaches the repository meanwhile: the server is down, and WAL waits on the database's host for some seconds.
    """
    going = too_old((made.label for made in opened(stanza, repository).backups), repository.keep_full)
    if not going:
        return []
    if (label := proven().get(str(repository.number))) in going:
        return [
            f"nothing was let go in repository {repository.number}: {label} is its last backup that a drill has proven"
        ]
    systemctl("stop", SERVER)
    try:
        flag(finished(repository.path), on=False)
        stanza.expire(repository.number)
    except Fault as fault:
        return [f"old backups stay in repository {repository.number}: {fault}"]
    finally:
        seal([repository])
        systemctl("start", SERVER)
    return []


def conclude(result: Result, stanza: Stanza, repositories: list[Repository]) -> None:
    """Write the result for the record, what backups should be there, and the time of the last good one."""
    result.ended = now()
    leave(vars(result), good=result.ok)
    if result.ok:
        # What failed before is made up for.
        systemctl("reset-failed", "bordbuch-backup@*.service")
        there = {str(one.number): opened(stanza, one).backups for one in repositories}
        labels = {number: [made.label for made in backups] for number, backups in there.items()}
        write(STATE / "made.json", json.dumps({"labels": labels, "time": result.ended}))
        write(STATE / "last.json", json.dumps({"ended": int(time.time()), "label": result.repositories[0]["label"]}))
        # What was broken until this backup is so no longer, which whoever asked for it is to see at once.
        systemctl("start", WATCH)
    print(result.reason or f"backup {', '.join(entry['label'] for entry in result.repositories)}")
    for warning in result.warnings:
        print(f"warning: {warning}")


def leave(result: dict[str, Any], *, good: bool) -> None:
    """Leave a result for whoever collects it, signed by this host: so it can be told from one that somebody has made up."""
    text = json.dumps({**result, "outcome": "verified" if good else "failed"}, indent=1)
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(HOST_KEY), "-n", NAMESPACE]
    signed = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    if signed.returncode:
        print(f"the result could not be signed: {signed.stderr.strip()}", file=sys.stderr)
    # The signature first: once the result is there, it may be collected.
    write(STATE / "queue" / f"{result['id']}.sig", signed.stdout)
    write(STATE / "queue" / f"{result['id']}.json", text)


def systemctl(verb: str, unit: str) -> None:
    """Start or stop a unit; that it cannot be shows in what comes after."""
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(["systemctl", verb, unit], check=False, timeout=120, stdin=subprocess.DEVNULL)


def new_id(moment: datetime) -> str:
    """Return an id as a change has it."""
    return f"{moment:%Y-%m-%d-%H%M}-{''.join(secrets.choice(LETTERS) for _ in range(4))}"


def now() -> str:
    """Return the time as records have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Fault as fault:
        print(fault, file=sys.stderr)
        sys.exit(1)
