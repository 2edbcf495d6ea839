"""A database copied to another host and back, by pgBackRest as the role calls it, and by pg_basebackup and tar.

Both ways take the same road with the same protection: from the database's host to the repository's over TLS 1.3, back over TLS 1.3
or SSH, both with AES-GCM, and both have written it through to the disk when they end. Neither starts the server: that it comes
back is looked at afterwards, outside of what is measured.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# Last, so that nothing in it goes before another module.
sys.path.append(str(Path(__file__).resolve().parents[2] / "roles/backup/files"))

from bordbuch_pgbackrest import Stanza, up_to

from ops.lab import Lab
from tests.bench.figures import FULL, INCREMENTAL, OURS, PLAIN, RESTORE, SETTINGS, Measured, settings
from tests.bench.meter import CORES, Reading, metered

DATABASE, REPOSITORY = "db1", "backup1"
NAME = "pgbench"
LIMIT_SECONDS = 3600
BASE, COPY = "/var/tmp/bench-base", "/var/lib/postgresql/bench"
KEY, KNOWN = "/root/.ssh/bench", "/root/.ssh/bench_hosts"
ROWS = 100_000
"""Rows of pgbench_accounts for each unit of its scale, by the manual of pgbench."""

CONNECTION = (
    "host=db1 user=bench sslmode=verify-full sslrootcert=/etc/ssl/bordbuch/ca.crt sslcert=/etc/ssl/bordbuch/host.crt"
    " sslkey=/etc/ssl/bordbuch/host.key"
)

# The user of pg_basebackup proves itself by the certificate of its host, as the watch of the ledger does.
LET_IN = f"""
cd /
runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 <<SQL
CREATE ROLE bench LOGIN REPLICATION;
CREATE DATABASE {NAME};
SQL
etc=/etc/postgresql/$1/main
echo "hostssl replication bench $2/32 cert map=bench" >>$etc/pg_hba.conf
echo "bench {REPOSITORY} bench" >>$etc/pg_ident.conf
runuser -u postgres -- psql -XAtqc 'SELECT pg_reload_conf()'
runuser -u postgres -- /usr/lib/postgresql/$1/bin/pgbench -q -i -s "$3" {NAME}
"""

TRUST = f"""
mkdir -p -m 700 /root/.ssh
rm -f {KEY} {KEY}.pub
ssh-keygen -q -t ed25519 -N '' -C bench -f {KEY}
cat >{KNOWN}
cat {KEY}.pub
"""

SETTLE = """
cd /
psql() { runuser -u postgres -- psql -XAtqc "$1"; }
psql CHECKPOINT
psql 'SELECT pg_switch_wal()' >/dev/null
waits="SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
until [ "$(psql "$waits")" = 0 ]; do sleep 0.5; done
"""

FORGET = f"""
cd /
sed -i '/ bench$/d' /root/.ssh/authorized_keys
sed -i '/bench/d' /etc/postgresql/$1/main/pg_hba.conf /etc/postgresql/$1/main/pg_ident.conf
rm -rf {COPY} {COPY}.log
runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 <<SQL
DROP DATABASE IF EXISTS {NAME};
DROP ROLE IF EXISTS bench;
SELECT pg_reload_conf();
SQL
"""

COPY_BACK = f"""
set -o pipefail
tar -C {BASE} -cf - . |
    ssh -c aes256-gcm@openssh.com -i {KEY} -o UserKnownHostsFile={KNOWN} -o BatchMode=yes {DATABASE} \\
    "runuser -u postgres -- tar -C {COPY} -xf - && sync -f {COPY}"
