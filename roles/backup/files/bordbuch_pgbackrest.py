"""All that programs on hosts know of pgBackRest: how it is called, what its words mean, how it lays out and names its files.

Another tool for backups would stand here and offer the same. What it reads itself, its configuration, are templates of the role.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SHORT_SECONDS = 600
LONG_SECONDS = 6 * 3600
"""How long a question may take, and how long what reads or writes a whole backup."""

LONGEST = 400
"""How many letters of its words are told."""

READABLE, ABSENT = (0, 2), (1, 3)
"""Its codes of a repository that has backups, or none yet; and of one without the stanza's folder, or without its lists."""

UNOPENED = re.compile(r"CryptoError|\[095\]|\bcipher\b")
"""What a wrong passphrase is called in an error."""

NONSENSE = re.compile(r"\[(CryptoError|FormatError)\]")
"""What it makes of the list of contents: it shows itself by the padding, or one time in some hundred by what comes out."""

RESTORE_ERRORS = (
    (r"FileMissingError|\[055\]|missing file", "A file of the backup is missing in the repository"),
    (
        r"ChecksumError|\[026\]|checksum|decompress|inflate|\[029\]|FormatError|CryptoError|\[095\]|size .*do(es)? not match",
        "A file of the backup is damaged in the repository",
    ),
    (r"\[041\]|\[042\]|[Pp]ermission denied", "This account may not read a file of the repository"),
    (r"No space left", "There is no room left below the drill's folder"),
)
"""What its errors mean while it restores, by the first that fits."""

LABEL = re.compile(r"\d{8}-\d{6}F(_\d{8}-\d{6}[DI])?")
"""Of a backup, which is the name of its folder, too. It begins with the label of its full backup."""

WAL_FILE = re.compile(r"(?:.*/)?([0-9A-F]{24})-[0-9a-f]{40}(?:\.\w+)?")
"""A whole WAL file in the archive: its name, the checksum, and how it is compressed."""

FOLDERS = ("archive", "backup")
"""What a repository consists of; whatever lies beside them is not pgBackRest's."""

UNFINISHED = (".info", ".info.copy", ".tmp", ".lock")
"""Ends of names of lists of contents, which every backup changes, and of what is being written."""


class Fault(Exception):
    """What a person is to read; nothing was lost."""


@dataclass(frozen=True)
class Backup:
    """One backup; sizes in bytes.

    Args:
        cluster: what it is of: another version of PostgreSQL is another cluster, whose WAL lies in a folder of that name.
        tool: the version of pgBackRest that made it.
        first_wal: the WAL file that it begins with.
        stop: the position in WAL at which it is complete, as PostgreSQL writes it.
        last_wal: the newest WAL file of its cluster in the repository, empty if there is none.
        damaged: whether it found damaged pages in the live database.
        added_bytes: what it added to the repository.
        stored_bytes: what it needs there with all that it builds on, 0 where that is not told.
    """

    label: str
    type: str
    began: datetime
    ended: datetime
    cluster: str
    version: str
    tool: str
    first_wal: str
    stop: str
    last_wal: str
    damaged: bool
    database_bytes: int
    added_bytes: int
    stored_bytes: int


@dataclass(frozen=True)
class Listing:
    """What a repository says that it has; why not, where it does not open, or has no such stanza yet (``absent``).

    Backups and clusters come with the oldest first; ``wal`` are the first and the last WAL file of the newest cluster.
    """

    status: str
    opens: bool = False
    absent: bool = False
    backups: tuple[Backup, ...] = ()
    clusters: tuple[str, ...] = ()
    wal: tuple[str, str] = ("", "")


