"""Backups, seals and drills do on the hosts of each release what the role promises."""

import json
import re
import shlex
import time
from typing import Any

from hosts import DRILLS, NAME, PGBACKREST, STATE, Work, labels, places, psql, read, start, within
from testinfra.host import Host

testinfra_hosts = ["repo12", "repo13"]

PASSPHRASE = "planted-Marker-of-the-repository"  # noqa: S105  of this scenario's hosts alone


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
