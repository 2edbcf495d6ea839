"""Places of backups that are lost with their disk, or away for a day: what the next deploy, and PostgreSQL, make of it."""

import json

import pytest

from tests.site.conftest import Deployed, sql
from tests.site.test_backup import LOOK, REPOSITORY, repository_away, waits
from tests.site.test_recovery import NO_WAL_WAITS

pytestmark = pytest.mark.timeout(2400)  # the first one waits until the site is deployed
SECOND = "/srv/second"
DAY = 1440
"""Files of WAL, one a minute."""

FILES = f"""
DO $$ BEGIN
    FOR n IN 1..{DAY // 24} LOOP
        PERFORM pg_logical_emit_message(FALSE, 'bordbuch', 'a minute'), pg_switch_wal();
    END LOOP;
END $$
"""
WAITING = "(SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready')"


def lose(site: Deployed, place: str) -> None:
    """Leave of *place* what a new disk has, let the watch see it, and deploy."""
    folders = f"{place}/archive {place}/backup"
    # chattr says 1 of the links that pgBackRest makes, which have no such flag; what is still sealed stops rm.
    site.run_on("backup1", f"chattr -Rf -i {folders} || test $? = 1; rm -r {folders}; {LOOK}")
    site.invoke("deploy", "--yes", "--limit", "backup1", "--tags", "backup", "--reason", "its disk is a new one")


def labels(site: Deployed, number: int) -> list[str]:
    """Return the backups in a repository."""
    told = json.loads(site.invoke("backup.list", "--json"))
    return [backup["label"] for backup in told["repository"]["places"][number - 1]["backups"]]


def site_is_well(site: Deployed, repository: str) -> None:
    """See that *repository* brings the database back, that the watch is content, and that all of it is whole."""
    assert "Verdict pass" in site.invoke("drill", "--repository", repository)
    site.run_on("backup1", "systemctl start bordbuch-watch.service")
    site.invoke("backup.check")


def test_a_second_place_that_is_lost_is_made_anew(backed_up: Deployed) -> None:
    lose(backed_up, SECOND)
    said = backed_up.invoke("backup", "--full", "--yes")
    assert "backup in repository 2" in said
    site_is_well(backed_up, "2")


def test_a_first_place_that_is_lost_comes_back_from_the_second(backed_up: Deployed) -> None:
    lose(backed_up, REPOSITORY)
    assert labels(backed_up, 1) == labels(backed_up, 2) != []
    backed_up.invoke("backup", "--yes")
    site_is_well(backed_up, "1")


def test_wal_of_a_day_waits_catches_up_and_is_recovered(backed_up: Deployed) -> None:
    with repository_away(backed_up):
        for _hour in range(24):
            sql(backed_up, FILES)
        assert int(sql(backed_up, f"SELECT {WAITING}")) >= DAY
        assert "archiving fails" in backed_up.invoke("backup.check", code=1)
    waits(backed_up, NO_WAL_WAITS, 1800)
    assert "Verdict pass" in backed_up.invoke("drill")
    backed_up.invoke("backup.check")
