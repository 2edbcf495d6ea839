"""What looks by itself whether backups can be relied on, on the hosts of each release."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hosts import PGBACKREST, Work, places, psql, read, start, within
from testinfra.host import Host

testinfra_hosts = ["repo12", "repo13"]


def look(host: Host, unit: str) -> tuple[int, str]:
    """Have a watch look now, and return how it ended and all that it said."""
    code = host.run("systemctl start %s", unit).rc
    host.check_output("journalctl --sync")
    said = f"journalctl -o cat _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID {unit})"
    return code, host.check_output(said)


@contextmanager
def changed(host: Host, path: str, **values: Any) -> Iterator[None]:
    """Have other *values* in a configuration meanwhile."""
    before = host.check_output("cat %s", path)
    host.check_output("echo %s >%s", json.dumps({**json.loads(before), **values}), path)
    yield
    host.check_output("echo %s >%s", before, path)


def test_where_all_is_well_the_watches_say_nothing(host: Host, database: Host, work: Work) -> None:
    assert work.backup["ok"]
    assert look(host, "bordbuch-watch") == (0, "")
    assert look(database, "bordbuch-archiving") == (0, "")
    seen = read(host, "/var/lib/bordbuch-watch/seen.json")
    assert seen["repositories"] == {str(number): None for number in places(host)}
    assert read(database, "/var/lib/bordbuch-archiving/seen.json")["failing"] is False


def test_too_little_room_is_said_on_both_hosts(host: Host, database: Host) -> None:
    for one, unit, path in (
        (host, "bordbuch-watch", "/etc/bordbuch/backup.json"),
        (database, "bordbuch-archiving", "/etc/bordbuch/archiving.json"),
    ):
        with changed(one, path, room_mb=10**9):
            code, said = look(one, unit)
        assert (code, "MiB of room left" in said) == (1, True), said
        assert look(one, unit) == (0, "")


def test_a_command_that_throws_wal_away_is_seen(database: Host) -> None:
    try:
        psql(database, "ALTER SYSTEM SET archive_command = '/bin/true'")
        psql(database, "SELECT pg_reload_conf()")
        assert within(20, lambda: psql(database, "SHOW archive_command") == "/bin/true")
        code, said = look(database, "bordbuch-archiving")
    finally:
        psql(database, "ALTER SYSTEM RESET archive_command")
        psql(database, "SELECT pg_reload_conf()")
    assert (code, "archive_command does not send WAL" in said) == (1, True), said
    assert within(20, lambda: look(database, "bordbuch-archiving") == (0, ""))


SLEEPS = "[Service]\nType=oneshot\nExecStart=sleep 30\n"


def test_a_server_that_is_restored_is_no_alarm(database: Host) -> None:
    unit = "bordbuch-restore@probe.service"
    database.check_output("printf %s >/run/systemd/system/%s; systemctl daemon-reload", SLEEPS, unit)
    try:
        database.check_output("systemctl start --no-block %s", unit)
        assert look(database, "bordbuch-archiving") == (0, "a restore goes on: nothing was looked at")
    finally:
        database.check_output("systemctl stop %s; rm /run/systemd/system/%s; systemctl daemon-reload", unit, unit)


def ready(database: Host) -> int:
    """Return how many WAL files wait."""
    return int(psql(database, "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"))


def test_a_dropped_wal_file_breaks_recovery_until_the_next_full_backup(host: Host, database: Host, work: Work) -> None:
    assert work.backup["ok"]
    start(host, "bordbuch-backup@full")
    host.check_output("systemctl stop bordbuch-pgbackrest")
    try:
        for _file in range(6):
            psql(database, "SELECT pg_logical_emit_message(true, 'test', 'one')")
            psql(database, "SELECT pg_switch_wal()")
        # Three are kept; what is more has been dropped, and the server was told that all is well.
        assert within(150, lambda: ready(database) <= 3)
        assert look(database, "bordbuch-archiving") == (0, ""), "so it sees nothing, and a blip is no alarm"
    finally:
        host.check_output("systemctl start bordbuch-pgbackrest")
    psql(database, "SELECT pg_switch_wal()")
    assert within(150, lambda: ready(database) == 0)
    assert host.run(f"{PGBACKREST} check", "pgbackrest").rc == 0, "nor does pgBackRest"
    code, said = look(host, "bordbuch-watch")
    assert code == 1
    for number in places(host):
        assert f"point-in-time recovery from repository {number} is broken" in said
    gaps = read(host, "/var/lib/bordbuch-watch/seen.json")["repositories"]
    assert all(re.fullmatch(r"WAL file [0-9A-F]{24}", gap["missing"]) for gap in gaps.values()), gaps
    start(host, "bordbuch-backup@incr")
    assert read(host, "/var/lib/bordbuch-watch/seen.json")["repositories"] == gaps, "since when it is so stays"
    start(host, "bordbuch-backup@full")
    assert set(read(host, "/var/lib/bordbuch-watch/seen.json")["repositories"].values()) == {None}
    assert host.run("systemctl is-failed bordbuch-watch").rc != 0
    assert look(host, "bordbuch-watch") == (0, "")


def test_the_watches_are_sandboxed(host: Host, database: Host) -> None:
    for one, unit in ((host, "bordbuch-watch"), (database, "bordbuch-archiving")):
        last = one.run("systemd-analyze security --no-pager %s.service", unit).stdout.splitlines()[-1]
        assert float(re.findall(r"\d+\.\d", last)[0]) <= 2.5, last
