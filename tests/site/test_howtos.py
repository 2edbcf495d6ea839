"""How-tos for the bad day, walked command by command as they stand there."""

from pathlib import Path

import pytest

from tests.site.conftest import Deployed, sql
from tests.site.test_backup import moment_between, waits
from tests.site.test_recovery import NO_WAL_WAITS
from tests.site.walk import Walk

pytestmark = pytest.mark.timeout(2400)  # the first one waits until the site is deployed
COUNT = "SELECT count(*) FROM suggestion"
SUGGESTIONS = """
    WITH one AS (INSERT INTO unit (name) VALUES ('Example') RETURNING id),
        another AS (INSERT INTO issue (unit_id, place) SELECT id, 90000 FROM one RETURNING id)
    INSERT INTO suggestion (issue_id, place) SELECT id, n FROM another, generate_series(1, 200) AS n
"""


def archived(site: Deployed) -> None:
    """See that the repositories have all that was written up to now."""
    sql(site, "SELECT pg_switch_wal()")
    waits(site, NO_WAL_WAITS, 60)


def test_prove_the_backup(backed_up: Deployed, tmp_path: Path) -> None:
    archived(backed_up)
    walk = Walk(backed_up, "prove-the-backup", tmp_path, moment_between())
    archived(backed_up)
    backed_up.invoke("backup", "--yes")
    assert walk.run(walk.block("--label random")).count("Verdict pass") == 4
    records = walk.block("drill.history --json").replace("2026-11-24-0330-k7xq", newest_drill(backed_up))
    assert "nothing missing, nothing changed" in walk.run(records)


def newest_drill(site: Deployed) -> str:
    return next(word for word in site.invoke("drill.history").split() if word.count("-") == 4 and word[:2] == "20")


@pytest.fixture(scope="module")
def discussed(backed_up: Deployed) -> Deployed:
    """The site with 200 suggestions."""
    sql(backed_up, SUGGESTIONS)
    return backed_up


def test_the_database_host_is_gone(discussed: Deployed, tmp_path: Path) -> None:
    discussed.invoke("backup", "--yes")
    sql(discussed, "DELETE FROM suggestion WHERE place = 1")
    count = sql(discussed, COUNT)
    archived(discussed)
    discussed.lab.reset(["db1"])
    said = Walk(discussed, "the-database-host-is-gone", tmp_path).all()
    assert "Verdict pass" in said
    assert sql(discussed, COUNT) == count


def test_get_one_table_back(discussed: Deployed, tmp_path: Path) -> None:
    count = sql(discussed, COUNT)
    hosts = {host.name: host.release for host in discussed.lab.hosts()}
    archived(discussed)
    moment = moment_between()
    sql(discussed, "DELETE FROM suggestion WHERE place BETWEEN 50 AND 99")
    archived(discussed)
    discussed.lab.up({**hosts, "db2": hosts["db1"]})
    discussed.invoke("deploy", "--yes", "--reason", "a second database host for the time", seconds=1500)

    walk = Walk(discussed, "get-one-table-back", tmp_path, moment)
    assert walk.run(walk.block("SHOW archive_mode")).strip() == "off"
    assert "verified" in walk.run(walk.block("--target db2"))
    assert sql(discussed, COUNT) != count, "the live database is as it was"
    walk.run(walk.block("CREATE TABLE rescue"))
    walk.run(walk.block("< suggestion.sql"))
    assert walk.run(walk.block("SELECT count(*)")).split() == [count, count]
    sql(discussed, f"{walk.block('INSERT INTO public.suggestion')}\n; COMMIT")
    assert sql(discussed, COUNT) == count
    walk.run(walk.block("DROP SCHEMA rescue"))
    assert not (tmp_path / "suggestion.sql").exists()
    left = "SELECT count(*) FROM pg_class WHERE relname IN ('member', 'suggestion')"
    assert discussed.run_on("db2", f'runuser -u postgres -- psql -XAtqd liquidfeedback -c "{left}"') == "0"
