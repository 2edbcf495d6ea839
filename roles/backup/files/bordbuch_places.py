"""The places that backups go to: made, brought back from one another, and sealed."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
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


def prepare(stanza: Stanza, repositories: list[Repository], *, only_look: bool = False) -> dict[str, list[str]]:
    """Have every place as backups and WAL need it, and return what that took, and the folders that WAL goes to.

    Args:
        stanza: the backups.
        repositories: the places.
        only_look: whether nothing is done; then what is returned is the first thing that there is to do, if any.

    Raises:
        Fault: a place does not open; nothing was made there.
    """
    did = []
    folders = [one for one in repositories if one.kind == "posix"]
    for words, act in steps(stanza, repositories, folders):
        did.append(words)
        if only_look:
            break
        act()
    if only_look:
        return {"did": did, "wal": []}
    for warning in sealed(folders):
        print(warning, file=sys.stderr)
    return {"did": did, "wal": [str(path) for path in wal_folders(stanza, folders)]}


def steps(
    stanza: Stanza, repositories: list[Repository], folders: list[Repository]
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what there is to do and what does it, each when the one before is done; *folders* are the places on this host."""
    first, *others = folders
    source = next((Path(one.path) for one in others if has_stanza(one.path, stanza.name)), None)
    if source and not has_stanza(first.path, stanza.name):
        yield f"{first.path} comes back from {source}", partial(bring, source, Path(first.path))
    account = pwd.getpwnam(ACCOUNT)
    for one in folders:
        if foreign := [path for path in everything(one.path) if os.lstat(path).st_uid != account.pw_uid]:
            yield f"{len(foreign)} files of {one.path} are given to {ACCOUNT}", partial(give, foreign)
    # A second place may be added later, or be on a new disk.
    if absent := [one.path for one in repositories if stanza.listing(one.number).absent]:
        yield f"the stanza {stanza.name} is made in {', '.join(absent)}", stanza.make
    for path in wal_folders(stanza, folders):
        for folder in (path.parent, path):
            if not folder.exists():
                yield f"{folder} is made", partial(make_folder, folder)


def wal_folders(stanza: Stanza, folders: list[Repository]) -> list[Path]:
    """Return the folders that WAL goes to."""
    return [Path(one.path) / stanza.archive(name) for one in folders for name in opened(stanza, one).clusters]


def bring(source: Path, empty: Path) -> None:
    """Bring an *empty* place back from another: the same files, under the same passphrase."""
    for name in FOLDERS:
        shutil.copytree(source / name, empty / name, symlinks=True, dirs_exist_ok=True)


def give(foreign: list[str]) -> None:
    """Give files to the account as this host numbers it."""
    account = pwd.getpwnam(ACCOUNT)
    flag(foreign, on=False)
    for path in foreign:
        os.lchown(path, account.pw_uid, account.pw_gid)


def make_folder(path: Path) -> None:
    """Make a folder that the account may write to."""
    path.mkdir(mode=0o750)
    shutil.chown(path, ACCOUNT, ACCOUNT)


def everything(path: str) -> Iterator[str]:
    """Yield all files and folders of the repository at *path*."""
    for folder, folders, names in below(path):
        yield folder
        yield from (os.path.join(folder, name) for name in [*names, *folders])  # noqa: PTH118  many files


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
