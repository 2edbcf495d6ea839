"""What befalls backups, drills and restores while they run: controllers that die, two at once, no room, a wrong passphrase."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.site.conftest import INVOKE, ROOT, Deployed, sql
from tests.site.test_backup import LOOK, REPOSITORY, SERVER, corrections, member, moment_between, waits
from tests.site.test_faults import until

pytestmark = pytest.mark.timeout(2400)  # the first one waits until the site is deployed
SETTINGS = "/etc/pgbackrest/pgbackrest.conf"
NO_WAL_WAITS = "NOT EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready')"
LEAVE_DISK = f"""
systemctl stop {SERVER}
cp -a {REPOSITORY} /var/tmp/kept
umount {REPOSITORY}
cd /var/tmp/kept
find . -type f | while read -r file; do cmp -s "$file" "{REPOSITORY}/$file" || cp -a --parents "$file" {REPOSITORY}; done
rm -r /var/tmp/kept
systemctl start {SERVER}
"""


def bert(site: Deployed) -> Deployed:
    """Return the command line of the second operator."""
    other = Deployed(site.lab)
    other.environment["BORDBUCH_OPERATOR"] = "bert"
    return other


REFUSE_LOCKS = """
    CREATE FUNCTION public.refuse_locks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no locks'; END $$;
    CREATE TRIGGER refuse_locks BEFORE UPDATE ON member FOR EACH ROW WHEN (NEW.locked) EXECUTE FUNCTION public.refuse_locks()
"""


def approved(site: Deployed, *words: str) -> str:
    """Plan a restore, have bert approve it, and return its id."""
    said = site.invoke("restore", *words, "--reason", "an exercise", code=3)
    change = said.split("invoke patch.approve ")[1].split()[0]
    bert(site).invoke("patch.approve", change, "--reason", "seen")
    return change


@contextmanager
def running(site: Deployed, *words: str) -> Iterator[None]:
    """Have ``invoke WORDS`` run meanwhile; then kill it and all that it started here."""
    with subprocess.Popen(
        [str(INVOKE), *words], cwd=ROOT, env=site.environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_restore_goes_on_without_its_controller_and_a_second_one_waits(backed_up: Deployed) -> None:
    members = sql(backed_up, "SELECT count(*) FROM member")
    change = approved(backed_up)
    with running(backed_up, "restore", "--change", change, "--confirm", "db1"):
        until(backed_up, "db1", "systemctl is-active 'bordbuch-restore@*' | grep -qx activating")
        said = bert(backed_up).invoke("restore", "--reason", "at the same time", code=4)
        assert "another command" in said or change in said
    said = backed_up.invoke("restore", "--change", change, "--confirm", "db1")
    assert "verified" in said
    assert sql(backed_up, "SELECT count(*) FROM member") == members
    backed_up.invoke("backup", "--full", "--yes")


def test_a_restore_that_cannot_lock_again_leaves_no_trace_in_the_repository(backed_up: Deployed) -> None:
    """Its server had been promoted: had its history been archived, later restores would follow it."""
    histories = f"find {REPOSITORY}/archive -name '*.history*' | sort"
    sql(backed_up, REFUSE_LOCKS)
    backed_up.invoke("backup", "--yes")
    moment = moment_between()
    locked = member(backed_up, 21)
    sql(
        backed_up,
        f"ALTER TABLE member DISABLE TRIGGER refuse_locks; UPDATE member SET locked = TRUE WHERE id = {locked}",
    )
    until(backed_up, "backup1", f"grep -q 'locked {locked}$' /var/lib/bordbuch-ledger/ledger", 10)
    sql(backed_up, "SELECT pg_switch_wal()")
    before = backed_up.run_on("backup1", histories)
    change = approved(backed_up, "--to", moment)
    said = " ".join(backed_up.invoke("restore", "--change", change, "--confirm", "db1", code=1).split())
    assert "no locks" in said
    assert "the data from before is back" in said
    assert sql(backed_up, f"SELECT locked FROM member WHERE id = {locked}") == "t"
    sql(backed_up, "DROP TRIGGER refuse_locks ON member; DROP FUNCTION public.refuse_locks; SELECT pg_switch_wal()")
    sql(backed_up, f"UPDATE member SET locked = FALSE WHERE id = {locked}")
    waits(backed_up, NO_WAL_WAITS, 60)
    assert backed_up.run_on("backup1", histories) == before
    backed_up.invoke("backup", "--yes")
    assert "Verdict pass" in backed_up.invoke("drill")


def test_a_drill_goes_on_without_its_controller_and_is_recorded(backed_up: Deployed) -> None:
    before = corrections(backed_up)
    with running(backed_up, "drill"):
        until(backed_up, "backup1", "systemctl is-active bordbuch-drill.service | grep -qx activating")
    until(backed_up, "backup1", "systemctl is-active bordbuch-drill.service | grep -qx inactive")
    backed_up.invoke("backup.list")
    assert corrections(backed_up)[len(before) :] == [("drill", "verified")]


def test_a_wrong_passphrase_is_named_before_anything_is_touched(backed_up: Deployed) -> None:
    backed_up.run_on("backup1", f"cp -p {SETTINGS} /root/settings; sed -i 's/cipher-pass=./cipher-pass=-/' {SETTINGS}")
    backed_up.run_on("backup1", f"systemctl restart {SERVER}")
    started = sql(backed_up, "SELECT pg_postmaster_start_time()")
    try:
        said = " ".join(backed_up.invoke("restore", "--reason", "an exercise", code=2).split())
    finally:
        backed_up.run_on("backup1", f"cp -p /root/settings {SETTINGS}; systemctl restart {SERVER}")
    assert "passphrase" in said
    assert "nothing was touched" in said
    assert sql(backed_up, "SELECT pg_postmaster_start_time()") == started


def test_a_repository_without_room_is_said_and_catches_up(backed_up: Deployed) -> None:
    backed_up.lab.fill("backup1", REPOSITORY, 1 << 20)
    try:
        said = backed_up.invoke("backup", "--full", "--yes", code=1)
        assert f"MB are left for {REPOSITORY}" in said
        sql(backed_up, "SELECT pg_switch_wal()")
        backed_up.lab.drain("backup1", REPOSITORY)
        waits(backed_up, NO_WAL_WAITS, 180)
        backed_up.invoke("backup", "--yes")
    finally:
        backed_up.run_on("backup1", LEAVE_DISK)
    backed_up.run_on("backup1", f"systemctl start bordbuch-seal.service; {LOOK}")
    backed_up.invoke("backup.check")
