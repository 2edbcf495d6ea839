"""Operators as data: who they are, which office they hold, with which keys they sign, and since and until when.

The office is the organisation's separation of duties: nobody holds two, and only administration signs changes. A host has an
office, too, ``timer``: with its own key it signs what its timers did.
"""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from ops.errors import BadInput
from ops.logbook import sshsig
from ops.logbook.model import Model, Moment, OperatorName

Office = Literal["administration", "member-administration", "clearing", "timer"]
MAY_SIGN: tuple[Office, ...] = ("administration",)
"""Offices whose operators carry out, allow and sign changes."""

KEY_TYPES = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ssh-rsa")


BOUND = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?")


def _bound(value: Any) -> Any:
    if isinstance(value, str) and not BOUND.fullmatch(value):
        raise ValueError(f"{value!r} is neither a day like 2027-12-31 nor a time like 2026-11-28T14:05:00Z in quotes")
    return value


Bound = Annotated[Annotated[Moment | date, Field(union_mode="left_to_right")], BeforeValidator(_bound)]
"""Since or until when a key counts: a whole day, or a second of it."""


class Key(Model):
    """An OpenSSH public key, and since and until when it counts, in UTC; both ends are included."""

    public: str
    valid_from: Bound | None = None
    valid_until: Bound | None = None

    @field_validator("public")
    @classmethod
    def _parses(cls, text: str) -> str:
        kind, blob = _split(text)
        if _first_string(blob) != kind.encode():
            raise ValueError("this is no OpenSSH public key: its type and its content differ")
        return f"{kind} {base64.b64encode(blob).decode()}"

    @property
    def kind(self) -> str:
        """The key's type, as its line in ``authorized_keys`` begins."""
        return self.public.split()[0]

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint as ``ssh-keygen -l`` and git print it."""
        return sshsig.fingerprint(self.blob)

    @property
    def blob(self) -> bytes:
        """The key as a signature holds it."""
        return base64.b64decode(self.public.split()[1])

    def valid_at(self, moment: datetime) -> bool:
        """Return whether the key counts at *moment*."""
        second = moment.replace(microsecond=0)
        return (self.begins or second) <= second <= (self.ends or second)

    @property
    def begins(self) -> datetime | None:
        """The first second that counts, None where there is no beginning."""
        return _second(self.valid_from, time.min)

    @property
    def ends(self) -> datetime | None:
        """The last second that counts, None where there is no end."""
        return _second(self.valid_until, time(23, 59, 59))


class Operator(Model):
    """A person who may log in; ``name`` is login, principal in ``allowed_signers`` and committer's name."""

    name: OperatorName
    office: Office
    state: Literal["present", "absent"] = "present"
    keys: tuple[Key, ...] = Field(min_length=1)


class Operators(Model):
    """All operators of one inventory, also those who have left: their old records stay valid."""

    all: tuple[Operator, ...]

    @classmethod
    def parse(cls, entries: Iterable[Mapping[str, Any]], inventory: Path) -> "Operators":
        """Return the operators of *entries*, in the form of ``operators.yml``.

        Args:
            entries: one mapping per operator.
            inventory: folder (or a file in it) that ``file:`` of a key is relative to.

        Raises:
            BadInput: an entry cannot be meant: an unknown office, a name or a key twice, no key or one that is none.
        """
        folder = inventory if inventory.is_dir() else inventory.parent
        people = tuple(_operator(entry, lambda name: (folder / name).read_text(encoding="utf-8")) for entry in entries)
        _refuse_ambiguous(people)
        return cls(all=people)

    def names(self) -> tuple[str, ...]:
        """Return the names of those who are present."""
        return tuple(person.name for person in self.all if person.state == "present")

    def may_change(self, name: str) -> bool:
        """Return whether *name* is present and of an office that carries out and signs changes."""
        return name in self.names() and any(person.name == name and person.office in MAY_SIGN for person in self.all)

    def owner(self, fingerprint: str) -> tuple[Operator, Key] | None:
        """Return whose key has *fingerprint*, and that key."""
        found = ((person, key) for person in self.all for key in person.keys if key.fingerprint == fingerprint)
        return next(found, None)

    def allowed_signers(self) -> str:
        """Return the text of ``allowed_signers`` (ssh-keygen(1)) for those whose office signs.

        Raises:
            BadInput: nobody may sign; an empty file would make every signature look like none.
        """
        return "".join(f"{_signer_line(name, key)}\n" for name, key in self._signing())

    def timer_signers(self, namespace: str) -> str:
        """Return the text of ``allowed_signers`` for hosts, which sign what timers did for *namespace*; it may be empty."""
        hosts = ((one.name, key) for one in self.all if one.office == "timer" for key in one.keys)
        return "".join(f"{_signer_line(name, key, namespace)}\n" for name, key in hosts)

    def signers(self) -> dict[bytes, str]:
        """Return whose signature counts as good, whenever it was made: public key as in a signature → operator.

        Raises:
            BadInput: nobody may sign.
        """
        return {key.blob: name for name, key in self._signing()}

    def _signing(self) -> list[tuple[str, Key]]:
        signing = [(person.name, key) for person in self.all if person.office in MAY_SIGN for key in person.keys]
        if not signing:
            raise BadInput(
                "no operator may sign changes", next_step="name one of office administration in operators.yml"
            )
        return signing


