"""The site of runbooks, made of what was really done on the site's hosts."""

import json
from pathlib import Path

import pytest

from tests.site.conftest import Deployed

pytestmark = pytest.mark.timeout(2400)  # the first one waits until the site is deployed


@pytest.fixture(scope="module")
def pages(backed_up: Deployed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of every page, by its place in the site."""
    folder = tmp_path_factory.mktemp("pages") / "site"
    backed_up.invoke("drill")
    backed_up.invoke("runbook", "--to", str(folder))
    texts = {str(page.relative_to(folder)): page.read_text() for page in folder.rglob("*.html")}
    assert texts
    return texts


def newest(site: Deployed, reason: str) -> str:
    """Return the id of the newest change that went well and whose reason begins like this."""
    ended = json.loads(site.invoke("changes", "--json"))
    return str(next(one["id"] for one in ended if one["reason"].startswith(reason) and one["outcome"] == "verified"))


def test_what_was_done_stands_on_the_pages_it_is_about(backed_up: Deployed, pages: dict[str, str]) -> None:
    deploy, backup, drill = (newest(backed_up, reason) for reason in ("deploy:", "backup:", "drill:"))
    assert deploy in pages["hosts/db1.html"]
    assert backup in pages["backups.html"]
    assert drill in pages["backups.html"]
    for change in (deploy, backup, drill):
        assert "anna" in pages[f"changes/{change[:4]}/{change[5:7]}/{change}.html"]


def test_the_runbook_of_the_drill_knows_that_it_was_carried_out(pages: dict[str, str]) -> None:
    assert "It was never carried out" not in pages["runbooks/drill.html"]
    assert "not yet tried in this form" not in pages["runbooks/drill.html"]


def test_no_secret_and_no_member_stands_on_a_page(backed_up: Deployed, pages: dict[str, str]) -> None:
    secrets = [path.read_text().strip() for path in Path(backed_up.lab.state / "secrets").iterdir() if path.is_file()]
    assert secrets
    for place, text in pages.items():
        assert "Planted" not in text, place
        assert not [1 for secret in secrets if secret in text], place
