#!/usr/bin/python3
"""Read how a host stands, in one call: what is pending, what runs, how old what matters is. Changes nothing."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.bordbuch import effects, lock, state

DOCUMENTATION = r"""
module: status_facts
short_description: Read how a host stands
description:
  - Reads release, pending updates (from the package lists as they are), what waits for a restart or a reboot, failed units,
    services, the database, the mail queue, certificates, the last backup and who holds the host's lock.
  - A part that cannot be read is left out, with the reason in C(unknown). Nothing is changed.
options:
  services:
    description: Names of units, as shell patterns, that are shown where they are there.
    type: list
    elements: str
    default: []
  certificates:
    description: Files of certificates of which the days until their end are shown where they are there.
    type: list
    elements: path
    default: []
  database:
    description: Name of the site's database, whose last vote count is looked at where a PostgreSQL server is.
    type: str
    default: liquidfeedback
  health:
    description: The host's own checks, as for M(patch_gate).
    type: list
    elements: dict
    default: []
  patient:
    description: Whether a check that fails is asked again, as after a change.
    type: bool
    default: false
author: Bordbuch
"""

EXAMPLES = r"""
- name: Read how the host stands
  status_facts:
    services: [postgresql@*.service]
"""

RETURN = r"""
bordbuch:
  description: What was read, by part.
  type: dict
  returned: always
"""

BACKUP = Path("/var/lib/bordbuch/backup/last.json")
QUEUES = (
    *(f"/var/spool/postfix/{folder}" for folder in ("maildrop", "incoming", "active", "deferred", "hold")),
    "/var/spool/nullmailer/queue",
)
"""Folders in which mail waits, a file each."""

SERVER = """
SELECT json_build_object(
  'connections', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
  'connections_limit', current_setting('max_connections')::int,
  'bytes', (SELECT sum(pg_database_size(oid))::bigint FROM pg_database),
  'version', current_setting('server_version_num')::int / 10000)
"""
VOTES = "SELECT extract(epoch FROM now() - calculated)::int FROM member_count"


def release(_parameters: dict[str, Any]) -> str:
    """Return the codename of the host's Debian release."""
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    found = re.search(r"^VERSION_CODENAME=(\S+)$", text, re.M)
    return found[1] if found else ""


def updates(_parameters: dict[str, Any]) -> dict[str, Any]:
    """Return how many updates are pending by the lists as they are, and how old those are, in seconds (None: there are none)."""
    from ansible.module_utils.bordbuch import resolve

    resolver = resolve.Resolver()
    pairs = [(package, version) for package, version in resolver.upgradable() if not resolve.is_held(package)]
    security = sum(bool(resolve.security_version(package, version)) for package, version in pairs)
    lists = Path("/var/lib/apt/lists")
    there = any(lists.glob("*Release"))
    refreshed = max(path.stat().st_mtime for path in (lists, lists / "partial") if path.exists()) if there else 0
    return {
        "security": security,
        "other": len(pairs) - security,
        "lists_age_seconds": age(refreshed) if there else None,
    }


def age(moment: float) -> int:
    """Return how many seconds ago the *moment* was."""
    return max(0, int(time.time() - moment))


def pending(_parameters: dict[str, Any]) -> dict[str, list[str]]:
    """Return why a reboot is pending, and which services run on files that are no longer there."""
    deleted = re.compile(r"/(usr|lib\w*|bin|sbin|opt)/.* \(deleted\)$")
    using = effects.services_by_file()
    old = {name for path, names in using.items() if deleted.match(path) for name in names}
    reasons = [f"{name} runs on old files" for name in sorted(old & {*effects.REBOOT_ONLY})]
    if state.kernel_newest() not in ("", state.kernel_running()):
        reasons.append(f"runs kernel {state.kernel_running()}, newest is {state.kernel_newest()}")
    users = {name for name in old if name.startswith("user@")}
    return {"reboot": reasons, "restart": sorted(old - {*effects.REBOOT_ONLY} - users)}


