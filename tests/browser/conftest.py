"""A small site in a real browser, opened from its folder; what the browser complains of and asks for is kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from ops.lab.packages import ensure_packages
from ops.runbook.site import Job, build
from tests.site.browser import QUIET
from tests.unit.runbook_world import ROOT, Maker, hosts, inventory, logbook, operators

HOSTILE = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"


@dataclass
class Opened:
    """A page of the browser: what it logged, and what it asked for elsewhere than in the site's folder."""

    page: Page
    folder: Path
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def go(self, name: str, lang: str = "") -> Page:
        """Open the page *name* of the site from its file, in the language *lang* if that is said."""
        self.page.goto(f"{(self.folder / name).as_uri()}{f'?lang={lang}' if lang else ''}")
        return self.page

    def log(self, message: ConsoleMessage) -> None:
        """Keep what the browser logs."""
        self.complaints.append(f"{self.page.url}: {message.text}")

    def request(self, request: Request) -> None:
        """Keep requests to anywhere else."""
        if not request.url.startswith(self.folder.as_uri()):
            self.elsewhere.append(request.url)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site of forty changes, one of which is hostile."""
    folder = tmp_path_factory.mktemp("browser")
    maker = Maker(hosts(4), datetime(2026, 9, 20, tzinfo=UTC), timedelta(hours=30))
    changes = [maker.patch(reason=HOSTILE), *maker.changes(40)]
    now = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    build(Job(folder / "site", ROOT, logbook(folder / "book", changes), inventory(hosts(4)), operators(), now=now))
    return folder / "site"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    ensure_packages(("chromium", "chromium"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser, site: Path) -> Iterator[Opened]:
    """A fresh page for a German reader; at its end the browser must have had nothing to complain of, and asked nobody else."""
    context = chromium.new_context(locale="de-DE", viewport={"width": 1280, "height": 900})
    found = watch(context, site)
    yield found
    context.close()
    assert found.complaints == []
    assert found.elsewhere == []


def watch(context: BrowserContext, site: Path) -> Opened:
    """Return a page of *context* that is watched."""
    found = Opened(context.new_page(), site)
    found.page.set_default_timeout(20_000)
    found.page.on("console", found.log)
    found.page.on("pageerror", lambda error: found.complaints.append(f"{found.page.url}: {error}"))
    found.page.on("request", found.request)
    return found
