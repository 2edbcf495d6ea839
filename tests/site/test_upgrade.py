"""An upgrade from an old release, and what happens if one fails half way."""

import json

import pytest

from tests.site.browser import browser
from tests.site.conftest import Deployed

pytestmark = pytest.mark.timeout(1800)  # the first one waits until the site is deployed
OLD, NEW = "4.0.0", "4.2.2"
PSQL = ["runuser", "-u", "postgres", "--", "psql", "-XAtqd", "liquidfeedback", "-c"]
BROKEN = "/etc/systemd/system/liquidfeedback.service.d/broken.conf"


def ask(site: Deployed, query: str) -> str:
    """Return what the site's database answers its superuser."""
    return site.lab.run_on("db1", [*PSQL, query]).stdout.strip()


def versions(site: Deployed) -> tuple[str, str]:
    """Return the versions of the package and of the schema, as far as they matter."""
    package = site.run_on("app1", "dpkg-query -W -f '${Version}' liquidfeedback")
    return package.partition("+")[0], ask(site, "SELECT string FROM liquid_feedback_version")


def content(site: Deployed) -> str:
    """Return how many members the database has, and who may do what with it."""
    return ask(site, "SELECT count(*) FROM member") + ask(site, "\\l liquidfeedback")


@pytest.fixture(scope="module")
def old(site: Deployed) -> Deployed:
    """The site with the old release: its package, and a database that was made by it."""
    release = next(host.release for host in site.lab.hosts() if host.name == "app1")
    site.invoke("package.build", "--sample", "--version", OLD, "--release", release)
    site.invoke("deploy", "--yes", "--tags", "archive")
    site.run_on(
        "app1",
        "systemctl stop liquidfeedback-update.timer liquidfeedback-update.service liquidfeedback.service; apt-get -q update; "
        f"version=$(apt-cache madison liquidfeedback | awk '$3 ~ /^{OLD}/ {{print $3; exit}}'); "
        "DEBIAN_FRONTEND=noninteractive apt-get -qy --allow-downgrades install liquidfeedback=$version",
    )
    site.run_on("db1", "runuser -u postgres -- dropdb --force liquidfeedback")
    site.invoke("deploy", "--yes", "--tags", "postgresql,liquidfeedback")
    assert versions(site) == (OLD, OLD)
    return site


def test_an_upgrade_that_fails_half_way_returns_to_what_was(old: Deployed) -> None:
    before = content(old)
    condition = f"! dpkg-query -W liquidfeedback | grep -q '[[:space:]]{NEW}'"
    old.run_on(
        "app1",
        f"mkdir -p $(dirname {BROKEN}) && printf '[Service]\\nExecStartPre=/bin/sh -c \"{condition}\"\\n' >{BROKEN} && "
        "systemctl daemon-reload",
    )
    try:
        printed = old.invoke("upgrade", "--to", NEW, "--yes", code=1)
    finally:
        old.run_on("app1", f"rm {BROKEN} && systemctl daemon-reload")
    assert "failed" in printed
    assert versions(old) == (OLD, OLD)
    assert content(old) == before
    assert ask(old, "SELECT datname FROM pg_database WHERE datname LIKE '%rehearsal%'") == ""
    with browser(old.lab, "app1") as page:
        answer = page.goto("https://app1/index/login.html")
        assert answer is not None
        assert answer.status == 200, "the maintenance page is down again"


def test_a_version_that_the_archive_lacks_is_refused_before_anything_is_touched(old: Deployed) -> None:
    assert "archive" in old.invoke("upgrade", "--to", "4.9.9", "--yes", code=2)
    assert versions(old) == (OLD, OLD)


def test_package_and_schema_are_upgraded_together(old: Deployed) -> None:
    before = content(old)
    printed = old.invoke("upgrade", "--to", NEW, "--reason", "new release", "--yes")
    assert f"{OLD} → {NEW}" in printed
    assert versions(old) == (NEW, NEW)
    assert content(old) == before
    newest = json.loads(old.invoke("changes", "--json"))[0]
    assert newest["outcome"] == "verified"
    assert newest["reason"] == f"upgrade LiquidFeedback to {NEW}: new release"
    with browser(old.lab, "app1") as page:
        page.goto("https://app1/index/login.html")
        assert "stand-in" in page.inner_text("body")
    old.invoke("drift", "--tags", "archive,liquidfeedback,proxy")
