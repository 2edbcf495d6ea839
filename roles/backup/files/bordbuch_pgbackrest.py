"""pgBackRest, as programs on hosts see it: how it is called, what its words mean. Another tool for backups would stand here."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

LIMIT_SECONDS = 600
LONGEST = 400
"""How many letters of its words are told."""

READABLE = (0, 2)
"""Its codes of a repository that has backups, and of one that has none yet."""

UNOPENED = re.compile(r"CryptoError|\[095\]|\bcipher\b")
"""What a wrong passphrase is called in an error."""

NONSENSE = re.compile(r"\[(CryptoError|FormatError)\]")
"""What it makes of the list of contents: it shows itself by the padding, or one time in some hundred by what comes out."""


class Fault(Exception):
    """What a person is to read; nothing was lost."""


def run(*arguments: str, account: str = "", seconds: float = LIMIT_SECONDS) -> subprocess.CompletedProcess[str]:
    """Run pgBackRest and return how it ended and what it printed.

    Args:
        arguments: its options and its command.
        account: who runs it, where root calls; the caller itself if empty.
        seconds: how long it may take.

    Raises:
        Fault: it took longer.
    """
    before = ["runuser", "-u", account, "--"] if account else []
    command = [*before, "pgbackrest", "--log-level-console=warn", *arguments]
    try:
        # What a wrong passphrase makes of a file stands in its words as it is, and is no text.
        return subprocess.run(
            command, cwd="/", capture_output=True, text=True, errors="replace", check=False, timeout=seconds,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Fault(f"pgBackRest was not done after {span(seconds)}") from None


def call(*arguments: str, account: str = "", seconds: float = LIMIT_SECONDS) -> str:
    """Run pgBackRest as `run` does, and return what it prints.

    Raises:
        Fault: it failed, in its own words.
    """
    done = run(*arguments, account=account, seconds=seconds)
    if done.returncode:
        raise Fault(complaint(done))
    return done.stdout


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return why a run that failed did, as a person reads it."""
    said = own_words(done.stdout + done.stderr) or f"pgBackRest ended with {done.returncode}"
    return f"the passphrase does not open the repository ({said})" if UNOPENED.search(said) else said


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


def info(stanza: str, number: int, account: str = "") -> dict[str, Any]:
    """Return what the repository *number* says of itself; nothing where it has no such stanza.

    Raises:
        Fault: it said nothing that can be read; its exit code says nothing.
    """
    said = call(f"--stanza={stanza}", f"--repo={number}", "--output=json", "info", account=account)
    try:
        # Not strict: letters that are none, see `run`.
        listing = json.loads(said, strict=False)
    except ValueError:
        raise Fault(f"pgBackRest told nothing of it: {own_words(said)}") from None
    return dict(listing[0]) if listing else {}


def readable(stanza: str, number: int, account: str = "") -> dict[str, Any]:
    """Return what the repository *number* says of itself.

    Raises:
        Fault: it has no such stanza, or says that something is wrong.
    """
    found = info(stanza, number, account)
    if not found:
        raise Fault(f"it has no stanza {stanza}")
    if found["status"]["code"] not in READABLE:
        raise Fault(status(found, number))
    return found


def status(found: dict[str, Any], number: int) -> str:
    """Return in words how the repository *number* stands, by what `info` *found*."""
    own = next((one["status"] for one in found.get("repo", []) if one["key"] == number), found["status"])
    said = printable(own["message"].partition(" at line")[0])
    return f"its passphrase does not open it, or it is damaged: {said}" if NONSENSE.match(said) else said


def span(seconds: float) -> str:
    """Return a length of time as a person reads it."""
    return f"{seconds / 3600:.0f} hours" if seconds >= 7200 else f"{seconds / 60:.0f} minutes"
