"""Who may do what on a host, read from the texts that decide it: authorized_keys, shadow, sudoers. Pure; keeps no secret."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

NO_SHELLS = ("nologin", "false")
DAY_SECONDS = 86_400

_TYPE = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+$")
_OPTION = re.compile(r'([\w-]+)(?:="((?:\\"|[^"])*)")?(?:,|$)')
_OPTIONS = re.compile(r'((?:[^\s"]|"(?:\\"|[^"])*")+)\s+(.*)')
_PROGRAM = re.compile(r"/[\w./+-]+")


def has_shell(shell: str) -> bool:
    """Return whether *shell* of an account lets anybody work in it; an empty one is /bin/sh, by passwd(5)."""
    return PurePath(shell).name not in NO_SHELLS


def passwords(shadow: str, now: float) -> dict[str, tuple[str, bool]]:
    """Return account → state of its password (``locked``, ``none``, ``set``) and whether the account has expired, by shadow(5).

    Args:
        shadow: the file's text; of a password nothing but its state is kept.
        now: seconds since 1970.
    """
    rows = [line.split(":") for line in shadow.splitlines() if line.count(":") >= 8]
    return {row[0]: (password_state(row[1]), _is_over(row[7], now)) for row in rows}


def password_state(field: str) -> str:
    """Return ``none`` for an empty *field* of shadow, ``locked`` for one that nothing fits, else ``set``."""
    return "none" if not field else "locked" if field[0] in "!*" else "set"


def _is_over(day: str, now: float) -> bool:
    return bool(day) and int(day) * DAY_SECONDS <= now


def key_files(settings: str, name: str, uid: int, home: str) -> list[str]:
    """Return where sshd looks for the keys of an account, by what ``sshd -T`` prints of it."""
    values = sshd_settings(settings)
    if values.get("pubkeyauthentication") == "no":
        return []
    names = [one for one in values.get("authorizedkeysfile", "").split() if one != "none"]
    tokens = {"%%": "%", "%h": home, "%u": name, "%U": str(uid)}
    paths = [re.sub(r"%[%huU]", lambda found: tokens[found[0]], one) for one in names]
    return [path if path.startswith("/") else f"{home}/{path}" for path in paths]


def other_ways(settings: str) -> list[str]:
    """Return what else sshd asks for keys, which no file shows: a program, or an authority."""
    values = sshd_settings(settings)
    return [name for name in ("authorizedkeyscommand", "trustedusercakeys") if values.get(name, "none") != "none"]


def sshd_settings(settings: str) -> dict[str, str]:
    """Return keyword → value of what ``sshd -T`` prints."""
    return {keyword: value for keyword, _, value in (line.partition(" ") for line in settings.splitlines())}


def keys(text: str, now: float) -> Iterator[dict[str, Any]]:
    """Yield each key of an authorized_keys file that still counts: fingerprint, forced program, restrictions; no comment."""
    for line in text.splitlines():
        options, rest = _parted(line.strip())
        words = rest.split()
        if len(words) < 2 or not _TYPE.match(words[0]) or _ended(options.get("expiry-time", ""), now):
            continue
        if mark := fingerprint(words[1]):
            yield {
                "fingerprint": mark,
                "program": _program(options["command"]) if "command" in options else "",
                "restricted": "restrict" in options,
                "authority": "cert-authority" in options,
            }


def fingerprint(content: str) -> str:
    """Return the fingerprint of a key as ``ssh-keygen -l`` prints it, empty where *content* is no base64."""
    try:
        blob = base64.b64decode(content, validate=True)
    except binascii.Error:
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _parted(line: str) -> tuple[dict[str, str], str]:
    """Return the options of a line of authorized_keys, and what follows them."""
    if not line or line.startswith("#") or _TYPE.match(line.split()[0]):
        return {}, "" if line.startswith("#") else line
    found = _OPTIONS.match(line)
    if not found:
        return {}, ""
    return {name.lower(): value.replace('\\"', '"') for name, value in _OPTION.findall(found[1])}, found[2]


def _program(command: str) -> str:
    """Return which program a key is bound to, without its arguments: they may hold anything."""
    first = (command.split() or [""])[0]
    return first if _PROGRAM.fullmatch(first) else "another command"


def _ended(text: str, now: float) -> bool:
    """Return whether an ``expiry-time`` is over: YYYYMMDD, with HHMM or HHMMSS, with Z for UTC, by sshd(8)."""
    digits = text.rstrip("Zz")
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    if not form or not digits.isdigit():
        return False
    moment = datetime.strptime(digits, form)  # without Z it is the host's own time, by which timestamp() takes it
    return (moment.replace(tzinfo=UTC) if digits != text else moment).timestamp() <= now


def rules(sudoers: dict[str, Any], members: Callable[[str, str], list[str]]) -> Iterator[dict[str, Any]]:
    """Yield who may become whom with which commands, one row for each name in a rule.

    Args:
        sudoers: what ``cvtsudoers -e -f json`` prints; rules for other hosts count, too, since a host's name is easily changed.
        members: kind and name of an entry of a rule (``usergroup``, ``sudo``) → the accounts that it stands for.
    """
    for spec in sudoers.get("User_Specs", []):
        for entry in spec["User_List"]:
            if not entry.get("negated"):
                kind, name = next(iter(entry.items()))
                for commands in spec["Cmnd_Specs"]:
                    yield {"who": _who(kind, name), "accounts": members(kind, str(name)), **_allowed(commands)}


def _who(kind: str, name: Any) -> str:
    return {"usergroup": "%", "userid": "#", "usergid": "%#", "netgroup": "+", "nonunixgroup": "%:"}.get(
        kind, ""
    ) + str(name)


def _allowed(spec: dict[str, Any]) -> dict[str, Any]:
    users, groups = (_names(spec.get(name, [])) for name in ("runasusers", "runasgroups"))
    # A rule that names only a group keeps the account's own user; one that names nobody is for root.
    users = users or ([] if groups else ["root"])
    asks = {"authenticate": True, **{name: value for one in spec.get("Options", []) for name, value in one.items()}}
    return {
        "as_users": users,
        "as_groups": groups,
        "commands": _names(spec["Commands"]),
        "password": bool(asks["authenticate"]),
    }


def _names(entries: list[dict[str, Any]]) -> list[str]:
    return [f"{'!' if one.get('negated') else ''}{_value(one)}" for one in entries]


def _value(entry: dict[str, Any]) -> str:
    return str(next(value for name, value in entry.items() if name != "negated"))
