"""Backups that are proven: made, tried, broken in each way on purpose, restored, and nobody comes back who was locked."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from tests.site.conftest import INVOKE, ROOT, Deployed, sql
from tests.site.test_faults import until

pytestmark = pytest.mark.timeout(2400)  # the first one waits until the site is deployed
REPOSITORY, ESCROW, MARKERS = (
    "/var/lib/bordbuch-backup",
    "/etc/bordbuch/escrow.conf",
    "/var/lib/bordbuch-ledger/markers",
)
ARCHIVED = f"find {REPOSITORY}/archive -name '*.zst' | sort"
SERVER = "bordbuch-pgbackrest.service"
LOOK = "systemctl start bordbuch-watch.service || :"  # where it finds something, its unit fails, and that is meant


def moment_between() -> str:
    """Return a time to restore to, clearly after what came before and before what comes after."""
    time.sleep(2)
    moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    time.sleep(2)
    return moment


def member(site: Deployed, number: int) -> int:
    return int(sql(site, f"SELECT id FROM member WHERE login = 'planted{number}'"))


def test_a_drill_proves_the_backup_within_a_minute(backed_up: Deployed) -> None:
    began = time.monotonic()
    said = backed_up.invoke("drill")
    assert time.monotonic() - began < 60
    assert "Verdict pass" in said
    assert "it shows the login page" in said
    assert "pass" in backed_up.invoke("drill.history")
    assert "proven by a drill" in backed_up.invoke("backup.list")
    leftovers = "pgrep -u bordbuch-drill || ls /var/lib/bordbuch-drill"
    assert backed_up.run_on("backup1", leftovers) == "", "nothing of the copy stays"


def test_the_second_repository_is_proven_too(backed_up: Deployed) -> None:
    assert "Verdict pass" in backed_up.invoke("drill", "--repository", "2")


def test_what_a_check_reads_is_whole(backed_up: Deployed) -> None:
    assert "every file read and whole" in backed_up.invoke("backup.check")


def test_neither_passphrase_nor_names_leave_their_place(backed_up: Deployed) -> None:
    secret = (backed_up.lab.state / "secrets/backup").read_text().strip()
    look = "cat >/run/words; journalctl --no-pager | grep -cf /run/words; cat /proc/*/cmdline | grep -acf /run/words; rm /run/words"
    for host in ("backup1", "db1"):
        counts = backed_up.lab.run_on(host, ["sh", "-c", look], given=f"{secret}\nPlanted Name\n").stdout.split()
        assert counts == ["0", "0"]
    ledger = backed_up.run_on("backup1", "cat /var/lib/bordbuch-ledger/*")
    logbook = "".join(path.read_text() for path in backed_up.lab.state.glob("logbook/changes/*/*/*/*"))
    for text in (ledger, logbook):
        assert secret not in text
        assert "Planted" not in text
    found = backed_up.lab.run_on("backup1", ["grep", "-rl", "Planted Name", REPOSITORY], check=False)
    assert (found.returncode, found.stdout) == (1, "")


def test_the_copy_for_the_safe_is_written_to_a_file_and_shown_nowhere(backed_up: Deployed) -> None:
    secret, file = (backed_up.lab.state / "secrets/backup").read_text().strip(), backed_up.lab.state / "escrow.txt"
    said = backed_up.invoke("backup.escrow", "--to", str(file))
    assert secret in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret not in said
    file.unlink()


def test_the_database_host_cannot_remove_a_backup(backed_up: Deployed) -> None:
    label = backed_up.run_on("backup1", f"basename $(ls -d {REPOSITORY}/backup/main/*F | tail -1)")
    attempt = f"runuser -u postgres -- pgbackrest --stanza=main --repo=1 expire --set={label}"
    assert backed_up.lab.run_on("db1", ["sh", "-c", attempt], check=False).returncode != 0
    backed_up.run_on("backup1", f"test -s {REPOSITORY}/backup/main/{label}/bundle/1")


@contextmanager
def hidden_wal(site: Deployed) -> Iterator[None]:
    file = site.run_on("backup1", f"{ARCHIVED} | tail -2 | head -1")
    site.run_on("backup1", f"chattr -i {file}; mv {file} /root/hidden")
    yield
    site.run_on("backup1", f"mv /root/hidden {file}; {LOOK}")


@contextmanager
def hidden_everywhere(site: Deployed) -> Iterator[None]:
    """A WAL file that is needed is in neither repository: what one lacks comes from the other."""
    name = site.run_on("backup1", f"{ARCHIVED} | tail -2 | head -1 | cut -d/ -f8-")
    archive = f"archive/main/{site.postgresql_version}-1"
    places = f"{REPOSITORY}/{archive} /srv/second/{archive}"
    move = "for place in {places}; do test -e $place/{name}; chattr -i $place/{name}; mv $place/{name} $place/../kept; done"
    site.run_on("backup1", move.format(places=places, name=name))
    yield
    back = f"for place in {places}; do chattr -i $place/../kept; mv $place/../kept $place/{name}; done; {LOOK}"
    site.run_on("backup1", back)  # meanwhile it may have been sealed


@contextmanager
def damaged_file(site: Deployed) -> Iterator[None]:
    file = site.run_on("backup1", f"ls {REPOSITORY}/backup/main/*F/bundle/1 | tail -1")
    site.run_on(
        "backup1",
        f"cp -p {file} /root/whole; chattr -i {file}; printf damaged | dd of={file} bs=1 seek=5000 conv=notrunc",
    )
    yield
    site.run_on("backup1", f"chattr -i {file}; cp -p /root/whole {file}")  # meanwhile it may have been sealed


@contextmanager
def old_copy(site: Deployed) -> Iterator[None]:
    """A copy of the repository from before the last backup, in its place."""
    site.run_on("backup1", f"rm -rf /var/tmp/old; cp -a {REPOSITORY} /var/tmp/old")
    site.invoke("backup", "--yes")
    site.run_on("backup1", f"systemctl stop {SERVER}; mount --bind /var/tmp/old {REPOSITORY}")
    yield
    site.run_on("backup1", f"umount {REPOSITORY}; systemctl start {SERVER}")


@contextmanager
def another_passphrase(site: Deployed) -> Iterator[None]:
    site.run_on("backup1", f"cp -p {ESCROW} /root/escrow; sed -i 's/cipher-pass=./cipher-pass=-/' {ESCROW}")
    yield
    site.run_on("backup1", f"cp -p /root/escrow {ESCROW}")


@contextmanager
def clock_off(site: Deployed) -> Iterator[None]:
    site.run_on("backup1", """echo '{"clock_offset_seconds": 600}' >/etc/bordbuch/given-facts.json""")
    yield
    site.run_on("backup1", "rm /etc/bordbuch/given-facts.json")


@contextmanager
def table_empty_and_role_gone(site: Deployed) -> Iterator[None]:
    """What the facts beside the database know is no longer in it, up to a newer marker that has been archived."""
    sql(site, "CREATE ROLE counted NOLOGIN; CREATE TABLE public.kept AS SELECT * FROM contingent")
    site.invoke("backup", "--yes")
    sql(site, "DELETE FROM contingent; DROP ROLE counted")
    lines = int(site.run_on("backup1", f"wc -l <{MARKERS}"))
    until(site, "backup1", f"test $(wc -l <{MARKERS}) -gt {lines}")
    sql(site, "SELECT pg_switch_wal()")
    yield
    sql(site, "INSERT INTO contingent SELECT * FROM kept; DROP TABLE kept")


@pytest.mark.parametrize(
    ("broken", "step", "words"),
    [
        (hidden_wal, "", "is missing"),
        (damaged_file, "restore", "damaged"),
        (another_passphrase, "look", "does not open the repository"),
        (clock_off, "clock", "The clock of"),
        (old_copy, "backups made", "not"),
        (table_empty_and_role_gone, "rows", "contingent is empty"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_drill_fails_where_it_must(backed_up: Deployed, broken, step: str, words: str) -> None:
    with broken(backed_up):
        said = backed_up.invoke("drill", code=1)
    assert "Verdict fail" in said
    assert words in " ".join(said.split())
    failed = [line for line in said.splitlines() if " FAILED " in line]
    assert any(line.startswith(step) for line in failed), failed
    if broken is table_empty_and_role_gone:
        assert "role counted is missing" in " ".join(said.split())


def test_a_gap_in_wal_reaches_a_mailbox_and_the_next_backup_closes_it(backed_up: Deployed) -> None:
    words = "point-in-time recovery from repository 1 is broken"
    fulls = f"ls -d {REPOSITORY}/backup/main/*F | wc -l"
    before = int(backed_up.run_on("backup1", fulls))
    with hidden_wal(backed_up):
        # Whoever was mailed about it in this hour is not mailed again.
        backed_up.run_on("backup1", f"rm -f /var/lib/bordbuch-failed/sent.json; {LOOK}")
        until(backed_up, "backup1", f"grep -rqsF {words!r} /var/mail-sink", 60)
        said = " ".join(backed_up.invoke("backup.check", "--json", code=1).split())
        assert words in said
        backed_up.invoke("backup", "--yes")
        assert int(backed_up.run_on("backup1", fulls)) == before + 1, "without a type, it was a full one"
        backed_up.run_on("backup1", "systemctl start bordbuch-watch.service")
    backed_up.invoke("backup.check")


@contextmanager
def repository_away(site: Deployed) -> Iterator[None]:
    site.run_on("backup1", f"systemctl stop {SERVER}")
    try:
        yield
    finally:
        site.run_on("backup1", f"systemctl start {SERVER}")


def waits(site: Deployed, condition: str, seconds: float) -> None:
    """Wait until the database says that *condition* holds."""
    until(site, "db1", f"""runuser -u postgres -- psql -XAtqc "SELECT {condition}" | grep -qx t""", seconds)


def test_wal_waits_while_the_repository_is_away_and_catches_up(backed_up: Deployed) -> None:
    failed = int(sql(backed_up, "SELECT failed_count FROM pg_stat_archiver"))
    with repository_away(backed_up):
        sql(backed_up, "SELECT pg_switch_wal()")
        waits(backed_up, f"(SELECT failed_count > {failed} FROM pg_stat_archiver)", 180)
        told = json.loads(
            backed_up.invoke("backup.check", "--json", code=1).split("\nReading")[0].split("\nFailed:")[0]
        )
        assert any("archiving fails" in finding["what"] for finding in told["findings"])
    waits(backed_up, "NOT EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready')", 180)
    backed_up.invoke("backup.check")


def corrections(site: Deployed) -> list[tuple[str, str]]:
    """Return kind and outcome of the records that correct another, the oldest first."""
    records = [
        json.loads(path.read_text()) for path in sorted(site.lab.state.glob("logbook/changes/*/*/*/record.json"))
    ]
    return [(record["kind"], record["outcome"]) for record in records if record["links"].get("corrects")]


def test_a_backup_goes_on_without_its_controller_and_is_recorded(backed_up: Deployed) -> None:
    before = corrections(backed_up)
    with subprocess.Popen(
        [str(INVOKE), "backup", "--yes"], cwd=ROOT, env=backed_up.environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        until(backed_up, "backup1", "systemctl is-active 'bordbuch-backup@*' | grep -qx activating")
        os.killpg(process.pid, signal.SIGKILL)
    until(backed_up, "backup1", "! systemctl is-active 'bordbuch-backup@*' | grep -qx activating")
    backed_up.invoke("backup.list")
    assert corrections(backed_up)[len(before) :] == [("backup", "verified")]


def test_nobody_comes_back_who_was_locked(backed_up: Deployed) -> None:
    locked, deleted, other = (member(backed_up, number) for number in (11, 12, 13))
    backed_up.invoke("backup", "--yes")
    moment = moment_between()
    sql(
        backed_up,
        f"UPDATE member SET locked = TRUE, active = FALSE WHERE id = {locked}; SELECT delete_member({deleted})",
    )
    until(backed_up, "backup1", f"grep -q 'deleted {deleted}$' /var/lib/bordbuch-ledger/ledger", 10)
    sql(backed_up, "SELECT pg_switch_wal()")
    taken_back = moment_between()

    said = backed_up.invoke("restore", "--to", moment, "--reason", "a mistake", code=3)
    change = said.split("invoke patch.approve ")[1].split()[0]
    backed_up.invoke("patch.approve", change, "--reason", "my own", code=4)
    backed_up.invoke("restore", "--change", change, "--confirm", "db1", code=3)
    bert = Deployed(backed_up.lab)
    bert.environment["BORDBUCH_OPERATOR"] = "bert"
    bert.invoke("patch.approve", change, "--reason", "seen")
    backed_up.invoke("restore", "--change", change, "--confirm", "db2", code=3)
    said = backed_up.invoke("restore", "--change", change, "--confirm", "db1")
    assert "locked 1" in said
    assert "deleted 1" in said
    steps = [line.split("  ")[0] for line in said.splitlines() if " passed " in line]
    assert steps.index("lock and delete again") < steps.index("open the server")

    rows = f"SELECT id, locked, active, deleted IS NOT NULL FROM member WHERE id IN ({locked}, {deleted}, {other}) ORDER BY id"
    assert sql(backed_up, rows).split() == [f"{locked}|t|f|f", f"{deleted}|t|f|t", f"{other}|f|t|f"]
    assert sql(backed_up, "SELECT count(*) FROM session WHERE member_id IS NOT NULL") == "0"
    assert sql(backed_up, "SELECT count(*) FROM token") == "0"
    backed_up.run_on("db1", f"test -d /var/lib/postgresql/{backed_up.postgresql_version}/main.before-{change}")
    said = " ".join(backed_up.invoke("restore", "--to", taken_back, "--reason", "back again", code=2).split())
    assert f"was taken back by the restore {change}" in said


def test_after_a_restore_backups_and_drills_go_on(backed_up: Deployed) -> None:
    backed_up.invoke("backup", "--full", "--yes")
    assert "Verdict pass" in backed_up.invoke("drill")


def test_a_restore_that_fails_leaves_everything_as_it_was(backed_up: Deployed) -> None:
    backed_up.invoke("backup", "--yes")
    moment = moment_between()
    sql(backed_up, "CREATE TABLE public.later (); DROP TABLE public.later; SELECT pg_switch_wal()")
    waits(backed_up, "NOT EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready')", 60)
    said = backed_up.invoke("restore", "--to", moment, "--reason", "it will fail", code=3)
    change = said.split("invoke patch.approve ")[1].split()[0]
    bert = Deployed(backed_up.lab)
    bert.environment["BORDBUCH_OPERATOR"] = "bert"
    bert.invoke("patch.approve", change, "--reason", "seen")
    count = sql(backed_up, "SELECT count(*) FROM member")
    with hidden_everywhere(backed_up):
        said = " ".join(backed_up.invoke("restore", "--change", change, "--confirm", "db1", code=1).split())
    assert "WAL ends before the target" in said
    assert "the data from before is back" in said
    assert sql(backed_up, "SELECT count(*) FROM member") == count
    page = "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/index/login.html', timeout=20)"
    until(backed_up, "app1", f'python3 -c "{page}"')
    backed_up.invoke("verify")