"""

# With the settings of the site, but for itself: it archives nothing and listens nowhere.
START = f"""
cd /
runuser -u postgres -- /usr/lib/postgresql/$1/bin/pg_ctl -D {COPY} -s -w -t 600 -l {COPY}.log -o "-c data_directory={COPY} \
-c config_file=/etc/postgresql/$1/main/postgresql.conf -c external_pid_file={COPY}/pid -c archive_mode=off \
-c listen_addresses='' -c unix_socket_directories={COPY}" start
"""

STOP = f"""
cd /
runuser -u postgres -- /usr/lib/postgresql/$1/bin/pg_ctl -D {COPY} -s -m immediate stop
"""

CONTENT = "SELECT count(*), sum(abalance), sum(aid::bigint * abalance) FROM pgbench_accounts"


@dataclass
class Copies:
    """The database that is copied, and what is done with it."""

    lab: Lab
    scale: int

    @cached_property
    def version(self) -> str:
        """The major version of PostgreSQL."""
        return str(json.loads(self.on(REPOSITORY, ["cat", "/etc/bordbuch/backup.json"]))["version"])

    def on(self, host: str, argv: list[str], given: str | None = None) -> str:
        """Run a program on *host* and return what it printed."""
        return self.lab.run_on(host, argv, given=given, limit=LIMIT_SECONDS).stdout.strip()

    def script(self, host: str, text: str, *words: str) -> str:
        return self.on(host, ["bash", "-ec", text, "bench", *words])

    def sql(self, statement: str, socket: str = "/run/postgresql") -> str:
        psql = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", socket, "-d", NAME]
        return self.on(DATABASE, ["env", "-C", "/", *psql, "-c", statement])

    @contextmanager
    def made(self) -> Iterator[None]:
        """Have the database meanwhile, and let the other host copy it, and copy files back."""
        address = next(str(host.address) for host in self.lab.hosts() if host.name == REPOSITORY)
        known = self.lab.files.known_hosts.read_text(encoding="utf-8")
        try:
            public = self.on(REPOSITORY, ["sh", "-ec", TRUST], given=known)
            self.on(DATABASE, ["tee", "-a", "/root/.ssh/authorized_keys"], given=f"{public}\n")
            self.script(DATABASE, LET_IN, self.version, address, str(self.scale))
            yield
        finally:
            self.script(DATABASE, FORGET, self.version)
            self.on(REPOSITORY, ["rm", "-rf", BASE, KEY, f"{KEY}.pub", KNOWN])

    @contextmanager
    def measured(self) -> Iterator[Reading]:
        """Measure the block, from the same start: everything on the disk and in the archive, nothing in the file cache."""
        self.script(DATABASE, SETTLE)
        cold()
        with metered(self.lab) as reading:
            yield reading

    def full(self) -> Measured:
        return self.backup("full", FULL)

    def incremental(self) -> Measured:
        return self.backup("incr", INCREMENTAL)

    def backup(self, kind: str, step: str) -> Measured:
        """Make a backup into the first repository alone, with the command of the role's program."""
        with self.measured() as reading:
            made = self.stanza(REPOSITORY, "pgbackrest").back_up(1, kind)
        assert made.type == kind, made
        assert not made.damaged, made
        return Measured(step, OURS, reading, made.added_bytes)

    def base(self) -> Measured:
        """Copy the database plainly, WAL included, its checksums looked at as pgBackRest does."""
        self.on(REPOSITORY, ["rm", "-rf", BASE])
        program = f"/usr/lib/postgresql/{self.version}/bin/pg_basebackup"
        argv = ["env", "-C", "/", "runuser", "-u", "pgbackrest", "--", program, "-w", "-d", CONNECTION, "-D", BASE]
        with self.measured() as reading:
            self.on(REPOSITORY, [*argv, "--checkpoint=fast", "--wal-method=stream", "--format=plain"])
        return Measured(FULL, PLAIN, reading, int(self.on(REPOSITORY, ["du", "-sb", BASE]).split()[0]))

    def restore(self) -> Measured:
        """Restore the newest backup with the options of the role's program, into an empty folder."""
        newest = self.stanza(REPOSITORY, "pgbackrest").opened(1).backups[-1].label
        wanted = [f"--process-max={CORES}", f"--pg1-path={COPY}", f"--set={newest}", *up_to("backup")]
        self.empty()
        with self.measured() as reading:
            self.stanza(DATABASE, "postgres").call(*wanted, "restore", number=1)
        return Measured(RESTORE, OURS, reading, self.checked())

    def copy_back(self) -> Measured:
        """Bring the plain copy back, and everything onto the disk."""
        self.empty()
        with self.measured() as reading:
            self.script(REPOSITORY, COPY_BACK)
        return Measured(RESTORE, PLAIN, reading, self.checked())

    def empty(self) -> None:
        self.script(DATABASE, f"rm -rf {COPY} {COPY}.log; install -d -m 0700 -o postgres -g postgres {COPY}")

    def checked(self) -> int:
        """Start what came back, see that it has the rows of the database, remove it, and return how large it was."""
        size = int(self.on(DATABASE, ["du", "-sb", COPY]).split()[0])
        self.script(DATABASE, START, self.version)
        try:
            came = self.sql(CONTENT, socket=COPY)
        finally:
            self.script(DATABASE, STOP, self.version)
        self.on(DATABASE, ["rm", "-rf", COPY, f"{COPY}.log"])
        assert came == self.sql(CONTENT), f"what came back is another database: {came}"
        return size

    def change(self, number: int) -> None:
        """Change the *number*th hundredth of the rows, which lie side by side."""
        count = self.scale * ROWS // 100
        first = (number - 1) * count + 1
        self.sql(
            f"UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid BETWEEN {first} AND {first + count - 1}"
        )

    def stanza(self, host: str, account: str) -> Stanza:
        """Return the backups as the role's programs on *host* reach them."""

        def there(command: Sequence[str], _seconds: float) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess(command, 0, self.on(host, ["env", "-C", "/", *command]), "")

        return Stanza("main", account, run=there)

    def described(self) -> list[str]:
        """Return what the figures depend on: versions, sizes, settings of both hosts."""
        size = int(self.sql("SELECT sum(pg_database_size(oid)) FROM pg_database"))
        versions = [self.on(DATABASE, ["pgbackrest", "version"]), f"PostgreSQL {self.sql('SHOW server_version')}"]
        words = "|".join(SETTINGS)
        grep = ["grep", "-E", rf"^(\[|({words})=)", "/etc/pgbackrest/pgbackrest.conf"]
        said = {host: ", ".join(settings(self.on(host, grep))) for host in (REPOSITORY, DATABASE)}
        lines = [f"{', '.join(versions)}; cluster {size / 1e6:.0f} MB, pgbench scale {self.scale}"]
        return lines + [f"pgBackRest on {host}: {line}" for host, line in said.items()]


def cold() -> None:
    """Have nothing in the machine's file cache. Hosts of the lab have no cache of their own."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


@contextmanager
def quiet(lab: Lab) -> Iterator[None]:
    """Keep timers and the watch from working beside what is measured."""
    listing = ["systemctl", "list-unit-files", "--state=enabled", "--no-legend", "--plain", "bordbuch-*.timer"]
    units = [line.split()[0] for line in lab.run_on(REPOSITORY, listing).stdout.splitlines()]
    units.append("bordbuch-ledger.service")
    lab.run_on(REPOSITORY, ["systemctl", "stop", *units])
    try:
        yield
    finally:
        lab.run_on(REPOSITORY, ["systemctl", "start", *units])
