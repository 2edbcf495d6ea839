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
CERTIFICATES = "/etc/ssl/bordbuch"
AS_APPLICATION = "--collect -p User=liquidfeedback -p EnvironmentFile=/etc/liquidfeedback/libpq.env psql -XAtqc"
ASK_AS_APPLICATION = f"systemd-run --quiet --wait --pipe {AS_APPLICATION} 'SELECT 1'"
TAKE_CONNECTION = f"systemd-run --quiet --unit={{unit}} {AS_APPLICATION} 'SELECT pg_sleep(300)'"
REQUEST = f"openssl req -new -key {CERTIFICATES}/host.key -subj /CN=db1 -addext subjectAltName=DNS:db1"
SIGN_IN_THE_PAST = f"""
echo '{{request}}' | openssl x509 -req -copy_extensions copyall -CA {CERTIFICATES}/authority/ca.crt \\
    -CAkey {CERTIFICATES}/authority/ca.key -not_before 20200101000000Z -not_after 20200201000000Z
"""
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


def says(site: Deployed, command: str, words: str, seconds: float = 60) -> None:
    """Wait until ``invoke COMMAND`` says *words*."""
    end = time.monotonic() + seconds
    while words not in (said := site.invoke(command)):
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {words!r} in {said}"


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
        # Each takes a file of 16 MiB for the log of writes, as long as none is left from before.
        until(site, "db1", f"! {ASK} -c 'CREATE TABLE more (); SELECT pg_switch_wal(); DROP TABLE more'")
        until(site, "db1", f"! {ASK} -c 'SELECT 1'", 30)
        says(site, "status", "Database on db1: down")
        site.lab.drain("db1", DATA)
        until(site, "db1", f"{ASK} -c 'SELECT 1'")
        assert site.run_on("db1", f"{ASK} -c 'TABLE kept'") == "4711"
        page_answers(site)
    page_answers(site)
    site.run_on("db1", f"{ASK} -c 'DROP TABLE kept'")


def test_where_no_connection_is_left_pages_go_on_and_the_administrator_gets_in(site: Deployed) -> None:
    page_answers(site)
    takers = [f"taker-{number}" for number in range(40)]
    for unit in takers:
        site.run_on("app1", TAKE_CONNECTION.format(unit=unit))
    try:
        until(site, "app1", f"! ( {ASK_AS_APPLICATION} )", 30)
        refused = site.lab.run_on("app1", ["sh", "-c", ASK_AS_APPLICATION], check=False).stderr
        assert "remaining connection slots are reserved" in refused or "too many" in refused
        page_answers(site)
        assert site.run_on("db1", f"{ASK} -c 'SELECT 1'") == "1"
        says(site, "status", "Database on db1: up")
    finally:
        site.lab.run_on("app1", ["systemctl", "stop", *takers], check=False)  # those that got no connection are gone
    until(site, "app1", ASK_AS_APPLICATION, 30)  # the server notices that those who took them are gone
    page_answers(site)


def test_an_expired_certificate_is_refused_and_named_and_a_deploy_renews_it(site: Deployed) -> None:
    request = site.run_on("db1", REQUEST)
    expired = site.run_on("backup1", SIGN_IN_THE_PAST.format(request=request))
    site.run_on("db1", f"echo '{expired}' >{CERTIFICATES}/host.crt; systemctl reload postgresql")
    try:
        until(site, "app1", f"! ( {ASK_AS_APPLICATION} )", 10)
        refused = site.lab.run_on("app1", ["sh", "-c", ASK_AS_APPLICATION], check=False).stderr
        assert "certificate verify failed" in refused
        site.run_on("app1", "! systemctl start liquidfeedback-update.service")
        assert "host.crt has ended" in site.invoke("status")
        assert "The host's certificate is good for two weeks more" in site.invoke("verify", code=1)
    finally:
        site.invoke("deploy", "--yes", "--tags", "ca")
    site.run_on("app1", "systemctl start liquidfeedback-update.service")
    page_answers(site)
    site.invoke("verify")