def _signer_line(name: str, key: Key, namespace: str = "git") -> str:
    options = [f'namespaces="{namespace}"']
    if key.begins:
        options.append(f'valid-after="{key.begins:%Y%m%d%H%M%SZ}"')
    if key.ends:
        options.append(f'valid-before="{key.ends:%Y%m%d%H%M%SZ}"')
    return f"{name} {','.join(options)} {key.public}"


def _second(bound: datetime | date | None, clock: time) -> datetime | None:
    """Return the second that *bound* means: of a day, the one at *clock*."""
    return bound if bound is None or isinstance(bound, datetime) else datetime.combine(bound, clock, UTC)


def _operator(entry: Mapping[str, Any], read: Callable[[str], str]) -> Operator:
    name = entry.get("name", "without a name") if isinstance(entry, Mapping) else entry
    try:
        keys = tuple(_inline(key, read) for key in entry.get("keys", ()))
        person = Operator.model_validate({**entry, "keys": keys})
    except (ValidationError, OSError, AttributeError, TypeError) as error:
        raise BadInput(f"operator {name}: {_first_fault(error)}", next_step="correct operators.yml") from None
    if person.state == "absent" and any(key.valid_until is None for key in person.keys):
        raise BadInput(
            f"operator {name} is absent, and a key of theirs has no end",
            next_step="set valid_until to the last day, or second, at which the key counted: what was signed before stays valid",
        )
    return person


def _inline(key: Mapping[str, Any], read: Callable[[str], str]) -> dict[str, Any]:
    given = dict(key)
    if "file" in given:
        given["public"] = read(str(given.pop("file")))
    return given


def _first_fault(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def _refuse_ambiguous(people: tuple[Operator, ...]) -> None:
    for name in _repeated(person.name for person in people):
        raise BadInput(f"operator {name} stands twice in operators.yml", next_step="nobody holds two offices: keep one")
    for fingerprint in _repeated(key.fingerprint for person in people for key in person.keys):
        raise BadInput(f"the key {fingerprint} stands twice in operators.yml: a key belongs to one person")


def _repeated(values: Iterable[str]) -> Iterator[str]:
    return (value for value, count in Counter(values).items() if count > 1)


def _split(text: str) -> tuple[str, bytes]:
    parts = text.strip().split()
    if "\n" in text.strip() or len(parts) < 2 or parts[0] not in KEY_TYPES:
        raise ValueError(f"this is no OpenSSH public key of a type that is taken ({', '.join(KEY_TYPES)})")
    try:
        return parts[0], base64.b64decode(parts[1], validate=True)
    except binascii.Error:
        raise ValueError("this is no OpenSSH public key: its content is not base64") from None


def _first_string(blob: bytes) -> bytes:
    length = int.from_bytes(blob[:4], "big")
    return blob[4 : 4 + length]
