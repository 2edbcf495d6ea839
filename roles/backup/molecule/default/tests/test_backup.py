"""Backups, seals, drills and the ledger do on the hosts of each release what the role promises."""

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import pytest
import testinfra
from testinfra.host import Host

testinfra_hosts = ["repo12", "repo13"]

STATE, DRILLS = "/var/lib/bordbuch/backup", "/var/lib/bordbuch/drill"
LEDGER = "/var/lib/bordbuch-ledger"
PASSPHRASE = "planted-Marker-of-the-repository"  # noqa: S105  of this scenario's hosts alone
NAME = "Planted-Name-"
PGBACKREST = "cd / && runuser -u %s -- pgbackrest --stanza=main --log-level-console=warn"


class Work(NamedTuple):
    """What a first backup and a drill of it have left, and what of the passphrase was seen among the processes meanwhile."""

    backup: dict[str, Any]
    drill: dict[str, Any]
    seen: set[str]


@pytest.fixture(scope="module")
def database(host: Host) -> Host:
    """Return the host of the database that *host* keeps backups of."""
    name = host.backend.host.replace("repo", "db")
    return testinfra.get_host(
        f"ansible://{name}", ansible_inventory=host.backend.ansible_inventory, ssh_config=host.backend.ssh_config
    )


@pytest.fixture(scope="module")
def work(host: Host, database: Host) -> Work:
    """Let the units do what they do by the clock."""
    with watched(host, database) as seen:
        backup, drill = start(host, "bordbuch-backup@full"), start(host, "bordbuch-drill")
        database.check_output("sleep 1; : control-Marker-of-this")
    return Work(backup, drill, seen)


@contextmanager
def watched(*hosts: Host) -> Iterator[set[str]]:
    """Look meanwhile at what every process was called with; what looks like the passphrase is there at the end."""
    look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; sleep 0.1"
    watch = f"while :; do {look}; done 2>/dev/null | grep --line-buffered -zaoE '[a-z]+-Mark[e]r-[a-z-]+' > /run/seen"
    seen: set[str] = set()
    for one in hosts:
        one.check_output("systemd-run --quiet --unit=probe-processes sh -c %s", watch)
    yield seen
    for one in hosts:
        one.check_output("systemctl stop probe-processes")
        seen |= set(re.findall(r"[a-z]+-Marker-[a-z-]+", one.file("/run/seen").content_string))


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


def test_what_goes_by_the_clock_is_set(host: Host, database: Host) -> None:
    names = ("backup-full", "backup-diff", "backup-incr", "drill", "seal", "watch")
    for one, timers in ((host, [f"bordbuch-{name}.timer" for name in names]), (database, ["bordbuch-archiving.timer"])):
        assert one.check_output(f"systemctl is-enabled {' '.join(timers)}").split() == ["enabled"] * len(timers)
        assert one.check_output(f"systemctl is-active {' '.join(timers)}").split() == ["active"] * len(timers)


def test_a_backup_leaves_its_result_and_is_listed(host: Host, work: Work) -> None:
    assert {name: work.backup[name] for name in ("kind", "type", "by", "ok", "reason", "warnings")} == {
        "kind": "backup",
        "type": "full",
        "by": "timer",
        "ok": True,
        "reason": "",
        "warnings": [],
    }
    made = {str(entry["repository"]): [entry["label"]] for entry in work.backup["repositories"]}
    assert made == {str(number): labels(host, number) for number in places(host)}
    assert read(host, f"{STATE}/made.json")["labels"] == made
    last = read(host, f"{STATE}/last.json")
    assert last["label"] == made["1"][0]
    assert 0 <= int(host.check_output("date +%s")) - last["ended"] < 120


