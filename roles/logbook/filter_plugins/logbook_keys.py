"""Whose keys may reach the logbook's server, and whose signatures it takes, from the inventory's operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

OFFICE = "administration"
"""The office whose operators carry out and sign changes."""

Operator = Mapping[str, Any]


def logbook_keys(operators: Sequence[Operator], folder: str, today: str, command: str) -> dict[str, list[str]]:
    """Return the lines of both files.

    Args:
        operators: as in the inventory's file of operators.
        folder: where relative key files start.
        today: the day in UTC, ``YYYY-MM-DD``.
        command: what a key may start; ``{name}`` in it is the operator.

    Returns:
        ``allowed_signers``: each key with its validity, also of those who have left: their old entries stay good, and
        what they sign now is refused. ``authorized_keys``: keys of those who are present that count today.
    """
    keys = [(one, key) for one in operators if one["office"] == OFFICE for key in one["keys"]]
    present = [(one, key) for one, key in keys if one.get("state", "present") == "present" and _counts(key, today)]
    return {
        "allowed_signers": [f"{one['name']} {_validity(key)} {_public(key, folder)}" for one, key in keys],
        "authorized_keys": [
            f'restrict,{_end(key)}command="{command.format(name=one["name"])}" {_public(key, folder)} {one["name"]}'
            for one, key in present
        ],
    }


def _counts(key: Mapping[str, Any], today: str) -> bool:
    return str(key.get("valid_from") or today) <= today <= str(key.get("valid_until") or today)


def _validity(key: Mapping[str, Any]) -> str:
    after = [f'valid-after="{_day(key["valid_from"])}000000Z"'] if key.get("valid_from") else []
    before = [f'valid-before="{_day(key["valid_until"])}235959Z"'] if key.get("valid_until") else []
    return ",".join(['namespaces="git"', *after, *before])


def _end(key: Mapping[str, Any]) -> str:
    return f'expiry-time="{_day(key["valid_until"])}235959Z",' if key.get("valid_until") else ""


def _day(day: Any) -> str:
    return str(day).replace("-", "")


def _public(key: Mapping[str, Any], folder: str) -> str:
    text = key.get("public") or (Path(folder) / key["file"]).read_text(encoding="utf-8")
    return " ".join(str(text).split()[:2])


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"logbook_keys": logbook_keys}
