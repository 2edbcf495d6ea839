"""What befalls a site: it says so, loses nothing, and needs nobody to come back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.site.conftest import Deployed

pytestmark = pytest.mark.timeout(1800)  # the first one waits until the site is deployed
DATA = "/var/lib/postgresql"
ASK = "runuser -u postgres -- psql -XAtqd liquidfeedback"
PAGE = (
    "import ssl, urllib.request as r; print(r.urlopen('https://app1/index/login.html', timeout=40, "
    "context=ssl.create_default_context(cafile='/etc/ssl/bordbuch/ca.crt')).status)"
)
LEAVE_DISK = f"""
systemctl stop 'postgresql@*'
cp -a {DATA} /var/tmp/kept
umount {DATA}
rm -r {DATA}
mv /var/tmp/kept {DATA}
systemctl start postgresql
"""


def until(site: Deployed, host: str, script: str, seconds: float = 90) -> None:
    """Wait until *script* exits 0 on *host*."""
    end = time.monotonic() + seconds
    while site.lab.run_on(host, ["sh", "-ec", script], check=False).returncode:
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {script}"
        time.sleep(1)


def page_answers(site: Deployed) -> None:
    """Wait until the page that asks the database comes through proxy and TLS."""
    until(site, "app1", f'python3 -c "{PAGE}"')


@contextmanager
def full_disk(site: Deployed) -> Iterator[None]:
    """Leave the database 4 MiB of room, then give it back what it had."""
    site.run_on("db1", "systemctl stop 'postgresql@*'")
    site.lab.fill("db1", DATA, 4 << 20)
    site.run_on("db1", "systemctl start postgresql")
    try:
        yield
    finally:
        site.run_on("db1", LEAVE_DISK)


def test_a_full_disk_ends_the_database_and_it_comes_back_with_room_and_loses_nothing(site: Deployed) -> None:
    site.run_on("db1", f"{ASK} -c 'CREATE TABLE kept AS SELECT 4711 AS figure'")
    with full_disk(site):
        for _ in range(8):  # each takes a file of 16 MiB for the log of writes
            site.lab.run_on(
                "db1",
                ["sh", "-c", f"{ASK} -c 'CREATE TABLE more (); SELECT pg_switch_wal(); DROP TABLE more'"],
                check=False,
            )
        until(site, "db1", f"! {ASK} -c 'SELECT 1'", 30)
        assert "Database on db1: down" in site.invoke("status")
        site.lab.drain("db1", DATA)
        until(site, "db1", f"{ASK} -c 'SELECT 1'")
        assert site.run_on("db1", f"{ASK} -c 'TABLE kept'") == "4711"
        page_answers(site)
    page_answers(site)
    site.run_on("db1", f"{ASK} -c 'DROP TABLE kept'")