PLAIN = r"""
import sys
for name in sys.argv[1:]:
    content = open(name, "rb").read()
    if content[:8] != b"Salted__" and ("/bundle/" not in name or content.count(b"\x28\xb5\x2f\xfd") > 2):
        print(name)
"""
"""Prints names of files that are not encrypted. What is compressed would not be found by its words, so it looks for how that
begins which OpenSSL has encrypted. pgBackRest leaves that out of what it keeps by blocks, in bundles: in clear, each part of
them would begin as zstd's frames do (RFC 8878, 3.1.1)."""


def test_what_is_in_the_repository_is_encrypted(host: Host, database: Host, work: Work) -> None:
    assert work.backup["ok"]
    psql(database, "CHECKPOINT")
    assert database.run(f"grep -rqF {NAME} /var/lib/postgresql").rc == 0, "it is found where it is not encrypted"
    for folder in places(host).values():
        assert host.run(f"grep -rlaF {NAME} {folder}").stdout == ""
        files = host.check_output(f"find {folder}/archive {folder}/backup -type f").split()
        assert len(files) > 5
        assert host.check_output(f"python3 -c %s {shlex.join(files)}", PLAIN) == ""


def label_in(repository: int, backup: dict[str, Any]) -> str:
    """Return the label of *backup* in a repository: the week says which of them is drilled, and each has labels of its own."""
    (label,) = [str(entry["label"]) for entry in backup["repositories"] if entry["repository"] == repository]
    return label


def test_the_drill_passes_and_leaves_nothing(host: Host, work: Work) -> None:
    assert work.drill["verdict"] == "pass", work.drill
    states = {step["name"]: step["state"] for step in work.drill["steps"]}
    assert {name for name, state in states.items() if state != "passed"} == {"vote count", "application"}
    assert work.drill["label"] == label_in(work.drill["repository"], work.backup)
    assert work.drill["marker"] > 0
    assert work.drill["replayed"]["sessions"] == 3
    assert left_of_drills(host) == ""
    assert proven(host)[str(work.drill["repository"])] == work.drill["label"]


def proven(host: Host) -> dict[str, str]:
    return dict(read(host, f"{DRILLS}/last.json")["labels"])


def left_of_drills(host: Host) -> str:
    """Return what there is of a drill's processes and files; no server runs on this host but theirs."""
    return host.run("pgrep -a -u bordbuch-drill; pgrep -ax postgres; ls -A /var/lib/bordbuch-drill").stdout


def test_a_drill_that_is_killed_leaves_nothing_and_is_no_proof(host: Host, work: Work) -> None:
    host.check_output("systemctl start --no-block bordbuch-drill")
    assert within(20, lambda: host.file("/var/lib/bordbuch-drill/work/data/PG_VERSION").exists)
    host.check_output("kill -KILL $(systemctl show -p MainPID --value bordbuch-drill)")
    assert within(20, lambda: host.run("systemctl is-failed bordbuch-drill").stdout.strip() == "failed")
    assert left_of_drills(host) == ""
    # And where the host went down with it:
    host.check_output("install -d -o bordbuch-drill /var/lib/bordbuch-drill/work")
    host.check_output("systemd-tmpfiles --boot --remove /etc/tmpfiles.d/bordbuch-drill.conf")
    assert left_of_drills(host) == ""
    result = read(host, host.check_output(f"ls -t {STATE}/queue/*.json").split()[0])
    assert (result["kind"], result["verdict"]) == ("drill", "fail")
    assert proven(host)[str(work.drill["repository"])] == work.drill["label"]


def test_the_passphrase_is_where_it_belongs_and_nowhere_else(host: Host, database: Host, work: Work) -> None:
    assert work.seen == {"control-Marker-of-this"}
    look = f"grep -rlsaF {PASSPHRASE} /etc /run /var/log /var/lib /usr/local /tmp /root"
    assert set(host.run(look).stdout.split()) == {"/etc/pgbackrest/pgbackrest.conf", "/etc/bordbuch/escrow.conf"}
    assert database.run(look).stdout == ""
    for path, group in (
        ("/etc/pgbackrest/pgbackrest.conf", "pgbackrest"),
        ("/etc/bordbuch/escrow.conf", "bordbuch-drill"),
    ):
        file = host.file(path)
        assert (file.user, file.group, file.mode) == ("root", group, 0o640)
    for one in (host, database):
        assert PASSPHRASE not in one.run("journalctl --no-pager -o cat").stdout


