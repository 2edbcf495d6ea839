"""Why, for which ticket, who, on which controller, which hosts, when: one frozen value, checked once."""

import os
import platform
import secrets
import shlex
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from ops.inventory import Inventory
from ops.logbook.model import Category, Kind, Request

ROOT = Path(__file__).resolve().parents[1]
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def new_id(now: datetime) -> str:
    """Return a new change id for *now*: the minute, and four random letters so that two of one minute differ."""
    return f"{now:%Y-%m-%d-%H%M}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"


def make_request(
    kind: Kind,
    category: Category,
    reason: str,
    operator: str,
    inventory: Inventory,
    *,
    limit: str = "",
    ticket: str = "",
    reverts: str | None = None,
) -> Request:
    """Return the request of *operator* for a change of *kind* and *category*, as of now and from this controller."""
    now = datetime.now(UTC)
    commit = _git("rev-parse", "HEAD")
    return Request(
        id=new_id(now),
        kind=kind,
        category=category,
        reason=reason,
        ticket=ticket,
        requester=operator,
        controller=socket.gethostname(),
        time=now,
        command=command_line(),
        limit=limit,
        reverts=reverts,
        repository_commit=commit,
        repository_dirty=bool(commit) and bool(_git("status", "--porcelain")),
        inventory=inventory.path.name,
        inventory_digest=inventory.digest,
        tools={"ansible-core": version("ansible-core"), "python": platform.python_version()},
    )


def command_line() -> str:
    """Return the command as it was typed: the program by its name only, without the folder that ``inv`` adds."""
    words = sys.argv[1:]
    typed = words[2:] if words[:1] == ["--search-root"] else words
    return shlex.join([Path(sys.argv[0]).name, *typed])[:500]


def _git(*arguments: str) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, env=environment, stdin=subprocess.DEVNULL, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""
