"""The hosts of one release, one with the repository and one with the database, and how tests ask them."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from testinfra.host import Host

STATE, DRILLS = "/var/lib/bordbuch/backup", "/var/lib/bordbuch/drill"
NAME = "Planted-Name-"
PGBACKREST = "cd / && runuser -u %s -- pgbackrest --stanza=main --log-level-console=warn"


class Work(NamedTuple):
    """What a first backup and a drill of it have left, and what of the passphrase was seen among the processes meanwhile."""

    backup: dict[str, Any]
    drill: dict[str, Any]
    seen: set[str]


def psql(database: Host, statement: str) -> str:
    return database.check_output("psql -XAtq -v ON_ERROR_STOP=1 -U postgres -d liquidfeedback -c %s", statement)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.2)
    return True


def read(host: Host, path: str) -> Any:
    return json.loads(host.check_output("cat %s", path))


def places(host: Host) -> dict[int, str]:
    """Return the folders of the repositories by their numbers."""
    return {place["number"]: place["path"] for place in read(host, "/etc/bordbuch/backup.json")["places"]}


def labels(host: Host, repository: int = 1) -> list[str]:
    """Return the backups that pgBackRest lists."""
    listing = host.check_output(f"{PGBACKREST} --repo=%s --output=json info", "pgbackrest", str(repository))
    return [backup["label"] for backup in json.loads(listing)[0]["backup"]]


def start(host: Host, unit: str) -> dict[str, Any]:
    """Start a unit, wait for its end and return the result that it left for the record."""
    assert host.run("systemctl start %s", unit).rc == 0, host.run("journalctl -o cat -n 50 -u %s", unit).stdout
    return read(host, host.check_output(f"ls -t {STATE}/queue/*.json").split()[0])
