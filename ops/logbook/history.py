"""What git knows of the logbook's history, read once: commits, who signed them, which files they touch."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ops.errors import BadInput
from ops.logbook.git import Git
from ops.logbook.model import Model
from ops.logbook.remote import MAIN, REMOTE

FORMAT = "%x00".join(("%H", "%P", "%an", "%cn", "%ct", "%G?", "%GS", "%GF"))
SECONDS = 3600


class Touched(Model):
    """One file that a commit touches: how (``A`` added, ``M`` modified, ``D`` deleted), its mode, its content's id."""

    status: str
    mode: str
    blob: str
    path: str


class Commit(Model):
    """One commit; ``verdict``, ``principal``, ``fingerprint`` are git's of its signature, validity left aside."""

    id: str
    parents: tuple[str, ...]
    author: str
    committer: str
    dated: datetime
    verdict: str
    principal: str
    fingerprint: str
    touched: tuple[Touched, ...] = ()


def read_history(git: Git, allowed_signers: str) -> tuple[Commit, ...]:
    """Return all commits that this clone or its remote has, each after its parents.

    Args:
        git: of the clone.
        allowed_signers: whose signatures are good, without validity: the caller compares that with the receipts.

    Raises:
        BadInput: *allowed_signers* is empty; every signature would look like none.
    """
    if not allowed_signers.strip():
        raise BadInput("nobody may sign: allowed_signers is empty")
    tips = [ref for ref in (REMOTE, MAIN) if git.attempt("rev-parse", "--verify", "--quiet", ref).code == 0]
    if not tips:
        return ()
    touched = _touched(git, git.run("rev-list", *tips).out)
    rows = [line.split("\0") for line in _log(git, tips, allowed_signers) if line]
    return tuple(_commit(row, touched.get(row[0], ())) for row in rows)


def _log(git: Git, tips: list[str], allowed_signers: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        signers = Path(folder) / "allowed_signers"
        signers.write_text(allowed_signers, encoding="utf-8")
        judged = Git(git.folder, {**git.settings, "gpg.ssh.allowedSignersFile": str(signers)})
        command = ("log", "--reverse", "--topo-order", f"--format={FORMAT}", *tips)
        yield from judged.run(*command, limit_seconds=SECONDS).out.decode(errors="replace").split("\n")


def _commit(row: list[str], touched: tuple[Touched, ...]) -> Commit:
    commit, parents, author, committer, seconds, verdict, principal, fingerprint = row
    return Commit(
        id=commit,
        parents=tuple(parents.split()),
        author=author,
        committer=committer,
        dated=datetime.fromtimestamp(int(seconds), UTC),
        verdict=verdict,
        principal=principal,
        fingerprint=fingerprint,
        touched=touched,
    )


def _touched(git: Git, commits: bytes) -> dict[str, tuple[Touched, ...]]:
    command = ("diff-tree", "--stdin", "-r", "-z", "--root", "--no-renames")
    fields = iter(git.run(*command, stdin=commits, limit_seconds=SECONDS).out.decode(errors="replace").split("\0")[:-1])
    found: dict[str, list[Touched]] = {}
    current = ""
    for field in fields:
        if not field.startswith(":"):
            current = field
            continue
        _old_mode, mode, _old_blob, blob, status = field[1:].split()
        entry = Touched(status=status, mode=mode, blob=blob, path=next(fields))
        found.setdefault(current, []).append(entry)
    return {commit: tuple(entries) for commit, entries in found.items()}
