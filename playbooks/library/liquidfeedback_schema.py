#!/usr/bin/python3
"""Bring the schema of a LiquidFeedback database to another version, step by step, over the scripts that a release ships."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.bordbuch import schema_path

DOCUMENTATION = r"""
module: liquidfeedback_schema
short_description: Upgrade the schema of a LiquidFeedback database
description:
  - Finds the shortest way over the update scripts of a release, and takes it. The version is compared before and after each
    step; a step that fails ends it. In check mode it only says which way it would take.
options:
  folder:
    description: Where the release's update scripts lie on the host.
    type: path
    required: true
  version:
    description: The version that the schema is to have.
    type: str
    required: true
  avoid:
    description: Steps that are never taken though there is a script, each as C(from) and C(to).
    type: list
    elements: dict
    default: []
  database:
    description: Name of the database; empty for the one that the application uses.
    type: str
    default: ""
  environment_file:
    description: How libpq reaches the server, as the application does.
    type: path
    default: /etc/liquidfeedback/libpq.env
  user:
    description: The system user that the scripts run as.
    type: str
    default: liquidfeedback
author: Bordbuch
"""

EXAMPLES = r"""
- name: Upgrade the schema
  liquidfeedback_schema:
    folder: /usr/share/liquidfeedback/core/update
    version: 4.2.2
    avoid:
      - {from: 4.1.0, to: 4.2.0}
"""

RETURN = r"""
bordbuch:
  description: C(from), C(to), and C(steps), each with C(from), C(to), and C(milliseconds) if taken; C(complaint) if it failed.
  type: dict
  returned: always
"""

STEP_SECONDS = 4 * 3600
"""The longest that one script may run: those of 9,000 members take less than a second."""


class Stopped(Exception):
    """A step did not lead where it should; carries what was said."""


class Database:
    """The database, asked by psql as the application's user."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        lines = Path(parameters["environment_file"]).read_text(encoding="utf-8").splitlines()
        pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        self.environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **dict(pairs)}  # type: ignore[arg-type]  # pairs
        if parameters["database"]:
            self.environment["PGDATABASE"] = parameters["database"]
        self.user = parameters["user"]

    def psql(self, *words: str) -> str:
        """Return what psql prints.

        Raises:
            Stopped: it failed.
        """
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *words],
            env=self.environment,
            user=self.user,
            group=self.user,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        if done.returncode:
            raise Stopped(" ".join(done.stderr.split())[-400:])
        return done.stdout.strip()

    def version(self) -> str:
        """Return the version that the schema calls itself."""
        return self.psql("-c", "SELECT string FROM liquid_feedback_version")


def upgrade(database: Database, folder: Path, steps: list[schema_path.Edge]) -> list[dict[str, Any]]:
    """Take *steps* and return them with their milliseconds.

    Raises:
        Stopped: the schema has another version than a step begins or ends with.
    """
    taken: list[dict[str, Any]] = []
    for start, end in steps:
        if (seen := database.version()) != start:
            raise Stopped(f"the schema calls itself {seen}, the step begins with {start}")
        began = time.monotonic()
        database.psql("-f", str(folder / schema_path.script((start, end))))
        if (seen := database.version()) != end:
            raise Stopped(f"after the step to {end} the schema calls itself {seen}")
        taken.append({"from": start, "to": end, "milliseconds": round(1000 * (time.monotonic() - began))})
    return taken


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "version": {"type": "str", "required": True},
            "avoid": {"type": "list", "elements": "dict", "default": []},
            "database": {"type": "str", "default": ""},
            "environment_file": {"type": "path", "default": "/etc/liquidfeedback/libpq.env"},
            "user": {"type": "str", "default": "liquidfeedback"},
        },
        supports_check_mode=True,
    )
    wanted, folder = module.params["version"], Path(module.params["folder"])
    avoid = frozenset((step["from"], step["to"]) for step in module.params["avoid"])
    found: dict[str, Any] = {"from": "", "to": wanted, "steps": []}
    try:
        database = Database(module.params)
        found["from"] = database.version()
        names = [path.name for path in folder.glob("core-update.*.sql")]
        steps = schema_path.path(schema_path.edges(names), found["from"], wanted, avoid)
        found["steps"] = [{"from": start, "to": end} for start, end in steps]
        if not module.check_mode:
            found["steps"] = upgrade(database, folder, steps)
    except (Stopped, schema_path.NoWay, OSError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=str(error), bordbuch={**found, "complaint": str(error)})
    module.exit_json(changed=bool(steps), bordbuch=found)


if __name__ == "__main__":
    main()
