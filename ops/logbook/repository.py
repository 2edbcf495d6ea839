"""The logbook's clone on this machine: reading records, and adding signed ones.

The work tree is for people; what counts is what is committed. Commits are made beside it (a temporary index,
``commit-tree``, one ``update-ref``), so that a process that is killed leaves either nothing or a commit.
"""

import fcntl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.errors import BadInput, Failed, Refused
from ops.logbook.files import ChangeFiles, change_folder, parse_change, split_path, state_of
from ops.logbook.git import Git
from ops.logbook.objects import read_objects
from ops.logbook.remote import MAIN, REMOTE, Push, Remote

__all__ = ["ChangeFiles", "Logbook", "Push", "Signer", "change_folder"]

LOCK_SECONDS = 60
NEWEST = 16
"""How many changes are read at once by who asks for the newest only."""


@dataclass(frozen=True)
class Signer:
    """Who signs: the operator's name, and the private key's file (or the public one's, if an agent has the other)."""

    operator: str
    key: Path

    @property
    def email(self) -> str:
        """The committer's address: nobody's, since no address of a person belongs into the logbook."""
        return f"{self.operator}@bordbuch.invalid"

    def environment(self) -> dict[str, str]:
        """Return what makes git commit as this operator."""
        people = {"AUTHOR": self.operator, "COMMITTER": self.operator}
        names = {f"GIT_{role}_NAME": name for role, name in people.items()}
        return names | {f"GIT_{role}_EMAIL": self.email for role in people}


