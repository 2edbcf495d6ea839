"""All hosts gone: the site comes back from what is outside of them, and the ledger with it."""

import pytest

from tests.site.conftest import Deployed, sql

pytestmark = pytest.mark.timeout(2400)


def test_the_site_comes_back_when_all_hosts_are_gone(site: Deployed) -> None:
    sql(site, "INSERT INTO member (name, login) VALUES ('Rebuilt One', 'rebuilt1'), ('Rebuilt Two', 'rebuilt2')")
    site.invoke("backup", "--yes")
    site.run_on("backup1", "systemctl start bordbuch-seal.service")
    number = sql(site, "SELECT id FROM member WHERE login = 'rebuilt1'")
    sql(site, f"UPDATE member SET locked = TRUE WHERE id = {number}")
    site.run_on(
        "backup1", "sleep 3; systemctl start bordbuch-seal.service"
    )  # the ledger reaches the second place, the row does not
    said = site.invoke("rebuild", "--yes", seconds=1800)
    assert "together" in said
    assert sql(site, "SELECT login, locked FROM member WHERE login LIKE 'rebuilt%' ORDER BY login").split() == [
        "rebuilt1|t",
        "rebuilt2|f",
    ]
    assert "locked 1" in said
    assert "nothing missing, nothing changed" in site.invoke("audit")
