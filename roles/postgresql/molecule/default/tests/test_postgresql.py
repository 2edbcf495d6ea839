"""PostgreSQL does what the role promises: asked of the servers, from both sides of a connection."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

VERSIONS = {"bookworm": "15", "trixie": "17"}
CLUSTERS = "/usr/local/lib/bordbuch/postgresql-clusters"
SCENARIO = Path(__file__).resolve().parents[1]
PLANTED = "planted-Marker-4711"


def version(host: Host) -> str:
    return VERSIONS[host.backend.host]


def psql(host: Host, statement: str, database: str = "postgres") -> str:
    return host.check_output("psql -XAtq -v ON_ERROR_STOP=1 -U postgres -d %s -c %s", database, statement)


@pytest.fixture
def other(host: Host) -> Host:
    """Return the host that *host* is talked to from."""
    name = "trixie" if host.backend.host == "bookworm" else "bookworm"
    return testinfra.get_host(
        f"ansible://{name}", ansible_inventory=host.backend.ansible_inventory, ssh_config=host.backend.ssh_config
    )


def test_the_cluster_has_checksums_and_one_order_of_text(host: Host) -> None:
    assert psql(host, "SHOW data_checksums") == "on"
    assert set(psql(host, "SELECT DISTINCT datcollate, datctype FROM pg_database").split()) == {"C.UTF-8|C.UTF-8"}
    assert psql(host, "SELECT count(*) FROM pg_database WHERE datcollversion IS NOT NULL") == "0"


def test_figures_follow_from_two(host: Host) -> None:
    names = ["max_connections", "shared_buffers", "work_mem", "max_wal_size"]
    assert [psql(host, f"SHOW {name}") for name in names] == ["36", "128MB", "4MB", "512MB"]
    assert psql(host, "SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"


def connect(source: Host, password: str, **parts: str) -> str:
    """Return what a connection from *source* answers or complains of."""
    words = " ".join(f"{name}={value}" for name, value in parts.items())
    done = source.run(f"PGPASSWORD={password} psql -XAtq -c 'SELECT current_user' '{words}'")
    return done.stdout.strip() + done.stderr.strip()


def test_the_owner_gets_in_over_verified_tls_only(host: Host, other: Host) -> None:
    parts = {"host": host.backend.host, "user": "owner", "dbname": "site", "sslmode": "verify-full"}
    parts["sslrootcert"] = "/etc/ssl/bordbuch/ca.crt"
    address = other.check_output("getent ahostsv4 %s", host.backend.host).split()[0]
    elsewhere = parts | {"host": "elsewhere", "hostaddr": address}
    assert connect(other, PLANTED, **parts) == "owner"
    assert 'does not match host name "elsewhere"' in connect(other, PLANTED, **elsewhere)
    assert "password authentication failed" in connect(other, "wrong", **parts)
    assert "no pg_hba.conf entry" in connect(other, PLANTED, **parts | {"sslmode": "disable"})
    assert "no pg_hba.conf entry" in connect(other, PLANTED, **parts | {"dbname": "postgres"})
    assert "alert protocol version" in connect(other, PLANTED, **parts, ssl_max_protocol_version="TLSv1.2")


def test_nobody_else_may_enter_the_database(host: Host) -> None:
    privileges = psql(host, "SELECT unnest(datacl) FROM pg_database WHERE datname = 'site'").splitlines()
    assert sorted(privileges) == ["monitoring=c/owner", "owner=CTc/owner", "reader=c/owner"]
    assert psql(host, "SELECT rolsuper FROM pg_roles WHERE rolname = 'owner'") == "f"


def test_monitoring_reads_figures_and_no_table(host: Host) -> None:
    host.run("useradd --system monitoring")
    psql(host, "CREATE TABLE IF NOT EXISTS private AS SELECT 1 AS one", "site")
    command = "runuser -u %s -- psql -XAtq -U monitoring -d site -c %s"
    assert int(host.check_output(command, "monitoring", "SELECT count(*) FROM pg_ls_waldir()")) > 0
    assert "permission denied for table private" in host.run(command, "monitoring", "SELECT * FROM private").stderr
    assert "authentication failed" in host.run(command, "nobody", "SELECT 1").stderr


def logs_with(host: Host, word: str) -> str:
    return host.run("grep -rlaF %s /var/log; journalctl --no-pager | grep -aF %s", word, word).stdout


FAULTS = {
    "bound value": "SELECT (:secret)::text::int;",
    "constant": "SELECT 'WORD'::int;",
    "detail": "INSERT INTO log_probe VALUES ('WORD'), ('WORD');",
    "command": "ALTER ROLE nowhere PASSWORD 'WORD';",
    "slow": "SELECT pg_sleep(2), 'WORD';",
}


def kept_statements(host: Host, word: str) -> int:
    """Return how many statements that the server keeps hold *word*, but for this one."""
    return psql(host, "SELECT query FROM pg_stat_statements").count(word)


@pytest.mark.parametrize("kind", FAULTS)
def test_what_a_session_sends_is_in_no_log(host: Host, kind: str) -> None:
    word = f"secret{kind.replace(' ', '')}{time.time_ns()}"
    psql(host, "CREATE TABLE IF NOT EXISTS log_probe (word text PRIMARY KEY)", "site")
    host.check_output("echo %s > /run/probe.sql", FAULTS[kind].replace("WORD", word))
    pgbench = f"/usr/lib/postgresql/{version(host)}/bin/pgbench -U postgres -n -t 1 -M extended -f /run/probe.sql"
    done = host.run(f"{pgbench} -D secret={word} site")
    assert ("ERROR" in done.stderr) == (kind != "slow"), done.stderr
    assert logs_with(host, word) == ""
    assert kept_statements(host, word) == 0


def test_the_log_would_have_it(host: Host) -> None:
    """The same error with PostgreSQL's own setting is found, so the test above looks where the log is."""
    word = f"control{time.time_ns()}"
    host.run("psql -U postgres -c 'SET log_min_messages = error' -c %s", f"SELECT '{word}'::int")
    assert "/var/log/postgresql/" in logs_with(host, word)