def services(parameters: dict[str, Any]) -> dict[str, str]:
    """Return unit → state of the wanted services that are meant to run; what runs once and ends is not among them."""
    if not parameters["services"]:
        return {}
    fields = "--property=Id,ActiveState,UnitFileState,Type,LoadState"
    blocks = state.run(["systemctl", "show", "--all", fields, *parameters["services"]]).stdout.split("\n\n")
    units = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
    return {
        unit["Id"]: unit["ActiveState"]
        for unit in units
        if unit.get("LoadState") == "loaded" and (unit["ActiveState"] != "inactive" or meant_to_run(unit))
    }


def meant_to_run(unit: dict[str, str]) -> bool:
    """Return whether a *unit* that is inactive ought not to be."""
    return unit.get("UnitFileState", "").startswith("enabled") and unit.get("Type") != "oneshot"


def database(parameters: dict[str, Any]) -> dict[str, Any] | None:
    """Return how the PostgreSQL server of this host stands, None where there is none."""
    if not any(Path("/etc/postgresql").glob("*/*/postgresql.conf")):
        return None
    answer = ask(SERVER, "postgres")
    if answer is None:
        return {"up": False}
    votes = ask(VOTES, parameters["database"])
    return {"up": True, **json.loads(answer), "votes_age_seconds": int(votes) if votes else None}


def ask(sql: str, name: str) -> str | None:
    """Return what the database *name* answers to *sql*, None where it does not."""
    form = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]
    done = state.run([*form, "-d", name, "-c", sql], 4)
    return done.stdout.strip() if done.returncode == 0 else None


def mail(_parameters: dict[str, Any]) -> int | None:
    """Return how many mails wait in the queue, None where there is no queue."""
    folders = [Path(folder) for folder in QUEUES if Path(folder).is_dir()]
    return sum(path.is_file() for folder in folders for path in folder.rglob("*")) if folders else None


def certificates(parameters: dict[str, Any]) -> dict[str, int]:
    """Return file → whole days until its certificate ends, negative afterwards."""
    there = [path for path in parameters["certificates"] if Path(path).exists()]
    return {path: days_left(path) for path in there}


def days_left(path: str) -> int:
    """Return the whole days until the certificate at *path* ends."""
    import ssl  # here, since it costs hosts without certificates more than all the rest of this module

    done = state.run(["openssl", "x509", "-noout", "-enddate", "-in", path], 10)
    if done.returncode:
        raise OSError(f"{path}: {done.stderr.strip()[:200]}")
    return int((ssl.cert_time_to_seconds(done.stdout.strip().partition("=")[2]) - time.time()) // 86_400)


def backup(_parameters: dict[str, Any]) -> int | None:
    """Return how many seconds ago the last backup ended, None where there was none yet."""
    stamp = state.read(BACKUP)
    return age(float(str(stamp["ended"]))) if stamp else None


def checks(parameters: dict[str, Any]) -> list[dict[str, object]]:
    """Return the host's own checks: name, passed, detail."""
    if not parameters["health"]:
        return []
    from ansible.module_utils.bordbuch import health  # here, since it costs hosts without checks a tenth of a second

    wanted = parameters["health"] if parameters["patient"] else [{**row, "seconds": 0} for row in parameters["health"]]
    return health.examine(wanted)


PARTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "release": release,
    "updates": updates,
    "pending": pending,
    "failed_units": lambda _parameters: state.failed_units(),
    "services": services,
    "database": database,
    "mail_queue": mail,
    "certificates": certificates,
    "backup_age_seconds": backup,
    "backup_here": lambda _parameters: BACKUP.parent.is_dir() or bool(shutil.which("pgbackrest")),
    "lock": lambda _parameters: lock.holder(),
    "checks": checks,
}


def look(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return each part, and for those that cannot be read, why: one that breaks does not hide the others."""
    found: dict[str, Any] = {"unknown": {}}
    for name, read in PARTS.items():
        try:
            found[name] = read(parameters)
        except Exception as error:  # whatever it was, the reader learns of it and of all the rest
            found["unknown"][name] = f"{type(error).__name__}: {error}"[:300]
    return found


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "str", "default": []},
            "certificates": {"type": "list", "elements": "path", "default": []},
            "database": {"type": "str", "default": "liquidfeedback"},
            "health": {"type": "list", "elements": "dict", "default": []},
            "patient": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, bordbuch=look(module.params))


if __name__ == "__main__":
    main()
