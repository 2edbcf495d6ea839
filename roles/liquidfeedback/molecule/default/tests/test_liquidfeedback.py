"""The application and its updater on both releases, with the database on the same host."""

import json
import time
from collections.abc import Callable

from testinfra.host import Host

CONFIGURATION = "/etc/liquidfeedback"
CACHE = "/var/lib/liquidfeedback/tmp"  # the application's own folder
ENVIRONMENT = f"set -a; . {CONFIGURATION}/libpq.env; set +a; export HOME=/var/lib/liquidfeedback"
AS_USER = f"{ENVIRONMENT}; setpriv --reuid=liquidfeedback --regid=liquidfeedback --clear-groups"
SQL = f"{AS_USER} psql -XAtq -v ON_ERROR_STOP=1"


def sql(host: Host, statement: str) -> str:
    return host.run(f"{SQL} -c %s", statement).stdout.strip()


def status(host: Host, path: str) -> str:
    """Return the status of a page, "0" where nobody answers; redirects are not followed."""
    ask = "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=20)"
    return (
        host.run("python3 -c %s", f"{ask}; c.request('GET', '{path}'); print(c.getresponse().status)").stdout.strip()
        or "0"
    )


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.2)
    return True


def test_the_application_answers(host: Host) -> None:
    assert status(host, "/static/lf4.css") == "200"
    assert status(host, "/") == "303"


def test_it_listens_for_the_proxy_only(host: Host) -> None:
    listening = host.run("ss -Htln 'sport = :8080'").stdout
    assert {line.split()[3] for line in listening.splitlines()} == {"127.0.0.1:8080"}


def test_a_restart_of_the_database_does_not_leave_it_down(host: Host) -> None:
    before = host.run("systemctl show -p MainPID --value liquidfeedback").stdout
    host.run_expect([0], "systemctl restart 'postgresql@*'")
    assert within(
        20, lambda: host.run("systemctl show -p MainPID --value liquidfeedback").stdout not in (before, "0\n")
    )
    assert within(20, lambda: status(host, "/") == "303")


def test_without_a_database_it_waits_and_says_so_once(host: Host) -> None:
    host.run_expect([0], "systemctl stop 'postgresql@*'")
    try:
        since = host.run("date +%s").stdout.strip()
        host.run_expect([0], "systemctl --no-block restart liquidfeedback")
        time.sleep(4)
        lines = host.run("journalctl -u liquidfeedback --since=@%s -o cat", since).stdout.splitlines()
        assert 1 <= sum("waiting for the database" in line for line in lines) <= 2
        assert len(lines) < 30
    finally:
        host.run_expect([0], "systemctl start postgresql")
    assert within(20, lambda: status(host, "/") == "303")


def test_votes_are_counted_again_and_again(host: Host) -> None:
    first = sql(host, "SELECT calculated FROM member_count")
    assert first
    assert within(15, lambda: sql(host, "SELECT calculated FROM member_count") != first)


def test_two_counts_at_once_wait_for_each_other(host: Host) -> None:
    where = "LIQUIDFEEDBACK_CORE=/usr/lib/liquidfeedback/core RUNTIME_DIRECTORY=/run/liquidfeedback-update"
    run = f"export {where}; {AS_USER} /usr/local/lib/liquidfeedback/count-votes"
    done = host.run(f"({run}) & one=$!; ({run}) & two=$!; wait $one && wait $two")
    assert (done.rc, done.stdout, done.stderr) == (0, "", "")


def test_a_locked_member_never_counts(host: Host) -> None:
    host.run_expect([0], f"{SQL} -c %s", "DELETE FROM member WHERE name = 'locked test'")
    sql(
        host,
        "INSERT INTO member (login, name, activated, last_activity, active, locked)"
        " VALUES ('lockedtest', 'locked test', now(), current_date, TRUE, TRUE)",
    )
    assert sql(host, "SELECT active FROM member WHERE login = 'lockedtest'") == "f"
    sql(host, "UPDATE member SET active = TRUE WHERE login = 'lockedtest'")  # as a login does
    assert sql(host, "SELECT active FROM member WHERE login = 'lockedtest'") == "f"
    sql(host, "UPDATE member SET locked = FALSE WHERE login = 'lockedtest'")
    sql(host, "UPDATE member SET active = TRUE WHERE login = 'lockedtest'")
    assert sql(host, "SELECT active FROM member WHERE login = 'lockedtest'") == "t"
    sql(host, "DELETE FROM member WHERE login = 'lockedtest'")


