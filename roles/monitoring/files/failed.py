#!/usr/bin/python3
"""Mail that a unit of this host has failed: what systemd knows, and the last lines of its journal if the unit is named harmless.

A unit that fails again and again sends one mail, and the next one says how often it failed since. Started by
bordbuch-failed@.service.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from email.message import EmailMessage
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

CONFIGURATION = Path("/etc/bordbuch/failed.json")
MEMORY = Path(os.environ.get("STATE_DIRECTORY", "/var/lib/bordbuch-failed")) / "sent.json"
LINES = 20


def main(unit: str) -> None:
    """Mail about *unit*, unless one was sent a short time ago."""
    configuration = json.loads(CONFIGURATION.read_text())
    with MEMORY.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        memory = json.loads(MEMORY.read_text()) if MEMORY.exists() else {}
        notes = note(memory, unit, time.time(), configuration)
        if notes is not None:
            send(message(unit, notes, configuration))
        aside = MEMORY.with_suffix(".new")
        aside.write_text(json.dumps(memory))
        aside.replace(MEMORY)


def note(memory: dict[str, Any], unit: str, now: float, limits: dict[str, Any]) -> list[str] | None:
    """Note in *memory* that *unit* failed at *now*.

    Returns:
        What the mail is to say besides, or None if none is to be sent: there was one for this unit less than
        ``quiet_seconds`` ago, or ``per_hour`` of whatever units in the last hour.
    """
    longest = max(3600, limits["quiet_seconds"])
    sent = memory["sent"] = {name: at for name, at in memory.get("sent", {}).items() if at > now - longest}
    unsaid = memory.setdefault("unsaid", {})
    recent = sum(1 for at in sent.values() if at > now - 3600)
    if sent.get(unit, 0) > now - limits["quiet_seconds"] or recent >= limits["per_hour"]:
        unsaid[unit] = unsaid.get(unit, 0) + 1
        return None
    sent[unit] = now
    often = [f"It failed {unsaid.pop(unit)} more times since the last mail about it."] if unit in unsaid else []
    last = ["So many units failed that this is the last mail for an hour: systemctl --failed"]
    return often + (last if recent + 1 == limits["per_hour"] else [])


def message(unit: str, notes: list[str], configuration: dict[str, Any]) -> EmailMessage:
    """Return the mail. What stands in it holds no member's data: names and numbers of systemd, and harmless journals."""
    host = socket.getfqdn()
    mail = EmailMessage()
    mail["To"] = configuration["to"]
    mail["Subject"] = f"{host}: {unit} failed"
    # So that nobody's holiday notice answers.
    mail["Auto-Submitted"] = "auto-generated"
    lines = [f"{unit} on {host} has failed.", *notes, "", *facts(unit), "", *journal(unit, configuration), ""]
    # A line of mail has 998 characters at most (RFC 5322).
    mail.set_content("\n".join(line[:900] for line in "\n".join(lines).splitlines()) + "\n", cte="8bit")
    return mail


def facts(unit: str) -> list[str]:
    """Return what systemd handed over with the failure, which holds even if the unit was started again since."""
    names = {
        "SERVICE_RESULT": "result",
        "EXIT_CODE": "how it ended",
        "EXIT_STATUS": "exit status",
        "INVOCATION_ID": "invocation",
    }
    given = {label: os.environ.get(f"MONITOR_{name}", "not told") for name, label in names.items()}
    state = output("systemctl", "show", "--property=ActiveState,SubState,NRestarts,StateChangeTimestamp", unit).split(
        "\n"
    )
    return [
        *(f"{label}: {value}" for label, value in given.items()),
        *(line.replace("=", ": ", 1) for line in state if line),
    ]


def journal(unit: str, configuration: dict[str, Any]) -> list[str]:
    """Return the last lines of the unit's journal, or how to read them where they may hold a member's data."""
    command = ["journalctl", f"--unit={unit}", f"--lines={LINES}", "--no-pager", "--output=short-iso"]
    if not any(fnmatchcase(unit, pattern) for pattern in configuration["harmless"]):
        return [f"Its journal may hold data of members and stays on the host: sudo {' '.join(command)}"]
    return [f"The last lines of its journal ({' '.join(command)}):", output(*command)]


def output(*command: str) -> str:
    """Return what *command* prints, or why it could not be had: a mail without it is better than none."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30, errors="replace")
    except (OSError, subprocess.SubprocessError) as error:
        return f"({error})"
    return done.stdout or f"({command[0]}: {done.stderr.strip() or 'nothing'})"


def send(mail: EmailMessage) -> None:
    """Hand *mail* to the host's mail program; a refusal is an error, and this unit then fails itself."""
    subprocess.run(["/usr/sbin/sendmail", "-i", "-t"], input=mail.as_bytes(), check=True, timeout=60)


if __name__ == "__main__":
    main(sys.argv[1])
