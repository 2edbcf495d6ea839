"""Whose keys may reach the logbook's server, and whose signatures it takes, from the inventory's operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

OFFICE = "administration"
"""The office whose operators carry out and sign changes."""

Operator = Mapping[str, Any]


def logbook_keys(operators: Sequence[Operator], folder: str, now: str, command: str) -> dict[str, list[str]]:
    """Return the lines of both files.

    Args:
        operators: as in the inventory's file of operators.
        folder: where relative key files start.
        now: the time in UTC, ``YYYY-MM-DDTHH:MM:SSZ``.
        command: what a key may start; ``{name}`` in it is the operator.

    Returns:
        ``allowed_signers``: each key with its validity, also of those who have left: their old entries stay good, and
        what they sign now is refused. ``authorized_keys``: keys of those who are present that count now.
    """
    keys = [(one, key) for one in operators if one["office"] == OFFICE for key in one["keys"]]
    present = [(one, key) for one, key in keys if one.get("state", "present") == "present" and _counts(key, now)]
    return {
        "allowed_signers": [f"{one['name']} {_validity(key)} {_public(key, folder)}" for one, key in keys],
        "authorized_keys": [
            f'restrict,{_end(key)}command="{command.format(name=one["name"])}" {_public(key, folder)} {one["name"]}'
            for one, key in present
        ],
    }


def _counts(key: Mapping[str, Any], now: str) -> bool:
    return (_bound(key, "valid_from") or now) <= now <= (_bound(key, "valid_until") or now)


def _validity(key: Mapping[str, Any]) -> str:
    after = [f'valid-after="{_stamp(key, "valid_from")}"'] if key.get("valid_from") else []
    before = [f'valid-before="{_stamp(key, "valid_until")}"'] if key.get("valid_until") else []
    return ",".join(['namespaces="git"', *after, *before])


def _end(key: Mapping[str, Any]) -> str:
    return f'expiry-time="{_stamp(key, "valid_until")}",' if key.get("valid_until") else ""


def _bound(key: Mapping[str, Any], name: str) -> str:
    """Return a bound of *key* to the second: that of a day is its first or its last one."""
    text = str(key.get(name) or "")
    return (
        text + {"valid_from": "T00:00:00Z", "valid_until": "T23:59:59Z"}[name]
        if len(text) == len("2027-12-31")
        else text
    )


def _stamp(key: Mapping[str, Any], name: str) -> str:
    return _bound(key, name).translate(str.maketrans("", "", "-:T"))


def _public(key: Mapping[str, Any], folder: str) -> str:
    text = key.get("public") or (Path(folder) / key["file"]).read_text(encoding="utf-8")
    return " ".join(str(text).split()[:2])


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"logbook_keys": logbook_keys}
