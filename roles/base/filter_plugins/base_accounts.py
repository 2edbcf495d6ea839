"""Who gets an account on a host, from the inventory's operators."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
BOUND = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?")
KEY = re.compile(r"(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}( [^\n]*)?")
FIRST_PERSON_UID = 1000
"""Debian's login.defs(5): accounts below belong to the system."""

Operator = Mapping[str, Any]
Passwd = Mapping[str, Sequence[str]]


def base_accounts(
    operators: Sequence[Operator], folder: str, now: str, passwd: Passwd, members: Sequence[str]
) -> dict[str, Any]:
    """Decide which accounts a host has.

    Args:
        operators: as in the inventory's file of operators.
        folder: where relative key files start.
        now: the time in UTC, ``YYYY-MM-DDTHH:MM:SSZ``.
        passwd: the host's accounts as ``getent_passwd`` tells them: name to (password, uid, …).
        members: the host's entry of the role's group, as ``getent_group`` tells it; its last field are the members.

    Returns:
        ``keep``: ``name`` and authorized_keys ``lines`` of each account with sudo; ``lock``: name and home of each
        existing account that may no longer be used; ``faults``: why they cannot be meant, empty where they can.
    """
    faults = [fault for one in operators for fault in _faults(one, folder, passwd)] + _doubles(operators)
    if faults:
        return {"keep": [], "lock": [], "faults": faults}
    keep = [{"name": one["name"], "lines": _lines(one, folder, now)} for one in operators if _administers(one)]
    keep = [one for one in keep if one["lines"]]
    known = {one["name"] for one in operators} | set(_members(members))
    gone = sorted(known - {one["name"] for one in keep})
    lock = [{"name": name, "home": passwd[name][4]} for name in gone if _is_person(name, passwd)]
    return {"keep": keep, "lock": lock, "faults": []}


def _administers(operator: Operator) -> bool:
    return bool(operator["office"] == "administration" and operator.get("state", "present") == "present")


def _is_person(name: str, passwd: Passwd) -> bool:
    return name in passwd and int(passwd[name][1]) >= FIRST_PERSON_UID


def _members(entry: Sequence[str]) -> list[str]:
    return [name for name in (entry[-1] if entry else "").split(",") if name]


def _lines(operator: Operator, folder: str, now: str) -> list[str]:
    """Return the lines of authorized_keys: keys valid now, each with its end as sshd(8)'s ``expiry-time``."""
    return [_until(key) + _text(key, folder) for key in operator.get("keys", []) if _is_valid(key, now)]


def _is_valid(key: Mapping[str, Any], now: str) -> bool:
    return (_bound(key, "valid_from") or now) <= now <= (_bound(key, "valid_until") or now)


def _bound(key: Mapping[str, Any], name: str) -> str:
    """Return a bound of *key* to the second: that of a day is its first or its last one."""
    text = str(key.get(name) or "")
    return (
        text + {"valid_from": "T00:00:00Z", "valid_until": "T23:59:59Z"}[name]
        if len(text) == len("2027-12-31")
        else text
    )


def _until(key: Mapping[str, Any]) -> str:
    end = _bound(key, "valid_until").translate(str.maketrans("", "", "-:T"))
    return f'expiry-time="{end}" ' if end else ""


def _text(key: Mapping[str, Any], folder: str) -> str:
    text = key.get("public") or (Path(folder) / key["file"]).read_text(encoding="utf-8")
    return str(text).strip()


def _faults(operator: Operator, folder: str, passwd: Passwd) -> list[str]:
    name = str(operator["name"])
    if not NAME.fullmatch(name):
        return [f"{name!r} is no login name"]
    if name in passwd and not _is_person(name, passwd):
        return [f"{name} is an account of the system"]
    return [f"{name}: {fault}" for key in operator.get("keys", []) for fault in _key_faults(key, folder)]


def _key_faults(key: Mapping[str, Any], folder: str) -> list[str]:
    bounds = [str(key[bound]) for bound in ("valid_from", "valid_until") if key.get(bound)]
    words = "neither a day like 2027-12-31 nor a time like 2026-11-28T14:05:00Z in quotes"
    faults = [f"{bound} is {words}" for bound in bounds if not BOUND.fullmatch(bound)]
    try:
        text = _text(key, folder)
    except (OSError, KeyError) as error:
        return [*faults, f"a key cannot be read: {error}"]
    return faults if KEY.fullmatch(text) else [*faults, "a key is no public SSH key of one line"]


def _doubles(operators: Sequence[Operator]) -> list[str]:
    names = [str(one["name"]) for one in operators]
    return [f"{name} stands twice" for name in sorted(set(names)) if names.count(name) > 1]


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"base_accounts": base_accounts}
