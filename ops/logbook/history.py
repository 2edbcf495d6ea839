"""What git knows of the logbook's history, read once: commits, who signed them, which files they touch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ops.logbook import sshsig
from ops.logbook.git import Git
from ops.logbook.model import Model
from ops.logbook.objects import read_objects
from ops.logbook.operators import Operators
from ops.logbook.rawcommit import take_apart
from ops.logbook.remote import MAIN, REMOTE

SECONDS = 3600
COMMITS_AT_ONCE = 5000
GONE = "0" * 40


class Touched(NamedTuple):
    """One file that a commit touches: how (``A`` added, ``M`` modified, ``D`` deleted), its mode, its content's id."""

    status: str
    mode: str
    blob: str
    path: str


class Commit(Model):
    """One commit.

    ``verdict``, ``principal``, ``fingerprint`` are those of its signature as git gives them (``%G?``, ``%GS``, ``%GF``), validity
    left aside. ``usual`` says whether it has only the headers that the logbook writes.
    """

    id: str
    parents: tuple[str, ...]
    tree: str
    author: str
    committer: str
    dated: datetime
    verdict: str
    principal: str
    fingerprint: str
    usual: bool
    touched: tuple[Touched, ...] = ()


class Verdict(NamedTuple):
    """What a signature is worth: G good, U good by a key that may not sign, B not good, N none; by whom, with which key."""

    letter: str
    principal: str = ""
    fingerprint: str = ""


def tips(git: Git) -> tuple[str, ...]:
    """Return where the history of this clone and of its remote end."""
    found = (git.attempt("rev-parse", "--verify", "--quiet", ref) for ref in (REMOTE, MAIN))
    return tuple(dict.fromkeys(done.text for done in found if done.code == 0))


def read_history(git: Git, operators: Operators, ends: Sequence[str], after: str = "") -> tuple[Commit, ...]:
    """Return all commits up to *ends*, each after its parents.

    Args:
        git: of the clone.
        operators: whose signatures are good. Validity is left aside: the caller compares that with the receipts.
        ends: the newest commits.
        after: a commit; it and what is before it is left out. Empty for none.

    Raises:
        BadInput: no operator may sign; every signature would look like none.
        Failed: a commit is not what its name says.
    """
    signers = operators.signers()
    if not ends:
        return ()
    names = git.run("rev-list", "--topo-order", "--reverse", *ends, *([f"^{after}"] if after else [])).text.split()
    touched = _touched(git, names)
    contents = read_objects(git, names, "commit", COMMITS_AT_ONCE)
    return tuple(
        commit_of(name, raw, signers, touched.get(name, ())) for name, raw in zip(names, contents, strict=True)
    )


def commit_of(name: str, raw: bytes, signers: Mapping[bytes, str], touched: tuple[Touched, ...] = ()) -> Commit:
    """Return the commit *name* with the content *raw*, judged by *signers* (public key → operator). Pure."""
    parts = take_apart(raw)
    verdict = judge_signature(parts.payload, parts.signature, signers)
    return Commit.model_construct(
        id=name,
        parents=parts.parents,
        tree=parts.tree,
        author=parts.author.name,
        committer=parts.committer.name,
        dated=parts.committer.time,
        verdict=verdict.letter,
        principal=verdict.principal,
        fingerprint=verdict.fingerprint,
        usual=parts.usual,
        touched=touched,
    )


def judge_signature(payload: bytes, signature: bytes, signers: Mapping[bytes, str]) -> Verdict:
    """Return what *signature* of *payload* is worth, as git says it with *signers* in its ``allowed_signers``. Pure."""
    if not signature:
        return Verdict("N")
    try:
        key = sshsig.verify(signature, payload)
    except sshsig.BadSignature:
        return Verdict("B")
    name = signers.get(key, "")
    return Verdict("G" if name else "U", name, sshsig.fingerprint(key))


def _touched(git: Git, commits: Sequence[str]) -> dict[str, tuple[Touched, ...]]:
    command = ("diff-tree", "--stdin", "-r", "-z", "--root", "--no-renames")
    out = git.run(*command, stdin="".join(f"{name}\n" for name in commits).encode(), limit_seconds=SECONDS).out
    fields = iter(out.decode(errors="surrogateescape").split("\0")[:-1])
    found: dict[str, list[Touched]] = {}
    current = ""
    for field in fields:
        if not field.startswith(":"):
            current = field
            continue
        _old_mode, mode, _old_blob, blob, status = field[1:].split()
        found.setdefault(current, []).append(Touched(status, mode, "" if blob == GONE else blob, next(fields)))
    return {commit: tuple(entries) for commit, entries in found.items()}
