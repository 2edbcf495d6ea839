#!/usr/bin/python3
"""Read how backups stand, in one call per host: what the repository has, what the database's host still holds back."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: backup_facts
short_description: Read how backups stand
description:
  - On the host of the repository it asks pgBackRest what each repository has, and reads what other programs noted of backups,
    drills and markers, and the results that wait to be recorded. On a database's host it reads versions, the archiver and WAL.
  - The exit code of C(pgbackrest info) says nothing; its JSON is judged.
options:
  role:
    description: Which of both the host is.
    choices: [repository, database]
    required: true
  database:
    description: Name of the site's database.
    type: str
    default: liquidfeedback
  whole:
    description: Whether every file of the repository is read and compared with its checksum, and a WAL file is sent through.
    type: bool
    default: false
  collected:
    description: Ids of results that are recorded and need not wait any longer.
    type: list
    elements: str
    default: []
author: Bordbuch
"""

EXAMPLES = r"""
- name: Read how backups stand
  backup_facts:
    role: repository
"""

RETURN = r"""
bordbuch:
  description: What was read.
  type: dict
  returned: always
"""

PROGRAMS = Path("/usr/local/lib/bordbuch")
"""Where the role has put what calls pgBackRest."""

ACCOUNT = "pgbackrest"
LIMIT_SECONDS = 3600
CONFIGURATION = Path("/etc/bordbuch/backup.json")
STATE = Path("/var/lib/bordbuch/backup")
MARKERS = Path("/var/lib/bordbuch-ledger/markers")
DRILL = Path("/var/lib/bordbuch/drill/last.json")
WATCH = Path("/var/lib/bordbuch-watch/seen.json")
CLUSTER = """
SELECT json_build_object(
  'archived', (SELECT archived_count FROM pg_stat_archiver),
  'last_archived', (SELECT extract(epoch FROM last_archived_time)::bigint FROM pg_stat_archiver),
  'last_failed', (SELECT extract(epoch FROM last_failed_time)::bigint FROM pg_stat_archiver),
  'ready', (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),
  'wal_bytes', (SELECT coalesce(sum(size), 0)::bigint FROM pg_ls_waldir()),
  'bytes', (SELECT sum(pg_database_size(oid))::bigint FROM pg_database),
  'system', (SELECT system_identifier::text FROM pg_control_system()),
  'recovering', pg_is_in_recovery(),
  'server', current_setting('server_version_num')::int / 10000,
  'databases', (SELECT array_agg(datname::text ORDER BY datname) FROM pg_database WHERE NOT datistemplate))
"""
HAS_MEMBERS = "SELECT to_regclass('public.member') IS NOT NULL"
MEMBERS = "SELECT count(*) FROM public.member"


