"""The places that backups go to: made, brought back from one another, and sealed."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bordbuch_files import flag, write
from bordbuch_pgbackrest import FOLDERS, Fault, Listing, Stanza, below, finished, has_stanza

ACCOUNT = "pgbackrest"
"""Whose the repositories are."""

LEDGER = Path("/var/lib/bordbuch-ledger")
LEDGERS = ("ledger", "markers", "facts.json")


@dataclass
class Repository:
    """One of the places that backups go to."""

    number: int
    path: str
    keep_full: int
    kind: str = "posix"


def opened(stanza: Stanza, repository: Repository) -> Listing:
    """Return what *repository* says that it has.

    Raises:
        Fault: it says that something is wrong.
    """
    try:
        return stanza.opened(repository.number)
    except Fault as fault:
        raise Fault(f"repository {repository.number}: {fault}") from None


def prepare(stanza: Stanza, repositories: list[Repository]) -> dict[str, list[str]]:
    """Have every place as backups and WAL need it, and return what was done for that, and the folders that WAL goes to.

    Raises:
        Fault: a place does not open; nothing was made there.
    """
    folders = [one for one in repositories if one.kind == "posix"]
    did = [*adopt(stanza, folders), *make(stanza, repositories)]
    wal = [Path(one.path) / stanza.archive(name) for one in folders for name in opened(stanza, one).clusters]
    needed = [Path(one.path) / name for one in folders for name in FOLDERS] + [
        folder for path in wal for folder in (path.parent, path)
    ]
    for path in (path for path in needed if not path.exists()):
        path.mkdir(mode=0o750)
        shutil.chown(path, ACCOUNT, ACCOUNT)
        did.append(f"made {path}")
    return {"did": did, "wal": [str(path) for path in wal]}


def adopt(stanza: Stanza, folders: list[Repository]) -> list[str]:
    """Bring an empty first place back from the second, and give all files to the account as this host numbers it."""
    did = []
    account = pwd.getpwnam(ACCOUNT)
    first, *others = folders
    source = next((Path(one.path) for one in others if has_stanza(one.path, stanza.name)), None)
    if source and not has_stanza(first.path, stanza.name):
        for name in FOLDERS:
            shutil.copytree(source / name, Path(first.path) / name, symlinks=True, dirs_exist_ok=True)
        did.append(f"brought {first.path} back from {source}")
    for repository in folders:
        foreign = [path for path in everything(repository.path) if os.lstat(path).st_uid != account.pw_uid]
        flag(foreign, on=False)
        for path in foreign:
            os.lchown(path, account.pw_uid, account.pw_gid)
        if foreign:
            did.append(f"gave {len(foreign)} files of {repository.path} to {ACCOUNT}")
    for warning in sealed(folders):
        print(warning, file=sys.stderr)
    return did


def everything(path: str) -> Iterator[str]:
    """Yield all files and folders of the repository at *path*."""
    for folder, folders, names in below(path):
        yield folder
        yield from (os.path.join(folder, name) for name in [*names, *folders])  # noqa: PTH118  many files


def make(stanza: Stanza, repositories: list[Repository]) -> list[str]:
    """Make the stanza where there is none: a second place may be added later, or be on a new disk."""
    absent = [one for one in repositories if stanza.listing(one.number).absent]
    if absent:
        stanza.make()
    return [f"made the stanza {stanza.name} in {one.path}" for one in absent]


def sealed(repositories: list[Repository]) -> list[str]:
    """Seal and return what is to be said of it: a place may have no such flags."""
    try:
        seal(repositories)
    except OSError as error:
        return [f"not sealed: {error}"]
    return []


def seal(repositories: Iterable[Repository]) -> int:
    """Make finished files immutable, and return how many there were; other kinds of place have no such thing."""
    return sum(flag(finished(repository.path), on=True) for repository in repositories if repository.kind == "posix")


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
