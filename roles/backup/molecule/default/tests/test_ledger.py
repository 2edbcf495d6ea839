"""The ledger of who is locked or deleted, on the hosts of each release."""

import json
import re
from functools import partial

from hosts import NAME, places, psql, within
from testinfra.host import Host

testinfra_hosts = ["repo12", "repo13"]

LEDGER = "/var/lib/bordbuch-ledger"


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
