#!/usr/bin/python3 -I
"""Make a backup into each repository, seal what is there, and let go what is older than the policy keeps.

The database's host reaches the repository by pgBackRest's own protocol, which can delete. So everything that is finished is
sealed: immutable for everybody but root, who unseals it for the moment in which old backups go, with the server down. The last
backup of each repository that a drill has proven is never let go.

    backup.py full|diff|incr    a backup, by the timer or by `invoke backup`, which leaves a request before
    backup.py seal              what has come since, every few minutes
    backup.py drilled           take over the result of a drill, which may not write here itself
    backup.py adopt             on a new host: make what the second place has ours, and bring the first back from it
"""

from __future__ import annotations

import argparse
import array
import fcntl
import json
import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

# -I leaves out the folder of this file. It comes last, so that nothing in it goes before the standard library.
sys.path.append(str(Path(__file__).resolve().parent))

import bordbuch_pgbackrest
from bordbuch_pgbackrest import Fault

CONFIGURATION = Path("/etc/bordbuch/backup.json")
STATE = Path("/var/lib/bordbuch/backup")
DRILLS = Path("/var/lib/bordbuch/drill")
DRILLED = Path("/var/lib/bordbuch-drill/result.json")
LEDGER = Path("/var/lib/bordbuch-ledger")
LEDGERS = ("ledger", "markers", "facts.json")
ACCOUNT = "pgbackrest"
SERVER = "bordbuch-pgbackrest.service"
KEEPER = "bordbuch-ledger.service"
WATCH = "bordbuch-watch.service"
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
HOST_KEY = Path("/etc/ssh/ssh_host_ed25519_key")
"""Signs results: controllers know it already, and nobody but root can read it."""

NAMESPACE = "bordbuch-timer"
"""Of ssh-keygen(1): a signature made for this counts for nothing else, and none made by sshd counts for this."""

GET_FLAGS, SET_FLAGS, IMMUTABLE = 0x80086601, 0x40086602, 0x10
"""From linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IMMUTABLE_FL."""

LABEL = re.compile(r"\d{8}-\d{6}F(_\d{8}-\d{6}[DI])?")
"""Of a backup: the name of its folder."""

LITTLE_ROOM = 256 << 20
"""Bytes; a file of WAL has 16 MB."""

HOURS = 6
"""How long a backup may take."""


@dataclass
class Repository:
    """One of the places that backups go to."""

    number: int
    path: str
    keep_full: int
    kind: str = "posix"


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
    parser.add_argument("what", choices=["full", "diff", "incr", "seal", "drilled", "adopt"])
    wanted = parser.parse_args().what
    if wanted == "drilled":
        return drilled()
    configuration = json.loads(CONFIGURATION.read_text())
    repositories = [Repository(**entry) for entry in configuration["places"]]
    STATE.mkdir(parents=True, exist_ok=True)
    with alone():
        if wanted == "adopt":
            adopt(configuration["stanza"], [one for one in repositories if one.kind == "posix"])
            return 0
        if wanted == "seal":
            # First: it must not wait for a place that knows no such flags.
            keep_ledger(repositories)
            print(f"sealed {seal(repositories)} files")
            return 0
        return backup(configuration["stanza"], repositories, wanted, requested(STATE))


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


def adopt(stanza: str, repositories: list[Repository]) -> None:
    """Bring an empty first repository back from the second, and give all files to the account as this host numbers it."""
    account = pwd.getpwnam(ACCOUNT)
    first, *others = repositories
    has = Path(f"backup/{stanza}/backup.info")
    source = next((Path(one.path) for one in others if (Path(one.path) / has).exists()), None)
    if source and not (Path(first.path) / has).exists():
        for name in ("archive", "backup"):
            shutil.copytree(source / name, Path(first.path) / name, symlinks=True, dirs_exist_ok=True)
        print(f"brought {first.path} back from {source}")
    for repository in repositories:
        foreign = [path for path in below(repository.path) if os.lstat(path).st_uid != account.pw_uid]
        flag(foreign, on=False)
        for path in foreign:
            os.lchown(path, account.pw_uid, account.pw_gid)
        if foreign:
            print(f"gave {len(foreign)} files of {repository.path} to pgbackrest")
    for warning in sealed(repositories):
        print(warning, file=sys.stderr)


