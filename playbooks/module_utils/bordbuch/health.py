"""A host's own health checks, as its variables list them: a command, an HTTP answer, an open port, a query.

And what must be the same after a change as before it: the output of commands.
"""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any

from ansible.module_utils.bordbuch.state import run


def examine(checks: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Return one row (name, passed, detail) per check; a check that fails is asked again for up to ``seconds`` (30)."""
    return [{"name": str(check["name"]), **_patiently(check)} for check in checks]


def _patiently(check: dict[str, Any]) -> dict[str, object]:
    limit = time.monotonic() + float(check.get("seconds", 30))
    while True:
        complaint = _complaint(check)
        if not complaint or time.monotonic() > limit:
            return {"passed": not complaint, "detail": complaint[:300]}
        time.sleep(1)


def _complaint(check: dict[str, Any]) -> str:
    kind = next((kind for kind in _KINDS if kind in check), None)
    if kind is None:
        return "names none of " + ", ".join(_KINDS)
    try:
        return _KINDS[kind](check)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return str(error)


def _command(check: dict[str, Any]) -> str:
    done = run(list(check["command"]), 30)
    return "" if done.returncode == 0 else f"exit code {done.returncode}"


def _http(check: dict[str, Any]) -> str:
    wanted = int(check.get("status", 200))
    try:
        if not check["http"].startswith(("http://", "https://")):
            return "is no http or https address"
        with urllib.request.urlopen(check["http"], timeout=10) as answer:  # noqa: S310  # the scheme was checked
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    return "" if status == wanted else f"status {status}, expected {wanted}"


def _tcp(check: dict[str, Any]) -> str:
    host, port = str(check["tcp"]).rsplit(":", 1)
    socket.create_connection((host, int(port)), timeout=10).close()
    return ""


def _sql(check: dict[str, Any]) -> str:
    form = ["runuser", "-u", check.get("user", "postgres"), "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]
    done = run([*form, "-d", check.get("database", "postgres"), "-c", check["sql"]], 30)
    wanted = str(check.get("expect", done.stdout.strip()))
    if done.returncode:
        return f"psql ended with {done.returncode}"
    return "" if done.stdout.strip() == wanted else "another answer than expected"


def outputs(commands: list[dict[str, Any]]) -> dict[str, str | None]:
    """Return, by name, what each of *commands* (name, command) prints and how it ends; None where the program is absent."""
    return {str(row["name"]): _output(row["command"]) for row in commands}


def compared(commands: list[dict[str, Any]], before: dict[str, str | None]) -> list[dict[str, Any]]:
    """Return a check for :func:`examine` per each of *commands*: it prints what it printed *before*."""
    return [
        {
            "name": f"{row['name']} as before",
            "same": row["command"],
            "seen": str(row["name"]) in before,
            "before": before.get(str(row["name"])),
            "seconds": row.get("seconds", 30),
        }
        for row in commands
    ]


def _output(command: list[str]) -> str | None:
    try:
        done = run(list(command), 30)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return done.stdout.strip() + (f" (exit code {done.returncode})" if done.returncode else "")


def _same(check: dict[str, Any]) -> str:
    if not check["seen"]:
        return "nobody looked before"
    was, now = check["before"], _output(check["same"])
    return "" if now == was else f"was {_shown(was)}, is {_shown(now)}"


def _shown(output: str | None) -> str:
    return "not there" if output is None else ", ".join(output.splitlines()) or "nothing"


_KINDS = {"command": _command, "http": _http, "tcp": _tcp, "sql": _sql, "same": _same}
