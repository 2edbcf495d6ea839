"""The logbook of a span of time as one archive, for an auditor who has git, ssh-keygen and nothing of ours.

The same logbook, span and operators give the same bytes.
"""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from ops.errors import BadInput, Failed
from ops.logbook.canonical import canonical
from ops.logbook.files import split_path
from ops.logbook.finding import Finding
from ops.logbook.history import Commit, read_history
from ops.logbook.model import Model
from ops.logbook.operators import Operators
from ops.logbook.receipts import Receipt, parse_receipts, received
from ops.logbook.repository import Logbook

OFFLINE = Path(__file__).with_name("offline")
DAY = timedelta(days=1)
SECONDS = 3600


class Exported(Model):
    """What was written, and where: commits since the beginning, changes of the span, findings of the audit before."""

    path: Path
    commits: int
    changes: int
    findings: int


class Shown(NamedTuple):
    """What of the logbook goes along: up to which commit, which changes, and when that commit was received."""

    tip: str
    changes: tuple[str, ...]
    received: datetime


Show = Callable[[Shown], Mapping[str, bytes]]
"""Gives files to read and print, by name, of what goes along."""


class Span(Model):
    """The days from *since* to *until*, both included, in UTC."""

    since: datetime
    until: datetime

    def covers(self, moment: datetime) -> bool:
        """Return whether *moment* lies in it."""
        return self.since <= moment < self.until + DAY


def export(
    logbook: Logbook,
    operators: Operators,
    span: Span,
    findings: Sequence[Finding],
    path: Path,
    show: Show,
) -> Exported:
    """Write the archive of *span* to *path* and return what is in it.

    Args:
        logbook: the clone; what counts is what its remote has received.
        operators: who may sign, since and until when.
        span: whose changes are laid open; the history goes along from its beginning.
        findings: of an audit just now; they go along, whatever they are.
        path: the file; one that is there is not replaced.
        show: gives what else goes into the folder ``pages``.

    Raises:
        BadInput: *path* is there, nothing was received until the end of the span, or there is no off-host repository.
        Failed: the off-host repository did not answer.
    """
    if path.exists():
        raise BadInput(f"{path} is there already", left="nothing was written", next_step="name another file with --to")
    receipts = [one for one in _receipts(logbook) if one.time < span.until + DAY]
    if not receipts:
        raise BadInput(f"nothing was received until {span.until:%Y-%m-%d}", left="nothing was written")
    history = read_history(logbook.git, operators, [receipts[-1].new])
    covered = received(receipts, {commit.id: commit for commit in history})
    fresh = [commit for commit in history if span.covers(covered[commit.id].time)]
    changes = sorted({parts[0] for commit in fresh for file in commit.touched if (parts := split_path(file.path))})
    files = {
        "README.md": _readme(span, len(history), len(changes), len(findings)),
        "verify.py": (OFFLINE / "verify.py").read_bytes(),
        "span.json": canonical({"since": f"{span.since:%Y%m%d%H%M%SZ}", "until": f"{span.until:%Y%m%d235959Z}"}),
        "findings.json": canonical([finding.model_dump(mode="json") for finding in findings]),
        "operators.json": canonical(operators.model_dump(mode="json")),
        "allowed_signers": operators.allowed_signers().encode(),
        "receipts": "".join(f"{line}\n" for line in map(_line, receipts)).encode(),
        "logbook.bundle": _bundle(logbook, history[-1].id),
    }
    shown = show(Shown(history[-1].id, tuple(changes), receipts[-1].time))
    files |= {f"pages/{name}": content for name, content in shown.items()}
    name = f"logbook-{span.since:%Y-%m-%d}-{span.until:%Y-%m-%d}"
    _write(path, name, [*sorted(files.items()), *_changes(logbook, history, set(changes))], receipts[-1].time)
    return Exported(path=path, commits=len(history), changes=len(changes), findings=len(findings))


def _receipts(logbook: Logbook) -> tuple[Receipt, ...]:
    if not logbook.remote.address:
        raise BadInput(
            "this logbook has no off-host repository, so nothing but the signers says when an entry was there",
            left="nothing was written",
            next_step="name one in the inventory, as production-in-ten-minutes.md says",
        )
    text = logbook.remote.receipts()
    if text is None:
        raise Failed("the off-host repository did not answer", left="nothing was written", next_step="try again")
    return parse_receipts(text)


def _line(receipt: Receipt) -> str:
    return f"{receipt.time:%Y-%m-%dT%H:%M:%SZ} {receipt.by} {receipt.old} {receipt.new}"


def _readme(span: Span, commits: int, changes: int, findings: int) -> bytes:
    words = (OFFLINE / "README.md").read_text(encoding="utf-8")
    days = {"since": f"{span.since:%Y-%m-%d}", "until": f"{span.until:%Y-%m-%d}"}
    return words.format(**days, commits=commits, changes=changes, findings=findings).encode()


def _bundle(logbook: Logbook, tip: str) -> bytes:
    """Return a bundle (gitformat-bundle(5)) of the history up to *tip*, packed anew by one thread: the same each time."""
    command = ("pack-objects", "--revs", "--stdout", "--quiet", "--threads=1", "--no-reuse-delta", "--no-reuse-object")
    pack = logbook.git.run(*command, stdin=f"{tip}\n".encode(), limit_seconds=SECONDS).out
    return f"# v2 git bundle\n{tip} refs/heads/main\n\n".encode() + pack


def _changes(logbook: Logbook, history: Sequence[Commit], changes: set[str]) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the files of *changes* as they were at the end of *history*."""
    last = {file.path: file.blob for commit in history for file in commit.touched}
    wanted = {path: blob for path, blob in sorted(last.items()) if blob and (split_path(path) or ("",))[0] in changes}
    return zip(wanted, logbook.contents(list(wanted.values())), strict=True)


def _write(path: Path, folder: str, files: Sequence[tuple[str, bytes]], when: datetime) -> None:
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files]
    part = path.with_name(f"{path.name}.part")
    with (
        part.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, content in (*files, ("SHA256SUMS", "".join(sums).encode())):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime = len(content), int(when.timestamp())
            entry.mode = 0o755 if name == "verify.py" else 0o644
            archive.addfile(entry, io.BytesIO(content))
    part.replace(path)