class Logbook:
    """The clone at ``path``. Open it with ``Logbook.open``."""

    def __init__(self, path: Path, signer: Signer | None, remote: Remote) -> None:
        self.path, self.signer, self.remote, self.git = path, signer, remote, remote.git

    @classmethod
    def open(
        cls, path: Path, remote: str, signer: Signer | None, allowed_signers: str, ssh_command: str = "ssh"
    ) -> "Logbook":
        """Open the clone at *path*; where there is none, make it and fetch what the remote has, if it answers.

        Args:
            path: folder of the clone.
            remote: ``user@host:path``, or empty for a logbook of this machine only.
            signer: who signs what is added; None only reads.
            allowed_signers: text of the file by which signatures are verified.
            ssh_command: how git reaches the remote, as for a shell.

        Raises:
            BadInput: *allowed_signers* is empty.
            Failed: git cannot make or read the clone.
        """
        if not allowed_signers.strip():
            raise BadInput("nobody may sign: allowed_signers is empty", next_step="name the operators in operators.yml")
        fresh = not (path / ".git" / "HEAD").exists()
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = _settings(path, signer)
        git = Git(path, settings, {"GIT_SSH_COMMAND": ssh_command})
        if fresh:
            git.run("init", "--quiet", "--initial-branch=main", str(path))
        logbook = cls(path, signer, Remote(git, remote, ssh_command))
        with logbook._lock("add"):
            logbook._prepare(allowed_signers, settings)
        if fresh and remote:
            logbook.fetch()
        return logbook

    def _prepare(self, allowed_signers: str, settings: Mapping[str, str]) -> None:
        """Write what verifying needs, remove what a killed command left, bring back files that are missing."""
        _replace(self.path / ".git" / "allowed_signers", allowed_signers)
        wanted = {name: settings[name] for name in ("gpg.format", "gpg.ssh.allowedSignersFile")}
        for name, value in (wanted | self.remote.settings()).items():
            if self.git.attempt("config", "--local", "--get", name).text != value:
                self.git.run("config", "--local", name, value)
        self._clean(".git/*.lock", ".git/refs/heads/*.lock", ".git/add-*")
        self._check_out()

    def _clean(self, *patterns: str) -> None:
        """Remove what a killed command left; the lock of its kind is held, so nobody needs it."""
        for left in [path for pattern in patterns for path in self.path.glob(pattern)]:
            left.unlink(missing_ok=True)

    def add(self, files: Mapping[str, bytes], message: str) -> str:
        """Add *files* (path in the logbook → content) in one signed commit and return its id.

        Raises:
            BadInput: nobody signs here, or a path is none of a change.
            Refused: a path exists already: records are never rewritten.
            Failed: git or the signature failed; nothing was added.
        """
        signer = self._signing()
        for path in files:
            if split_path(path) is None:
                raise BadInput(f"{path} is no file of a change", left="nothing was added")
        with self._lock("add"):
            parent = self.head()
            present = set(self._names(parent, *{path.rpartition("/")[0] for path in files}))
            for path in sorted(present & set(files)):
                raise Refused(f"{path} exists already, and records are never rewritten", left="nothing was added")
            blobs = {path: self._store(content) for path, content in files.items()}
            commit = self._commit(signer, parent, blobs, message)
            self._advance(commit, parent)
        return commit

    def push(self) -> Push:
        """Send what is not yet off-host, after taking over what other laptops sent.

        This operator's entries that another laptop overtook are signed anew on top; another operator's wait for theirs.
        """
        return self._exchange(send=True)

    def fetch(self) -> Push:
        """Take over what other laptops pushed, and send nothing; a good result is ``nothing``."""
        return self._exchange(send=False)

    def _exchange(self, *, send: bool) -> Push:
        if not self.remote.address:
            return Push(state="local")
        with self._lock("push"):
            self._clean(".git/refs/remotes/origin/*.lock")
            result = self._exchange_once(send)
            for _again in range(3):
                if result.state != "overtaken":
                    break
                result = self._exchange_once(send)
        return result

    def _exchange_once(self, send: bool) -> Push:
        fetched = self.remote.fetch()
        if fetched.state != "nothing":
            return fetched
        with self._lock("add"):
            tip, obstacle = self._on_top()
            if not obstacle and tip != self.head():
                self._advance(tip, self.head())
        fresh = len(self._commits(tip, self.remote.head()))
        sent = self.remote.push(tip, fresh) if send and fresh else fetched
        return obstacle if obstacle and sent.off_host else sent

    def _on_top(self) -> tuple[str, Push | None]:
        """Return this clone's entries on top of the remote's, and what keeps the rest of them from getting there."""
        ours, theirs = self.head(), self.remote.head()
        if not theirs or (ours and self.continues(theirs, ours)):
            return ours, None
        tip, there = theirs, self._blobs(theirs)
        for commit in self._commits(ours, theirs):
            added = self._added(commit)
            if added.items() <= there.items():
                continue
            if obstacle := self._obstacle(commit, added, there):
                return tip, obstacle
            tip = self._commit(self._signing(), tip, added, self.git.run("log", "-1", "--format=%B", commit).text)
        return tip, None

    def _obstacle(self, commit: str, added: Mapping[str, str], there: Mapping[str, str]) -> Push | None:
        for path in sorted(added.keys() & there.keys()):
            words = f"another laptop added another {path}; move {self.path} aside, and the next command fetches theirs"
            return Push(state="refused", reason=words)
        who = self.git.run("log", "-1", "--format=%cn", commit).text
        if self.signer is None or who != self.signer.operator:
            return Push(
                state="waits", reason=f"{who} has to push {commit[:12]}, which another laptop overtook, from here"
            )
        return None

    def unpushed(self) -> int:
        """Return how many commits are not yet off-host, as far as this clone knows; 0 without a remote."""
        if not self.remote.address:
            return 0
        theirs = self.remote.head()
        commits = self._commits(self.head(), theirs)
        if not commits or not theirs or self.continues(theirs, self.head()):
            return len(commits)
        there = self._blobs(theirs).items()
        return sum(not self._added(commit).items() <= there for commit in commits)

    def continues(self, old: str, new: str) -> bool:
        """Return whether the history up to *new* holds the commit *old*."""
        return self.git.attempt("merge-base", "--is-ancestor", old, new).code == 0

    def paths_since(self, old: str, new: str) -> list[str]:
        """Return the paths of the files that *new* has and *old* has not; those of all where *old* is empty."""
        if not old:
            return self._names(new)
        return _lines(self.git.run("diff", "--name-only", "--no-renames", "--diff-filter=A", "-z", old, new).out)

    def head(self) -> str:
        """Return the newest commit of this clone, empty if there is none yet."""
        return self.git.attempt("rev-parse", "--verify", "--quiet", MAIN).text

    def change_ids(self) -> tuple[str, ...]:
        """Return the ids of all changes, oldest first."""
        return tuple(sorted(self._by_change()))

    def files(self, change: str) -> tuple[str, ...]:
        """Return the names of the files of *change*, empty if it is not known."""
        return tuple(path.rpartition("/")[2] for path in self._names(self.head(), change_folder(change)))

    def read(self, change: str) -> ChangeFiles:
        """Return what the logbook holds of *change*.

        Raises:
            BadInput: there is no such change.
            Failed: a file of it cannot be read, with its name.
        """
        return next(self.read_all((change,)))

    def raw(self, change: str) -> dict[str, bytes]:
        """Return name → content of the files of *change*, empty if it is not known."""
        names = self.files(change)
        return dict(zip(names, self.contents([f"HEAD:{change_folder(change)}/{name}" for name in names]), strict=True))

    def read_all(self, changes: tuple[str, ...] | None = None) -> Iterator[ChangeFiles]:
        """Yield what the logbook holds of *changes* (None: of all), oldest first, by one git process for all."""
        known = self._by_change() if changes is None else {change: self.files(change) for change in changes}
        for change, names in known.items():
            if not names:
                raise BadInput(f"there is no change {change}", next_step="invoke changes lists them")
        yield from self._parsed(known)

    def newest_first(self) -> Iterator[ChangeFiles]:
        """Yield what the logbook holds of all changes, the newest first, read as far as somebody asks."""
        known = self._by_change()
        order = sorted(known, reverse=True)
        for start in range(0, len(order), NEWEST):
            part = order[start : start + NEWEST]
            yield from reversed(list(self._parsed({change: known[change] for change in part})))

    def _parsed(self, known: Mapping[str, Sequence[str]]) -> Iterator[ChangeFiles]:
        wanted = {change: [name for name in known[change] if name != "page.md"] for change in sorted(known)}
        paths = [f"HEAD:{change_folder(change)}/{name}" for change, names in wanted.items() for name in names]
        contents = self.contents(paths)
        for change, names in wanted.items():
            yield parse_change(change, {name: next(contents) for name in names})

    def open_changes(self) -> tuple[ChangeFiles, ...]:
        """Return the changes without a record, oldest first; only theirs are parsed."""
        states = {change: state_of(names) for change, names in self._by_change().items()}
        return tuple(self.read_all(tuple(change for change, state in states.items() if state != "ended")))

    def contents(self, objects: Sequence[str]) -> Iterator[bytes]:
        """Yield the content of each of *objects* (``commit:path`` or ids of blobs), in their order.

        Raises:
            Failed: one is not there, or not what its name says.
        """
        return read_objects(self.git, objects, "blob")

    def blobs(self, commit: str = "") -> dict[str, str]:
        """Return path → id of the blob of every file of *commit*, by default the newest; nothing where there is none."""
        tip = commit or self.head()
        return self._blobs(tip) if tip else {}

    def receipts_seen(self) -> str:
        """Return the receipts as an audit of this clone last saw them: a second copy, away from the server."""
        kept = self.path / ".git" / "receipts"
        return kept.read_text(encoding="utf-8") if kept.exists() else ""

    def keep_receipts(self, text: str) -> None:
        """Keep *text* as the receipts that were seen."""
        _replace(self.path / ".git" / "receipts", text)

    def forget_remote(self) -> None:
        """Forget what the remote had and its receipts: for a remote that was set up anew, so that everything is sent again."""
        self.git.attempt("update-ref", "-d", REMOTE)
        (self.path / ".git" / "receipts").unlink(missing_ok=True)

    def _by_change(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for path in self._names(self.head(), "changes"):
            if parts := split_path(path):
                found.setdefault(parts[0], []).append(parts[1])
        return {change: tuple(names) for change, names in found.items()}

    def _names(self, commit: str, *folders: str) -> list[str]:
        if not commit:
            return []
        return _lines(self.git.run("ls-tree", "-r", "-z", "--name-only", commit, "--", *folders).out)

    def _blobs(self, commit: str) -> dict[str, str]:
        rows = _lines(self.git.run("ls-tree", "-r", "-z", commit, "--", "changes").out)
        return {path: meta.split()[2] for meta, _, path in (row.partition("\t") for row in rows)}

    def _added(self, commit: str) -> dict[str, str]:
        fields = _lines(self.git.run("diff-tree", "-r", "-z", "--root", "--no-commit-id", "--no-renames", commit).out)
        return {path: meta.split()[3] for meta, path in zip(fields[::2], fields[1::2], strict=True)}

    def _commits(self, new: str, old: str) -> list[str]:
        if not new:
            return []
        return self.git.run("rev-list", "--reverse", new, *([f"^{old}"] if old else [])).text.split()

    def _store(self, content: bytes) -> str:
        return self.git.run("hash-object", "-w", "--stdin", stdin=content).text

    def _commit(self, signer: Signer, parent: str, blobs: Mapping[str, str], message: str) -> str:
        index = {"GIT_INDEX_FILE": str(self.path / ".git" / f"add-{time.monotonic_ns()}")}
        self.git.run("read-tree", *([parent] if parent else ["--empty"]), extra=index)
        entries = "".join(f"100644 {blob}\t{path}\n" for path, blob in blobs.items())
        self.git.run("update-index", "--add", "--index-info", stdin=entries.encode(), extra=index)
        tree = self.git.run("write-tree", extra=index).text
        Path(index["GIT_INDEX_FILE"]).unlink(missing_ok=True)
        parents = ["-p", parent] if parent else []
        signing = self.git.attempt(
            "commit-tree", "-S", *parents, tree, stdin=message.encode(), limit_seconds=120, extra=signer.environment()
        )
        if signing.code:
            raise Failed(f"{signer.key} did not sign: {signing.err[-300:]}", left="nothing was added to the logbook")
        return signing.text

    def _advance(self, commit: str, old: str) -> None:
        self.git.run("update-ref", MAIN, commit, old or "0" * 40)
        self._check_out()

    def _check_out(self) -> None:
        """Bring files that the work tree lacks; one that was edited there stays, for the audit to find."""
        if self.head():
            self.git.run("read-tree", "HEAD")
            self.git.attempt("checkout-index", "--all", "--quiet")

    def _signing(self) -> Signer:
        if self.signer is None:
            raise BadInput("the logbook was opened for reading only", left="nothing was added")
        return self.signer

    @contextmanager
    def _lock(self, what: str) -> Iterator[None]:
        """Hold this clone's lock named *what*; a killed process frees it by dying."""
        with (self.path / ".git" / f"bordbuch-{what}").open("a") as file:
            deadline = time.monotonic() + LOCK_SECONDS
            while not _locked(file.fileno()):
                if time.monotonic() > deadline:
                    busy = f"another command has held the logbook {self.path} for {LOCK_SECONDS} s"
                    raise Failed(busy, left="nothing was added")
                time.sleep(0.05)
            yield


def _settings(path: Path, signer: Signer | None) -> dict[str, str]:
    base = {
        "gpg.format": "ssh",
        "gpg.ssh.allowedSignersFile": str(path.resolve() / ".git" / "allowed_signers"),
        "core.hooksPath": "/dev/null",
        "core.fsync": "loose-object,reference,index",
        "core.autocrlf": "false",
        "gc.auto": "0",
    }
    return base | ({"user.signingkey": str(signer.key)} if signer else {})


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _replace(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _lines(out: bytes) -> list[str]:
    return [line for line in out.decode(errors="surrogateescape").split("\0") if line]