def test_a_password_reaches_no_output_process_or_log(host: Host) -> None:
    """Another password is set, all of Ansible's words are kept, and so is what every process was called with."""
    if host.backend.host != "trixie":  # Ansible does the same on both.
        return
    marker = f"another-Marker-{time.time_ns()}"
    stored = psql(host, "SELECT rolpassword FROM pg_authid WHERE rolname = 'owner'")
    watch = "while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; done 2>/dev/null"
    watch += " | grep --line-buffered -zoE '[a-z]+-Mark[e]r-[0-9]+' > /run/seen"
    host.check_output("systemd-run --quiet --unit=probe-processes sh -c %s", watch)
    try:
        words = play(host, f"{{postgresql_users: [{{name: owner, password: {marker}}}]}}")
        host.run("sleep 2; : control-Marker-1")
    finally:
        host.check_output("systemctl stop probe-processes")
    fresh = psql(host, "SELECT rolpassword FROM pg_authid WHERE rolname = 'owner'")
    psql(host, f"ALTER ROLE owner PASSWORD '{stored}'")
    assert fresh.startswith("SCRAM-SHA-256$")
    assert fresh != stored
    assert "Set the users' passwords" in words
    assert marker not in words
    assert "control-Marker-1" in host.file("/run/seen").content_string
    assert marker not in host.file("/run/seen").content_string
    assert logs_with(host, marker) == ""
    assert kept_statements(host, marker) == 0