LISTS = [
    "archive/main/archive.info",
    "archive/main/archive.info.copy",
    "backup/main/backup.info",
    "backup/main/backup.info.copy",
]
"""What else is encrypted with stands in these: without them the sealed files could not be read."""


def test_the_host_of_the_database_takes_nothing_away(host: Host, database: Host, work: Work) -> None:
    host.check_output("systemctl start bordbuch-seal")
    for entry in work.backup["repositories"]:
        number, label, folder = entry["repository"], entry["label"], places(host)[entry["repository"]]
        host.check_output(f"find {folder} -type f ! -name '*.tmp' -exec sha256sum {{}} + > /run/before")
        wal = host.check_output(f"cd {folder} && find archive -name '*.zst'").split()[0]
        for path in [*LISTS, wal, f"backup/main/{label}/backup.manifest", f"backup/main/{label}/bundle/1"]:
            assert re.search(
                "not permitted|Read-only file system", postgres(database, number, f"repo-put --raw {path}")
            ), path
        postgres(database, number, "stop")
        assert "unable to remove" in postgres(database, number, "stanza-delete --force")
        postgres(database, number, "start")
        assert "ERROR" in postgres(database, number, f"expire --set={label}")
        assert host.run("sha256sum --check --quiet /run/before").stdout == ""
        assert label in labels(host, number)


def postgres(database: Host, number: int, command: str) -> str:
    """Return what pgBackRest says to the account of the database's server, where it says it differs between releases."""
    options = "" if command in ("stop", "start") else f"--repo={number}"
    done = database.run(f"echo broken | {PGBACKREST} {options} {command}", "postgres")
    return done.stdout + done.stderr


def test_nor_does_who_owns_the_files(host: Host, work: Work) -> None:
    label = work.backup["repositories"][0]["label"]
    manifest = f"{places(host)[1]}/backup/main/{label}/backup.manifest"
    for command in ("rm -f", "truncate -s 0", "chattr -i"):
        assert "not permitted" in host.run(f"runuser -u pgbackrest -- {command} {manifest}").stderr


def test_old_backups_go_and_the_proven_one_stays(host: Host, work: Work) -> None:
    label, drilled = work.drill["label"], work.drill["repository"]
    fulls = [label, *(label_in(drilled, start(host, "bordbuch-backup@full")) for _ in range(2))]
    last = read(host, host.check_output(f"ls -t {STATE}/queue/*.json").split()[0])
    assert [warning for warning in last["warnings"] if f"repository {drilled}:" in warning] == [
        f"nothing was let go in repository {drilled}: {label} is its last backup that a drill has proven"
    ]
    assert labels(host, drilled) == fulls
    last = {"ended": int(time.time()), "labels": {str(drilled): fulls[-1]}}
    host.check_output(f"echo %s > {DRILLS}/last.json", json.dumps(last))
    done = start(host, "bordbuch-backup@incr")
    assert (done["ok"], done["warnings"]) == (True, [])
    for number in places(host):
        kept = labels(host, number)
        assert len([label for label in kept if label.endswith("F")]) == 2
        assert kept[-1].endswith("I")
    assert labels(host, drilled)[:2] == fulls[1:]
    assert not_sealed(host) == []
    assert host.service("bordbuch-pgbackrest").is_running


def not_sealed(host: Host) -> list[str]:
    """Return the files of backups that can be written, but for the lists of contents."""
    lines = host.run(
        f"find {places(host)[1]}/backup -type f ! -name 'backup.info*' -exec lsattr {{}} +"
    ).stdout.splitlines()
    assert len(lines) > 5
    return [line for line in lines if "i" not in line.split()[0]]