def test_the_site_has_what_it_needs_once(host: Host) -> None:
    assert sql(host, "SELECT count(*) FROM system_setting") == "1"
    assert sql(host, "SELECT count(*) FROM contingent") == "4"
    assert sql(host, "SELECT count(*) FROM member") == "0"


def test_the_password_is_in_one_file_and_nowhere_else(host: Host) -> None:
    file = host.file(f"{CONFIGURATION}/pgpass")
    assert (file.user, file.mode) == ("liquidfeedback", 0o600)
    password = file.content_string.strip().rpartition(":")[2]
    assert len(password) == 24
    places = "/proc/[0-9]*/cmdline /proc/[0-9]*/environ /etc/systemd/system /etc/liquidfeedback/main.lua /var/log"
    look = f"sed -n 's/.*://p' {CONFIGURATION}/pgpass | grep -rlaF -f - {places} 2>/dev/null"
    assert host.run(look).stdout == ""
    assert password not in host.run("journalctl -o cat --no-pager").stdout


def test_only_its_group_reads_the_configuration(host: Host) -> None:
    file = host.file(f"{CONFIGURATION}/main.lua")
    assert (file.user, file.group, file.mode) == ("root", "liquidfeedback", 0o640)
    assert 'config.instance_name = "Test \\"site\\""' in file.content_string
    assert host.run("luac5.3 -p %s", file.path).rc == 0


def test_what_redirects_leave_is_cleaned_and_style_sheets_stay(host: Host) -> None:
    old, cached = f"{CACHE}/tempstore-1.tmp", f"{CACHE}/style-1.css"
    host.run_expect([0], "touch -d '3 days ago' %s %s", old, cached)
    host.run_expect([0], "systemd-tmpfiles --clean /etc/tmpfiles.d/liquidfeedback.conf")
    assert (host.file(old).exists, host.file(cached).exists) == (False, True)


def test_too_much_memory_restarts_it(host: Host) -> None:
    before = host.run("systemctl show -p MainPID --value liquidfeedback").stdout
    host.run_expect([0], "LIMIT_MB=100000 /usr/local/lib/liquidfeedback/restart-if-large")
    assert host.run("systemctl show -p MainPID --value liquidfeedback").stdout == before
    host.run_expect([0], "LIMIT_MB=0 /usr/local/lib/liquidfeedback/restart-if-large")
    assert host.run("systemctl show -p MainPID --value liquidfeedback").stdout != before
    assert within(20, lambda: status(host, "/") == "303")


def test_units_are_in_a_sandbox(host: Host) -> None:
    for unit, most in (("liquidfeedback", 3.0), ("liquidfeedback-update", 2.5), ("liquidfeedback-memory", 2.5)):
        found = json.loads(host.run("systemd-analyze security --no-pager --json=short %s.service", unit).stdout)
        exposure = round(sum(float(row["exposure"] or 0) for row in found if row["exposure"]), 1)
        assert exposure <= most, f"{unit}: {exposure}"


def test_the_first_administrator_is_invited_once_and_again_until_registered(host: Host) -> None:
    first, second = host.run("liquidfeedback-invite"), host.run("liquidfeedback-invite")
    assert first.stdout.startswith("https://site.test/index/register.html?skip=1&code=")
    assert second.stdout != first.stdout
    code = second.stdout.strip().rpartition("=")[2]
    assert sql(host, "SELECT invite_code FROM member WHERE admin") == code
    assert code not in host.run("journalctl -o cat --no-pager").stdout
    sql(
        host,
        "UPDATE member SET name = 'first', activated = now(), last_activity = current_date, invite_code = NULL WHERE admin",
    )
    refused = host.run("liquidfeedback-invite")
    assert (refused.rc, refused.stdout) == (1, "")
    sql(host, "DELETE FROM member WHERE admin")
