"""From bare hosts to a page that somebody is logged in on; what a second run, an outage and an upgrade do to it."""

import json
import secrets
import time
from collections import Counter

import pytest

from tests.site.browser import browser
from tests.site.conftest import Deployed

pytestmark = pytest.mark.timeout(1800)  # the first one waits until the site is deployed

LISTS = "base : Refresh package lists that are missing or older than a day"


@pytest.fixture(scope="session")
def password() -> str:
    return secrets.token_urlsafe(16)


@pytest.fixture(scope="session")
def administrator(site: Deployed, password: str) -> str:
    """Register the first administrator in the browser by the invitation, and return the login."""
    link = site.run_on("app1", "liquidfeedback-invite")
    with browser(site.lab, "app1") as page:
        page.goto(link)
        for field, value in (
            ("name", "Erste Verwalterin"), ("notify_email", "first@example.org"), ("login", "first"),
            ("password1", password), ("password2", password),
        ):  # fmt: skip
            page.fill(f"input[name={field}]", value)
        page.click("text=Register >> nth=-1")
        assert "login" in page.url
    return "first"


def test_package_lists_are_refreshed_once_for_each_host_in_a_run(site: Deployed) -> None:
    runs = {path: path.read_text().splitlines() for path in site.lab.state.glob("logbook/changes/*/*/*/events-1.jsonl")}
    events = [(path, json.loads(line)) for path, lines in runs.items() for line in lines]
    done = Counter((path, event["host"]) for path, event in events if (event["task"], event["status"]) == (LISTS, "ok"))
    assert {host for _path, host in done} == {"app1", "backup1", "db1"}
    assert set(done.values()) == {1}


def test_chromium_logs_in_through_tls(site: Deployed, administrator: str, password: str) -> None:
    with browser(site.lab, "app1") as page:
        page.goto("https://app1/")
        assert "stand-in" in page.inner_text("body"), "the page says what it is"
        page.fill("input[name=login]", administrator)
        page.fill("input[name=password]", password)
        page.click("form button")
        assert "Logged in as Erste Verwalterin" in page.inner_text("body")


def test_a_page_waits_while_the_database_restarts(site: Deployed, administrator: str) -> None:
    site.lab.run_on("db1", ["systemctl", "--no-block", "restart", "postgresql@17-main"])
    with browser(site.lab, "app1") as page:
        answer = page.goto("https://app1/index/login.html")
        assert answer is not None
        assert answer.status == 200


def test_a_second_run_changes_nothing(site: Deployed) -> None:
    assert "Nothing to change on 3 hosts" in site.invoke("deploy", "--yes")


def test_drift_is_found_where_it_is(site: Deployed) -> None:
    site.run_on(
        "app1", "cp -p /etc/liquidfeedback/main.lua /root/main.lua; echo '-- by hand' >>/etc/liquidfeedback/main.lua"
    )
    try:
        printed = site.invoke("drift", "--tags", "liquidfeedback", code=1)
        assert "/etc/liquidfeedback/main.lua" in printed
    finally:
        site.run_on("app1", "cp -p /root/main.lua /etc/liquidfeedback/main.lua")
    site.invoke("drift", "--tags", "liquidfeedback")


def test_the_status_is_one_screen_in_seconds(site: Deployed) -> None:
    began = time.monotonic()
    told = json.loads(site.invoke("status", "--json"))
    assert time.monotonic() - began < 20  # four times the aim: the machine may be busy with other things
    assert set(told["hosts"]) == {"app1", "db1", "backup1"}


def test_the_site_passes_its_own_checks(site: Deployed) -> None:
    site.invoke("verify")
    assert "nothing missing, nothing changed" in site.invoke("audit")