def ledger(host: Host) -> list[str]:
    return host.check_output(f"cat {LEDGER}/ledger").splitlines()


def is_in_ledger(host: Host, entry: str) -> bool:
    return any(line.endswith(f"Z {entry}") for line in ledger(host))


def test_who_is_locked_or_deleted_is_in_the_ledger_within_seconds(host: Host, database: Host) -> None:
    for statement, entry in (
        ("UPDATE member SET locked = TRUE, active = FALSE WHERE id = 17", "locked 17"),
        ("SELECT delete_member(18)", "deleted 18"),
        ("UPDATE member SET locked = FALSE WHERE id = 17", "unlocked 17"),
    ):
        psql(database, statement)
        assert within(5, partial(is_in_ledger, host, entry)), entry
    assert [line for line in ledger(host) if not re.fullmatch(r"\S{20} (locked|unlocked|deleted) \d+", line)] == []


def test_the_second_place_has_the_ledger_too(host: Host) -> None:
    if 2 not in places(host):
        return
    host.check_output("systemctl start bordbuch-seal")
    copy = host.file(f"{places(host)[2]}/ledger/ledger")
    assert copy.content_string.splitlines() == ledger(host)
    assert copy.mode == 0o600


def test_no_name_leaves_the_database(host: Host) -> None:
    assert host.run(f"grep -rlsaF {NAME} /var/lib /var/log /srv /etc /run /tmp").stdout == ""
    assert NAME not in host.run("journalctl --no-pager -o cat").stdout


def test_the_ledger_only_grows_even_for_its_account(host: Host) -> None:
    before = ledger(host)
    path = f"{LEDGER}/ledger"
    for command in (
        f": > {path}",
        f"rm -f {path}",
        f"mv {path} {path}.old",
        f"truncate -s 0 {path}",
        f"chattr -a {path}",
    ):
        done = host.run("runuser -u bordbuch-ledger -- sh -c %s", command)
        assert done.rc != 0
        assert "not permitted" in done.stderr, command
    assert host.run("runuser -u bordbuch-ledger -- sh -c %s", f"printf '' >> {path}").rc == 0
    assert ledger(host)[: len(before)] == before


def watch(host: Host, statement: str) -> str:
    """Return what the database answers or says to the ledger's account, which connects as the ledger does."""
    parts = {"host": host.backend.host.replace("repo", "db"), "dbname": "liquidfeedback", "user": "bordbuch_watch"}
    parts |= {"sslmode": "verify-full", "sslrootcert": "/etc/ssl/bordbuch/ca.crt"}
    parts |= {"sslcert": "/etc/ssl/bordbuch/host.crt", "sslkey": "/etc/ssl/bordbuch/host.key"}
    words = " ".join(f"{name}={value}" for name, value in parts.items())
    done = host.run("cd / && runuser -u bordbuch-ledger -- psql -XAtq %s -c %s", words, statement)
    return done.stdout + done.stderr


def test_the_watch_user_may_ask_for_ids_and_read_no_table(host: Host, database: Host) -> None:
    assert set(json.loads(watch(host, "SELECT bordbuch.members()"))) == {"highest", "locked", "deleted"}
    tables = "SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'p', 'f') AND relnamespace::regnamespace IN"
    found = psql(database, f"{tables} ('public', 'bordbuch')").splitlines()
    assert {"member", "session", "token", "bordbuch.marker", "bordbuch.gone"} <= set(found)
    for table in found:
        assert "permission denied" in watch(host, f"TABLE {table}"), table
    for statement in ("SELECT bordbuch.counts()", "SET ROLE bordbuch_reader", "UPDATE member SET locked = FALSE"):
        assert "permission denied" in watch(host, statement), statement


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