def play(host: Host, variables: str) -> str:
    """Run the role's part for users on *host*, and return all that Ansible says of it."""
    command = ["ansible-playbook", "-vvvv", "--inventory", host.backend.ansible_inventory, "--limit", host.backend.host]
    command += ["--tags", "postgresql:objects", "--extra-vars", variables, str(SCENARIO / "converge.yml")]
    environment = {**os.environ, "ANSIBLE_ROLES_PATH": str(SCENARIO.parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, env=environment)
    assert done.returncode == 0, done.stdout
    # Its first words repeat the command.
    return done.stdout.partition("PLAY [")[2] + done.stderr


@pytest.fixture
def clusters(host: Host) -> Iterator[list[str]]:
    """Make a cluster that was stopped by hand and one that was started by hand, and return the states of all."""
    number = version(host)
    host.check_output(
        f"pg_createcluster {number} stopped -- -N && pg_createcluster --start-conf=manual {number} started -- -N"
    )
    host.check_output(f"systemctl daemon-reload && systemctl start postgresql@{number}-started")
    yield host.check_output(f"{CLUSTERS} list").splitlines()
    for name in ("stopped", "started"):
        host.check_output(f"pg_dropcluster --stop {number} {name}")
    host.check_output("systemctl daemon-reload")


def test_a_minor_update_leaves_every_cluster_as_it_was(host: Host, clusters: list[str]) -> None:
    number = version(host)
    assert clusters == [f"{number}-main online", f"{number}-started online", f"{number}-stopped down"]
    started = psql(host, "SELECT pg_postmaster_start_time()")
    begun = host.check_output("date +%s")
    host.check_output(f"DEBIAN_FRONTEND=noninteractive apt-get -qq -y --reinstall install postgresql-{number}")
    assert psql(host, "SELECT pg_postmaster_start_time()") != started, "a reinstallation restarts as an update does"
    assert host.check_output(f"{CLUSTERS} list").splitlines() == clusters
    assert host.run(f"{CLUSTERS} compare").rc == 0
    journal = host.check_output(f"journalctl --no-pager --since=@{begun} -u postgresql@{number}-stopped")
    assert "Start" not in journal, "it did not run for a moment either"
    host.check_output(f"systemctl start postgresql@{number}-stopped")


def test_the_comparison_can_fail(host: Host) -> None:
    host.check_output(f"{CLUSTERS} remember && systemctl stop postgresql@{version(host)}-main")
    seen = host.run(f"{CLUSTERS} compare")
    assert (seen.rc, seen.stdout.strip()) == (1, f"{version(host)}-main was online, is down")
    assert host.run(f"{CLUSTERS} restore").rc == 0


def test_the_server_is_confined(host: Host) -> None:
    command = f"systemd-analyze security --no-pager postgresql@{version(host)}-main.service"
    last = host.check_output(command).splitlines()[-1]
    assert float(last.partition(": ")[2].split()[0]) <= 3.0, last


def test_a_server_that_dies_comes_back_and_one_that_is_stopped_does_not(host: Host) -> None:
    unit, cluster = f"postgresql@{version(host)}-main", f"{version(host)} main"
    host.check_output(f"kill -9 $(head -1 /var/lib/postgresql/{version(host)}/main/postmaster.pid)")
    end = time.monotonic() + 40
    while set(host.check_output(f"systemctl show -P NRestarts -P ActiveState {unit}").split()) != {"1", "active"}:
        assert time.monotonic() < end
        time.sleep(1)
    assert psql(host, "SELECT 1") == "1"
    host.check_output(f"pg_ctlcluster {cluster} stop")
    time.sleep(12)
    assert host.run(f"systemctl is-active {unit}").stdout.strip() == "inactive"
    host.check_output(f"systemctl start {unit}")


def test_nothing_of_the_throwaway_servers_is_left(host: Host) -> None:
    assert host.run("ls -d /var/tmp/postgresql-try.*").stdout == ""
    assert host.check_output("pgrep -cx postgres || :") != "0"
    assert host.run("pgrep -fa postgresql-try").stdout == ""