def repository(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return how the repositories stand, and what was noted beside them."""
    configuration = json.loads(CONFIGURATION.read_text(encoding="utf-8"))
    forget(parameters["collected"])
    return {
        "version": package("pgbackrest"),
        "postgresql": configuration["version"],
        "promised": {
            "recovery_point_seconds": configuration["recovery_point_seconds"],
            "recovery_time_seconds": configuration["recovery_time_seconds"],
        },
        "places": places(configuration, parameters["whole"]),
        "made": note(STATE / "made.json").get("labels", {}),
        "last": note(STATE / "last.json"),
        "proven": note(DRILL),
        "marker": newest_marker(),
        "watched": note(WATCH).get("looked"),
        "broken": {number: gap for number, gap in note(WATCH).get("repositories", {}).items() if gap},
        "queue": [waiting(path) for path in sorted((STATE / "queue").glob("*.json"))],
        "running": running(),
        "sent": sent(reached(configuration)) if parameters["whole"] else "",
    }


def forget(identifiers: list[str]) -> None:
    """Remove results that are recorded; a name with a slash is no id."""
    for identifier in identifiers:
        if "/" not in identifier:
            for suffix in (".json", ".sig"):
                (STATE / "queue" / f"{identifier}{suffix}").unlink(missing_ok=True)


def waiting(path: Path) -> dict[str, str]:
    """Return a result that waits to be recorded, to the byte, and the host's signature of it, empty where there is none."""
    signature = path.with_suffix(".sig")
    return {
        "text": path.read_text(encoding="utf-8"),
        "signature": signature.read_text(encoding="utf-8") if signature.exists() else "",
    }


def places(configuration: dict[str, Any], whole: bool) -> list[dict[str, Any]]:
    """Return what each repository has. Reading their files takes hours, so what is compared is asked before, at one time."""
    stanza = reached(configuration)
    told = [place(stanza, entry) for entry in configuration["places"]]
    return [{**one, "fault": verify(stanza, one["number"]) if whole and one["backups"] else ""} for one in told]


def place(stanza: Any, entry: dict[str, Any]) -> dict[str, Any]:
    """Return what one repository says that it has."""
    told = {"number": entry["number"], "path": entry["path"], "kind": entry["kind"], "keep_full": entry["keep_full"]}
    try:
        seen = stanza.listing(entry["number"])
    except caller().Fault as fault:
        return {**told, "status": str(fault), "opens": False, "backups": []}
    return {
        **told,
        "status": seen.status,
        "opens": seen.opens,
        "backups": [backup(one) for one in seen.backups],
        "archive": {"min": seen.wal[0], "max": seen.wal[1]},
        "free_bytes": shutil.disk_usage(entry["path"]).free if entry["kind"] == "posix" else None,
    }


def backup(one: Any) -> dict[str, Any]:
    """Return what is told of one backup."""
    return {
        "label": one.label,
        "type": one.type,
        "start": int(one.began.timestamp()),
        "stop": int(one.ended.timestamp()),
        "database_bytes": one.database_bytes,
        "stored_bytes": one.added_bytes,
        "error": one.damaged,
    }


def verify(stanza: Any, number: int) -> str:
    """Return what is wrong with the files of a repository when each is read, empty if nothing is."""
    try:
        return str(stanza.verify(number, LIMIT_SECONDS))
    except caller().Fault as fault:
        return str(fault)


def sent(stanza: Any) -> str:
    """Send WAL through to each repository and return what went wrong, empty if nothing did."""
    try:
        stanza.send_wal()
    except caller().Fault as fault:
        return str(fault)
    return ""


def reached(configuration: dict[str, Any]) -> Any:
    """Return what asks pgBackRest on this host.

    Raises:
        OSError: the role has not been here, or was of an earlier release.
    """
    try:
        return caller().Stanza(configuration["stanza"], ACCOUNT)
    except (ImportError, AttributeError):
        raise OSError(f"there is no {PROGRAMS / 'bordbuch_pgbackrest.py'} as it is now: run the role backup") from None


def caller() -> ModuleType:
    """Return the module that calls pgBackRest on this host, and knows its words."""
    if str(PROGRAMS) not in sys.path:
        sys.path.append(str(PROGRAMS))
    return importlib.import_module("bordbuch_pgbackrest")


def newest_marker() -> dict[str, Any]:
    """Return the last whole line of the markers."""
    for line in reversed(MARKERS.read_text(encoding="utf-8").splitlines() if MARKERS.exists() else []):
        try:
            return dict(json.loads(line))
        except ValueError:
            continue  # a crash cut it short
    return {}


def note(path: Path) -> dict[str, Any]:
    """Return what another program noted at *path*, nothing if it has not."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def running() -> list[str]:
    """Return which backups and drills run now."""
    done = run(
        "systemctl",
        "list-units",
        "--plain",
        "--no-legend",
        "--state=active,activating",
        "bordbuch-backup@*",
        "bordbuch-drill.service",
    )
    return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]


def database(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return versions, the archiver, WAL and whether members are there."""
    answer = run("runuser", "-u", "postgres", "--", "psql", "-XAtq", "-c", CLUSTER)
    seen = json.loads(answer.stdout) if answer.returncode == 0 else {}
    there = parameters["database"] in (seen.get("databases") or ())
    return {
        "version": package("pgbackrest"),
        "runs": answer.returncode == 0,
        "members": members(parameters["database"]) if there else 0,
        "free_bytes": shutil.disk_usage("/var/lib/postgresql").free if Path("/var/lib/postgresql").exists() else 0,
        "data": sorted(str(path) for path in Path("/var/lib/postgresql").glob("*/main")),
        "aside": sorted(str(path) for path in Path("/var/lib/postgresql").glob("*/main.before-*")),
        **seen,
    }


def members(name: str) -> int:
    """Return how many members the database *name* has; -1 where nobody could count them."""
    ask = ("runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", name, "-c")
    there = run(*ask, HAS_MEMBERS)  # first: a query that names a table which is not there is refused as a whole
    if there.returncode or there.stdout.strip() == "f":
        return -1 if there.returncode else 0
    counted = run(*ask, MEMBERS)
    return int(counted.stdout) if counted.returncode == 0 else -1


def package(name: str) -> str:
    """Return the version of an installed package, empty where it is not."""
    done = run("dpkg-query", "--show", "--showformat=${Version}", name)
    return done.stdout.strip() if done.returncode == 0 else ""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program that reads."""
    return subprocess.run(
        command, cwd="/", capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL
    )


def main() -> None:
    """Read and return it."""
    module = AnsibleModule(
        argument_spec={
            "role": {"choices": ["repository", "database"], "required": True},
            "database": {"type": "str", "default": "liquidfeedback"},
            "whole": {"type": "bool", "default": False},
            "collected": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    read = {"repository": repository, "database": database}[module.params["role"]]
    try:
        module.exit_json(changed=False, bordbuch=read(module.params))
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=f"how backups stand cannot be read: {error}")


if __name__ == "__main__":
    main()
