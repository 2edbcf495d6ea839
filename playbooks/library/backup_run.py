#!/usr/bin/python3
"""Have a backup, a drill or a restore made by the host's own unit, wait for its result and return it."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: backup_run
short_description: Have a backup, a drill or a restore made and return how it went
description:
  - Leaves a request with the id of the change, starts the unit that the timer starts, too, and waits. The work does not hang on
    this connection. Asked again with the same id, it waits for what runs, or returns what was left.
  - The result stays on the host until it is recorded, see M(backup_facts).
options:
  kind:
    description: What is to be done.
    choices: [full, diff, incr, drill, restore]
    required: true
  id:
    description: Id of the change.
    type: str
    required: true
  request:
    description: What else the unit is to know, as its program has it.
    type: dict
    default: {}
  seconds:
    description: How long to wait.
    type: int
    default: 25200
author: Bordbuch
"""

EXAMPLES = r"""
- name: Make a backup
  backup_run:
    kind: incr
    id: 2026-11-25-2300-k7xq
"""

RETURN = r"""
bordbuch:
  description: The result as the unit's program wrote it.
  type: dict
  returned: always
"""

STATE = Path("/var/lib/bordbuch")
GRACE = 10
"""Seconds between the end of a unit and the moment at which its result must be there."""


def unit_of(kind: str, identifier: str) -> str:
    """Return the unit that does it."""
    names = {"drill": "bordbuch-drill.service", "restore": f"bordbuch-restore@{identifier}.service"}
    return names.get(kind, f"bordbuch-backup@{kind}.service")


def paths_of(kind: str, identifier: str) -> tuple[Path, Path]:
    """Return where the unit's program looks for its request, and where it leaves its result."""
    if kind == "restore":
        return STATE / f"restore/{identifier}.json", STATE / f"restore/{identifier}.result.json"
    return STATE / (
        "drill" if kind == "drill" else "backup"
    ) / "request.json", STATE / f"backup/queue/{identifier}.json"


def start(unit: str, path: Path, request: dict[str, Any], identifier: str) -> str:
    """Leave the request and start the unit; return why not, empty if it runs."""
    if state(unit) in ("activating", "active", "deactivating"):
        same = path.exists() and json.loads(path.read_text(encoding="utf-8"))["id"] == identifier
        return "" if same else f"{unit} runs already, asked for by another or by the timer"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**request, "id": identifier}), encoding="utf-8")
    return systemctl("start", "--no-block", unit).stderr.strip()


def state(unit: str) -> str:
    """Return the state of a unit in systemd's words."""
    return systemctl("show", "--property=ActiveState", "--value", unit).stdout.strip()


def systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask systemd for something."""
    return subprocess.run(
        ["systemctl", *arguments], capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )


def wait(path: Path, unit: str, seconds: int) -> dict[str, Any]:
    """Return the result at *path* as soon as it is there; empty where the unit has ended without, or *seconds* are over."""
    ends, quiet = time.monotonic() + seconds, 0.0
    while time.monotonic() < ends:
        if path.exists():
            return dict(json.loads(path.read_text(encoding="utf-8")))
        quiet = quiet + 0.5 if state(unit) in ("inactive", "failed") else 0.0
        if quiet > GRACE:
            break
        time.sleep(0.5)
    return {}


def fault(result: dict[str, Any], unit: str) -> str:
    """Return why this did not go well, empty if it did."""
    if not result:
        return f"{unit} left no result; journalctl --unit {unit} says why"
    if result["kind"] == "drill":
        return "" if result["verdict"] in ("pass", "partial") else "the drill failed"
    return "" if result["ok"] else str(result["reason"]) or "it failed without a reason"


def main() -> None:
    """Start, wait, return."""
    module = AnsibleModule(
        argument_spec={
            "kind": {"choices": ["full", "diff", "incr", "drill", "restore"], "required": True},
            "id": {"type": "str", "required": True},
            "request": {"type": "dict", "default": {}},
            "seconds": {"type": "int", "default": 25200},
        }
    )
    kind, identifier = module.params["kind"], module.params["id"]
    unit, (request, left) = unit_of(kind, identifier), paths_of(kind, identifier)
    why_not = "" if left.exists() else start(unit, request, module.params["request"], identifier)
    if why_not:
        module.fail_json(msg=why_not)
    result = wait(left, unit, module.params["seconds"])
    said = fault(result, unit)
    if said:
        module.fail_json(msg=said, bordbuch=result)
    module.exit_json(changed=True, bordbuch=result)


if __name__ == "__main__":
    main()