def below(path: str) -> Iterator[str]:
    """Yield all that the account owns below *path*, folders too."""
    for part in ("archive", "backup"):
        for folder, folders, names in os.walk(Path(path) / part):
            yield folder
            yield from (os.path.join(folder, name) for name in [*names, *folders])  # noqa: PTH118  many files


def backup(stanza: str, repositories: list[Repository], wanted: str, identifier: str) -> int:
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


def finish(stanza: str, repositories: list[Repository]) -> list[str]:
    """Do what comes after a backup that was made, and return what is to be said: nothing of it makes the backup less."""
    said = []
    for act in (partial(mark, stanza), *(partial(let_go, stanza, one) for one in repositories)):
        try:
            said += act()
        except (Fault, OSError) as fault:
            said.append(str(fault))
    return said


def into(stanza: str, repository: Repository, wanted: str) -> dict[str, Any]:
    """Make a backup into *repository* and return what it has become, read back from the repository itself."""
    before = {entry["label"] for entry in backups(stanza, repository)}
    began = time.monotonic()
    pgbackrest(f"--stanza={stanza}", f"--repo={repository.number}", f"--type={wanted}", "backup")
    made = [entry for entry in backups(stanza, repository) if entry["label"] not in before]
    if not made:
        raise Fault(f"pgBackRest ended well and repository {repository.number} has no new backup")
    entry = made[-1]
    if entry.get("error"):
        raise Fault(f"backup {entry['label']} found damaged pages in the database: they were damaged before it")
    return {
        "repository": repository.number,
        "label": entry["label"],
        "type": entry["type"],
        "seconds": round(time.monotonic() - began),
        "database_bytes": entry["info"]["size"],
        "stored_bytes": entry["info"]["repository"]["delta"],
        "stop": datetime.fromtimestamp(entry["timestamp"]["stop"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def mark(stanza: str) -> list[str]:
    """Have a marker written after the backup, and WAL up to it sent, so that a drill can prove it at once."""
    began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # It writes one when it starts; where it does not run, it is not for us to start it.
    systemctl("try-restart", KEEPER)
    ends = time.monotonic() + 20
    while newest_marker() < began:
        if time.monotonic() > ends:
            return [f"no marker was written after the backup: see {KEEPER}"]
        time.sleep(0.2)
    try:
        pgbackrest(f"--stanza={stanza}", "check")
    except Fault as fault:
        return [f"WAL did not arrive after the backup: {fault}"]
    return []


def newest_marker() -> str:
    """Return when the newest marker was seen, empty if there is none."""
    path = LEDGER / "markers"
    lines = path.read_text().splitlines() if path.exists() else []
    try:
        return str(json.loads(lines[-1])["seen"]) if lines else ""
    except ValueError:
        return ""  # it is being written


def backups(stanza: str, repository: Repository) -> list[dict[str, Any]]:
    """Return what *repository* says that it has, the oldest first.

    Raises:
        Fault: it says that something is wrong; its exit code does not.
    """
    try:
        found: list[dict[str, Any]] = bordbuch_pgbackrest.readable(stanza, repository.number, ACCOUNT)["backup"]
    except Fault as fault:
        raise Fault(f"repository {repository.number}: {fault}") from None
    return found


def pgbackrest(*arguments: str) -> str:
    """Run pgBackRest as the account that owns the repository and return what it prints.

    Raises:
        Fault: it failed, in its own words.
    """
    return bordbuch_pgbackrest.call(*arguments, account=ACCOUNT, seconds=HOURS * 3600)


def let_go(stanza: str, repository: Repository) -> list[str]:
    """Remove what is older than the policy keeps, unless that were its last proven backup; return what is to be said.

    Nobody reaches the repository meanwhile: the server is down, and WAL waits on the database's host for some seconds.
    """
    labels = [entry["label"] for entry in backups(stanza, repository)]
    going = too_old(labels, repository.keep_full)
    if not going:
        return []
    if (label := proven().get(str(repository.number))) in going:
        return [
            f"nothing was let go in repository {repository.number}: {label} is its last backup that a drill has proven"
        ]
    systemctl("stop", SERVER)
    try:
        flag(files(repository.path), on=False)
        pgbackrest(f"--stanza={stanza}", f"--repo={repository.number}", "expire")
    except Fault as fault:
        return [f"old backups stay in repository {repository.number}: {fault}"]
    finally:
        seal([repository])
        systemctl("start", SERVER)
    return []


def too_old(labels: Iterable[str], keep_full: int) -> list[str]:
    """Return the labels that go: full backups but the newest *keep_full*, each with what depends on it.

    A label begins with that of its full backup: 20261128-021000F_20261129-021000D.
    """
    known = sorted(labels)
    fulls = [label for label in known if "_" not in label]
    old = fulls[: max(0, len(fulls) - keep_full)]
    return [label for label in known if label.split("_")[0] in old]


def sealed(repositories: list[Repository]) -> list[str]:
    """Seal and return what is to be said of it: a place may have no such flags."""
    try:
        seal(repositories)
    except OSError as error:
        return [f"not sealed: {error}"]
    return []


def seal(repositories: Iterable[Repository]) -> int:
    """Make finished files immutable, and return how many there were; other kinds of place have no such thing."""
    return sum(flag(files(repository.path), on=True) for repository in repositories if repository.kind == "posix")


def keep_ledger(repositories: Iterable[Repository]) -> None:
    """Copy the ledger to the second place: without it, whoever was locked comes back when this host is gone.

    Raises:
        Fault: the copy is longer: the ledger only grows, so this one has lost something.
    """
    for repository in repositories:
        if repository.number > 1 and repository.kind == "posix":
            refuse_shorter(LEDGER / "ledger", Path(repository.path) / "ledger/ledger")
            for source in (LEDGER / name for name in LEDGERS if (LEDGER / name).exists()):
                write(Path(repository.path) / "ledger" / source.name, source.read_text(), 0o600)


def refuse_shorter(ledger: Path, copy: Path) -> None:
    """Raise ``Fault`` where *copy* has more than the *ledger*."""
    if ledger.exists() and copy.exists() and ledger.stat().st_size < copy.stat().st_size:
        raise Fault(f"{ledger} is shorter than its copy {copy}, which was left as it is: compare both")


def files(path: str) -> Iterator[str]:
    """Yield the files below *path* that are never written again: all but the lists of contents and what is being written.

    A backup that failed half way has no manifest yet: pgBackRest removes it or goes on with it next time.
    """
    for folder, folders, names in os.walk(path):
        if folder == path:
            folders[:] = ["archive", "backup"]
            continue
        if LABEL.fullmatch(os.path.basename(folder)) and "backup.manifest" not in names:  # noqa: PTH119  many folders
            folders.clear()
            continue
        for name in names:
            if not name.endswith((".info", ".info.copy", ".tmp", ".lock")):
                yield os.path.join(folder, name)  # noqa: PTH118  many files, and a Path for each takes its time


def flag(paths: Iterable[str], *, on: bool) -> int:
    """Set or clear the immutable flag of *paths* and return how many were changed."""
    changed = 0
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue  # a link, or gone meanwhile
        try:
            changed += set_flag(descriptor, on=on)
        finally:
            os.close(descriptor)
    return changed


def set_flag(descriptor: int, *, on: bool) -> bool:
    """Set or clear the flag of an open file and return whether it was otherwise."""
    flags = array.array("L", [0])
    fcntl.ioctl(descriptor, GET_FLAGS, flags)
    wanted = flags[0] | IMMUTABLE if on else flags[0] & ~IMMUTABLE
    if wanted == flags[0]:
        return False
    fcntl.ioctl(descriptor, SET_FLAGS, array.array("L", [wanted]))
    return True


def conclude(result: Result, stanza: str, repositories: list[Repository]) -> None:
    """Write the result for the record, what backups should be there, and the time of the last good one."""
    result.ended = now()
    leave(vars(result), good=result.ok)
    if result.ok:
        # What failed before is made up for.
        systemctl("reset-failed", "bordbuch-backup@*.service")
        labels = {
            str(repository.number): [entry["label"] for entry in backups(stanza, repository)]
            for repository in repositories
        }
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


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write *path* whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    with aside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.chmod(mode)
    aside.replace(path)


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
