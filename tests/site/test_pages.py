"""The published pages on the deployed site: who reads them through the proxy, what a publication does, what stays open."""

import base64
import http.client
import json
import socket
import ssl
import time
from datetime import UTC, datetime

import pytest

from ops.announce import news, send
from ops.announce.settings import Settings
from tests.site.conftest import Deployed
from tests.unit.announce_world import CASES

pytestmark = pytest.mark.timeout(1800)  # the first one waits until the site is deployed

OFFICES = ("administration", "member-administration", "clearing", "auditor")
NAME = "pages.app1"
RELEASES = "/var/lib/bordbuch-pages/site/releases"


class Answer:
    """What came back: status, headers, page."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.page = response.status, response.headers, response.read().decode()


def ask(site: Deployed, path: str = "/", office: str = "", password: str = "") -> Answer:
    """Ask the proxy for *path* of the pages; without a *password*, an *office* gives its own."""
    authority = site.run_on("app1", "cat /etc/ssl/bordbuch/ca.crt")
    address = next(str(guest.address) for guest in site.lab.hosts() if guest.name == "app1")
    context = ssl.create_default_context(cadata=authority)
    connection = http.client.HTTPSConnection(NAME, context=context, timeout=20)
    connection.sock = context.wrap_socket(socket.create_connection((address, 443), 20), server_hostname=NAME)
    headers = {"Authorization": f"Basic {login(site, office, password)}"} if office else {}
    try:
        connection.request("GET", path, headers=headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def login(site: Deployed, office: str, password: str) -> str:
    known = password or (site.lab.state / f"secrets/pages-{office}").read_text(encoding="utf-8").strip()
    return base64.b64encode(f"{office}:{known}".encode()).decode()


def live(site: Deployed) -> str:
    return site.run_on("backup1", "readlink /var/lib/bordbuch-pages/site/live")


@pytest.fixture(scope="module")
def published(site: Deployed) -> Deployed:
    """The site with published pages."""
    said = site.invoke("runbook.publish", "--yes", "--reason", "for the test")
    assert "verified" in said
    return site


def test_without_a_login_nobody_reads_them(published: Deployed) -> None:
    for path in ("/", "/index.html", "/style.css", "/changes/", "/made.json", "/status/../index.html"):
        answer = ask(published, path)
        assert (answer.status, "Bordbuch</a>" in answer.page) == (401, False), path


@pytest.mark.parametrize("office", OFFICES)
def test_each_office_reads_them_with_its_own_login(published: Deployed, office: str) -> None:
    answer = ask(published, office=office)
    assert answer.status == 200
    assert "Bordbuch</a>" in answer.page
    assert answer.headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Server"] is None
    assert ask(published, "/style.css", office).status == 200


def test_they_stay_while_the_site_is_closed(published: Deployed) -> None:
    published.run_on("app1", "liquidfeedback-proxy maintenance on")
    try:
        assert ask(published, office="auditor").status == 200
        assert ask(published, "/status/").status == 200
    finally:
        published.run_on("app1", "liquidfeedback-proxy maintenance off")


def test_the_status_page_is_public_and_brought_by_news(published: Deployed) -> None:
    assert ask(published, "/status/").status == 200
    settings = Settings(status_host="backup1", status_ssh=f"-F {published.lab.state}/ssh_config")
    send.push(news.of_change(CASES["patch-begun"], settings, datetime.now(UTC)), settings)
    time.sleep(2)  # the server looks at a file again after a second
    assert "Wartung hat begonnen" in ask(published, "/status/").page


def test_a_publication_is_on_record(published: Deployed) -> None:
    records = [json.loads(path.read_text()) for path in published.lab.state.glob("logbook/changes/*/*/*/record.json")]
    [record] = [one for one in records if one["reason"] == "publish the pages: for the test"]
    assert record["outcome"] == "verified"
    assert set(record["hosts"]) == {"backup1"}
    folder = published.lab.state / "logbook"
    texts = "".join(path.read_text() for path in folder.rglob("*.json*"))
    assert not [
        office for office in OFFICES if (published.lab.state / f"secrets/pages-{office}").read_text().strip() in texts
    ]


def test_nothing_is_published_twice(published: Deployed) -> None:
    before = live(published)
    said = published.invoke("runbook.publish", "--yes")
    if "Nothing new" not in said:  # another test has recorded something since
        before = live(published)
        said = published.invoke("runbook.publish", "--yes")
    assert "Nothing new to publish" in said
    assert live(published) == before


def test_the_release_from_before_stays_and_older_ones_go(published: Deployed) -> None:
    for _ in range(2):
        published.run_on("backup1", "rm -f /var/lib/bordbuch-pages/site/live/made.json")  # then all of it is new
        assert "verified" in published.invoke("runbook.publish", "--yes")
    assert len(published.run_on("backup1", f"ls -A {RELEASES}").split()) == 2


def test_other_accounts_of_the_host_do_not_read_them(published: Deployed) -> None:
    reading = ["runuser", "-u", "nobody", "--", "cat", f"{RELEASES}/../live/site/index.html"]
    done = published.lab.run_on("backup1", reading, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Permission denied" in done.stderr


def test_a_page_that_is_not_served_as_it_should_is_taken_back(published: Deployed) -> None:
    before = live(published)
    published.run_on("backup1", "rm -f /var/lib/bordbuch-pages/site/live/made.json; systemctl stop bordbuch-pages")
    try:
        said = published.invoke("runbook.publish", "--yes", code=1)
        assert "what was live is live as before" in said.lower()
        assert live(published) == before
    finally:
        published.run_on("backup1", "systemctl start bordbuch-pages")


def test_a_second_deploy_leaves_them_alone(published: Deployed) -> None:
    before = live(published)
    assert "Nothing to change" in published.invoke("deploy", "--yes", "--tags", "pages,proxy,firewall")
    assert live(published) == before


def test_wrong_passwords_are_limited(published: Deployed) -> None:
    seen = [ask(published, office="auditor", password="wrong").status for _ in range(14)]
    assert seen[0] == 401
    assert seen[-1] == 429
    assert set(seen) == {401, 429}
    assert ask(published, office="auditor").status == 429, "the right one waits, too"
    assert ask(published, "/status/").status == 200
