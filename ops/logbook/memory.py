"""What an audit remembers in the clone, so that the next one judges only what is new.

It names a commit up to which nothing was wrong. A commit's id stands for its whole history, so the same id is the same history; and
what else the judgement depended on (operators, rules, receipts, this program) is held by digests. Where anything differs, all is
judged anew. The memory lies beside the clone: who can write there can write it, too. An audit that is to trust nothing is cold.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from ops.logbook.canonical import digest
from ops.logbook.model import ChangeId, Model
from ops.logbook.operators import Operators
from ops.logbook.receipts import NONE
from ops.logbook.repository import Logbook
from ops.logbook.tree import EMPTY

FILE = "bordbuch-audit"


class Entry(Model):
    """A file of a change: which commit added it, who signed that, its name, and the id of its content."""

    commit: str
    person: str
    name: str
    blob: str


class Memory(Model):
    """Up to where nothing was wrong; the values as they are here are those of a logbook that nobody has looked at.

    ``commit``, ``tree`` and ``dated`` are of the last commit that was judged. ``text`` counts the characters of the receipts up to
    it, ``text_digest`` is their SHA-256, ``received`` the time of the last one. ``unfinished`` holds the changes that may still
    get files, or for which an approval is owed.
    """

    key: str = ""
    commit: str = ""
    tree: str = EMPTY
    dated: datetime | None = None
    text: int = 0
    text_digest: str = hashlib.sha256().hexdigest()
    received: datetime | None = None
    commits: int = 0
    changes: int = 0
    off_host: int = 0
    unfinished: Mapping[ChangeId, tuple[Entry, ...]] = {}

    @property
    def last(self) -> str:
        """The commit of the last receipt, or git's word for none."""
        return self.commit or NONE

    def fits(self, receipts: str) -> bool:
        """Return whether *receipts* begin with those that were judged."""
        return len(receipts) >= self.text and text_digest(receipts[: self.text]) == self.text_digest


def text_digest(text: str) -> str:
    """Return the SHA-256 of *text*."""
    return hashlib.sha256(text.encode()).hexdigest()


def key_of(operators: Operators, rules: Mapping[str, str], address: str) -> str:
    """Return the digest of all that a judgement depends on besides the logbook: who may sign, rules, the remote, this program."""
    program = {path.name: text_digest(path.read_text(encoding="utf-8")) for path in Path(__file__).parent.glob("*.py")}
    parts = {"operators": operators.model_dump(mode="json"), "rules": dict(rules), "remote": address}
    return digest({**parts, "program": program})


def recall(logbook: Logbook, key: str) -> Memory:
    """Return what was remembered under *key*; nothing where that cannot be read, or was remembered under another one."""
    try:
        known = Memory.model_validate_json(_path(logbook).read_bytes())
    except (OSError, ValidationError):
        return Memory(key=key)
    return known if known.key == key else Memory(key=key)


def keep(logbook: Logbook, memory: Memory) -> None:
    """Remember *memory*."""
    fresh = _path(logbook).with_suffix(".new")
    fresh.write_text(memory.model_dump_json(), encoding="utf-8")
    fresh.replace(_path(logbook))


def _path(logbook: Logbook) -> Path:
    return logbook.path / ".git" / FILE