def run(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a command and return how it ended and what it printed, or raise `Fault`: it took longer."""
    try:
        # What a wrong passphrase makes of a file stands in its words as it is, and is no text.
        return subprocess.run(
            command, cwd="/", capture_output=True, text=True, errors="replace", check=False, timeout=seconds,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Fault(f"pgBackRest was not done after {seconds / 60:.0f} minutes") from None


Run = Callable[[Sequence[str], float], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Stanza:
    """The backups of one database in all its repositories, which have numbers, and how they are reached.

    Args:
        name: what pgBackRest calls it.
        account: who runs pgBackRest, where root calls; the caller itself if empty.
        configuration: in place of the host's own.
        program: in place of the one in PATH.
        run: what runs a command, for so many seconds at most.
    """

    name: str
    account: str = ""
    configuration: str = ""
    program: str = "pgbackrest"
    run: Run = run

    def command(self, *words: str, number: int = 0) -> list[str]:
        """Return what runs pgBackRest in repository *number*, or in all; *words* are options, a command, and what that is for."""
        before = ["runuser", "-u", self.account, "--"] if self.account else []
        return [*before, self.program, *self.common(number), "--log-level-stderr=warn", *words]

    def common(self, number: int) -> list[str]:
        """Return the options of every command. Nothing of the log among what it prints: that is read as JSON."""
        configuration = [f"--config={self.configuration}"] if self.configuration else []
        repository = [f"--repo={number}"] if number else []
        return [*configuration, f"--stanza={self.name}", *repository, "--log-level-console=off", "--log-level-file=off"]

    def call(self, *words: str, number: int = 0, seconds: float = SHORT_SECONDS) -> str:
        """Run pgBackRest and return what it prints, or raise `Fault`: it failed, in its own words."""
        done = self.run(self.command(*words, number=number), seconds)
        if done.returncode:
            raise Fault(complaint(done))
        return done.stdout

    def version(self) -> str:
        """Return the version of pgBackRest here."""
        return self.run([self.program, "version"], SHORT_SECONDS).stdout.strip().rpartition(" ")[2]

    def listing(self, number: int) -> Listing:
        """Return what repository *number* says that it has, or raise `Fault`: that cannot be read. Its exit code says nothing."""
        return parse_listing(self.call("--output=json", "info", number=number), self.name, number)

    def opened(self, number: int) -> Listing:
        """Return what repository *number* has, or raise `Fault`: it does not open, has no such stanza, or something is wrong."""
        if not (found := self.listing(number)).opens:
            raise Fault(found.status)
        return found

    def make(self) -> None:
        """Make the stanza in each repository that has none."""
        self.call("stanza-create")

    def back_up(self, number: int, kind: str) -> Backup:
        """Make a backup that is `full`, `diff` or `incr`, and return what it has become, read back from the repository."""
        before = {backup.label for backup in self.opened(number).backups}
        self.call(f"--type={kind}", "backup", number=number, seconds=LONG_SECONDS)
        made = [backup for backup in self.opened(number).backups if backup.label not in before]
        if not made:
            raise Fault("pgBackRest ended well and there is no new backup")
        return made[-1]

    def send_wal(self) -> None:
        """Send WAL up to now to each repository, and wait until it is there."""
        self.call("check")

    def verify(self, number: int, seconds: float) -> str:
        """Read every file of a repository, compare it with its checksum, and return what is wrong, empty if nothing is."""
        done = self.run(self.command("--output=text", "verify", number=number), seconds)
        if "status: error" in done.stdout and "ERROR" not in done.stderr:
            return done.stdout.strip()[-300:]  # what it found stands at the end
        return complaint(done) if done.returncode else ""

    def expire(self, number: int) -> None:
        """Let go what is older than the configuration keeps: see `too_old`."""
        self.call("expire", number=number, seconds=LONG_SECONDS)

    def wal(self, number: int, cluster: str) -> tuple[dict[str, int], set[int]]:
        """Return the whole WAL files of a *cluster* with the second at which each came, and the timelines with a history."""
        found = json.loads(self.call("--recurse", "--output=json", "repo-ls", self.archive(cluster), number=number))
        return wal_files(found), {int(path[:8], 16) for path in found if re.fullmatch(r"[0-9A-F]{8}\.history", path)}

    def history(self, number: int, cluster: str, timeline: int) -> str:
        """Return PostgreSQL's history file of a *timeline*."""
        return self.call("repo-get", f"{self.archive(cluster)}/{timeline:08X}.history", number=number)

    def archive(self, cluster: str) -> str:
        """Return the folder, in a repository, that WAL of a *cluster* goes to."""
        return f"{FOLDERS[0]}/{self.name}/{cluster}"

    def restore(self, number: int, label: str, target: Sequence[str], crew: int) -> None:
        """Bring a backup back to where it was made, by *crew* processes; for *target* see `up_to`."""
        options = [f"--process-max={crew}", f"--set={label}", *target]
        self.call(*options, "restore", number=number, seconds=LONG_SECONDS)

    def restore_aside(self, number: int, label: str, target: Sequence[str], work: Path, seconds: float) -> None:
        """Bring a backup to folders below *work* that are there and empty: data, tablespaces, lock. It will not archive.

        What a `Fault` means is said with it.
        """
        folders = [f"--pg1-path={work}/data", f"--tablespace-map-all={work}/tablespaces", f"--lock-path={work}/lock"]
        options = [*folders, "--archive-mode=off", f"--set={label}", *target]
        done = self.run(self.command(*options, "restore", number=number), seconds)
        if done.returncode:
            raise Fault(explain(done.stderr))

    def fetch_command(self, number: int, work: Path) -> str:
        """Return how a server whose folder is *work*/data gets WAL: what it cannot get stands in the server's log."""
        folders = [f"--pg1-path={work}/data", f"--lock-path={work}/lock"]
        words = [*self.common(number), "--log-level-stderr=info", "--no-archive-async", *folders, 'archive-get %f "%p"']
        return " ".join([self.program, *words])

    def sent_by(self, command: str) -> bool:
        """Return whether an ``archive_command`` hands each file over, and has nothing beside that could say that all is well."""
        try:
            first, *words = shlex.split(command)
        except ValueError:  # it is empty, or no command
            return False
        needed = {f"--stanza={self.name}", "archive-push", "%p"}
        return (
            Path(first).name == "pgbackrest" and needed <= set(words) and not {"||", "&&", "|", ";", "&"} & set(words)
        )


def up_to(kind: str, value: str = "") -> list[str]:
    """Return the options of up to where WAL is read: the `newest`, the end of the `backup`, a `time`, or a point with a `name`."""
    if kind == "newest":
        return ["--type=default"]
    return [
        *(["--type=immediate"] if kind == "backup" else [f"--type={kind}", f"--target={value}"]),
        "--target-action=promote",
    ]


# What it says. Pure.


def parse_listing(text: str, stanza: str, number: int) -> Listing:
    """Return what repository *number* has of *stanza* by the JSON that `info` prints, or raise `Fault`: it is none, or another."""
    try:
        # Not strict: letters that are none, see `run`.
        found = json.loads(text, strict=False)
    except ValueError:
        raise Fault(f"pgBackRest told nothing of it: {own_words(text)}") from None
    try:
        entry = next((one for one in found if one["name"] == stanza), None)
        return read_entry(entry, number) if entry else Listing(f"it has no stanza {stanza}", absent=True)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Fault(f"its answer cannot be read: {type(error).__name__}: {error}") from None


def read_entry(entry: dict[str, Any], number: int) -> Listing:
    """Return what is told of one stanza in repository *number*; of a repository that does not open nothing else is."""
    own = next((one["status"] for one in entry.get("repo", ()) if one["key"] == number), entry["status"])
    if own["code"] not in READABLE:
        return Listing(status(own["message"]), absent=own["code"] in ABSENT)
    names = {one["id"]: f"{one['version']}-{one['id']}" for one in entry["db"] if of(one, number)}
    wal = {one["id"]: (one["min"] or "", one["max"] or "") for one in entry["archive"] if of(one["database"], number)}
    known = [one for one in entry["backup"] if of(one["database"], number)]
    backups = [read_backup(one, names[one["database"]["id"]], wal) for one in known]
    backups.sort(key=lambda backup: (backup.ended, backup.label))
    newest = list(wal.values())[-1] if wal else ("", "")
    return Listing(status(own["message"]), True, False, tuple(backups), tuple(names.values()), newest)


def read_backup(one: dict[str, Any], cluster: str, wal: dict[str, tuple[str, str]]) -> Backup:
    """Return one backup of a *cluster*, by what `info` tells and by the first and last WAL of each."""
    return Backup(
        label=one["label"],
        type=one["type"],
        began=datetime.fromtimestamp(one["timestamp"]["start"], UTC),
        ended=datetime.fromtimestamp(one["timestamp"]["stop"], UTC),
        cluster=cluster,
        version=cluster.rpartition("-")[0],
        tool=one["backrest"]["version"],
        first_wal=one["archive"]["start"],
        stop=one["lsn"]["stop"],
        last_wal=wal.get(cluster, ("", ""))[1],
        damaged=bool(one.get("error")),
        database_bytes=one["info"]["size"],
        added_bytes=one["info"]["repository"]["delta"],
        stored_bytes=one["info"]["repository"].get("size", 0),
    )


def of(one: dict[str, Any], number: int) -> bool:
    """Return whether something that is told is of repository *number*."""
    return bool(one.get("repo-key", number) == number)


def status(message: str) -> str:
    """Return in words how a repository stands, by its own *message*."""
    said = printable(message.partition(" at line")[0])
    return f"the passphrase does not open the repository, or it is damaged: {said}" if NONSENSE.match(said) else said


def wal_files(listing: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Return the whole WAL files of a *listing* of an archive, and when each came."""
    found = ((WAL_FILE.fullmatch(path), entry) for path, entry in listing.items())
    return {match[1]: int(entry["time"]) for match, entry in found if match}


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return why a run that failed did, as a person reads it."""
    said = own_words(done.stdout + done.stderr) or f"pgBackRest ended with {done.returncode}"
    return f"the passphrase does not open the repository ({said})" if UNOPENED.search(said) else said


def explain(text: str) -> str:
    """Return what an error of a restore means, and the error."""
    said = own_words(text) or "it said nothing"
    return f"{next((words for kind, words in RESTORE_ERRORS if re.search(kind, said)), 'pgBackRest did not restore')}: {said}"


def fetch_fault(lines: Sequence[str]) -> str:
    """Return what `fetch_command` has said, in the server's log, of the WAL file that it could not get; empty if nothing."""
    errors = [number for number, line in enumerate(lines) if line.startswith("ERROR: [")]
    asked = [match for line in lines if (match := re.search(r"(unable to find|found) ([0-9A-F]{24}) in the ", line))]
    if errors:
        return f"A WAL file cannot be read: {own_words(chr(10).join(lines[errors[-1] :]))}"
    return f"A WAL file is missing: {asked[-1][2]}" if asked and asked[-1][1] != "found" else ""


def own_words(text: str) -> str:
    """Return pgBackRest's first error of what it printed, without its time, process and tries; else its first line."""
    lines = [re.sub(r"^(\S+ \S+ )?P\d+\s+", "", line).strip() for line in text.splitlines()]
    first = next((number for number, line in enumerate(lines) if line.startswith("ERROR")), None)
    if first is None:
        return printable(next((line for line in lines if line), ""))
    said = [lines[first].removeprefix("ERROR:")]
    for line in lines[first + 1 :]:
        if not line or re.match(r"[A-Z]+:", line):
            break
        said.append(line)
    return printable(re.sub(r" on retry after \d+ms( \[\w+\])?", "", " ".join(said)))


def printable(text: str) -> str:
    """Return *text* on one short line and without what is no letter: what a wrong key makes of a file may stand in an error."""
    kept = "".join(letter if letter.isprintable() and letter != "\ufffd" else " " for letter in text)
    return " ".join(kept.split())[:LONGEST].strip()


# What lies in a repository that is a folder of this host.


def has_stanza(path: str | Path, stanza: str) -> bool:
    """Return whether the repository at *path* has the list of the backups of a *stanza*."""
    return (Path(path) / f"backup/{stanza}/backup.info").exists()


def too_old(labels: Iterable[str], keep_full: int) -> list[str]:
    """Return the labels that `expire` lets go: full backups but the newest *keep_full*, each with what depends on it."""
    known = sorted(labels)
    fulls = [label for label in known if "_" not in label]
    old = fulls[: max(0, len(fulls) - keep_full)]
    return [label for label in known if label.split("_")[0] in old]


def below(path: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk through all folders of the repository at *path*, as `os.walk` does."""
    for part in FOLDERS:
        yield from os.walk(Path(path) / part)


def finished(path: str) -> Iterator[str]:
    """Yield the files of the repository at *path* that are never written again: all but the lists of contents and what is being
    written. A backup that failed half way has no manifest yet: pgBackRest removes it or goes on with it next time.
    """
    for folder, folders, names in below(path):
        if LABEL.fullmatch(os.path.basename(folder)) and "backup.manifest" not in names:  # noqa: PTH119  many folders
            folders.clear()
            continue
        yield from (os.path.join(folder, name) for name in names if not name.endswith(UNFINISHED))  # noqa: PTH118  many files
