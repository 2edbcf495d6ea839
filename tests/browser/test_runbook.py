"""The site of runbooks in real Chromium, from its folder: both languages, links, filter, search, print, accessibility."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Opened, watch

WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"], "preload": False}
"""Without preload axe asks for nothing, which the pages do not allow."""

KINDS = (
    "index.html",
    "changes/index.html",
    "changes/2026/10/index.html",
    "runbooks/index.html",
    "runbooks/patch.html",
    "runbooks/site.html",
    "hosts/index.html",
    "hosts/app1.html",
    "backups.html",
    "vulnerabilities/index.html",
    "vulnerabilities/2026-10.html",
    "requirements.html",
    "duties.html",
    "verify.html",
)
"""A page of each kind but those of one change."""


def every_page(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


@pytest.mark.parametrize("lang", ["de", "en"])
def test_every_page_opens_in_both_languages(opened: Opened, site: Path, lang: str) -> None:
    other = {"de": "en", "en": "de"}[lang]
    for name in every_page(site):
        page = opened.go(name, lang)
        assert page.evaluate("document.documentElement.lang") == lang
        assert page.locator("h1").is_visible()
        assert page.locator(f'span[lang="{other}"]:not(.own):visible').count() == 0, name
        assert page.title() == page.evaluate(f"document.documentElement.getAttribute('data-title-{lang}')")


@pytest.mark.parametrize("lang", ["de", "en"])
def test_every_kind_of_page_is_accessible(opened: Opened, site: Path, lang: str) -> None:
    change = next(name for name in every_page(site) if re.search(r"-[a-z2-7]{4}\.html$", name))
    for name in (*KINDS, change):
        page = opened.go(name, lang)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found = Axe().run(page, options=WCAG)
        broken = [
            (one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]])
            for one in found.response["violations"]
        ]
        assert broken == [], name


def test_the_language_is_switched_in_place_and_stays(opened: Opened) -> None:
    page = opened.go("hosts/index.html")
    expect(page.locator("nav [aria-current]")).to_have_text("Hosts")
    expect(page.locator("h1")).to_be_visible()
    expect(page.get_by_role("link", name="Änderungen", exact=True)).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("link", name="Changes", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="English")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="Changes", exact=True).click()
    expect(page.locator("h1")).to_have_text(re.compile("Changes"))
    assert page.title() == "Changes"
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="How it stands")).to_be_visible()


def test_links_lead_from_the_overview_to_a_change_and_back(opened: Opened) -> None:
    page = opened.go("index.html")
    page.locator("#newest tbody a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Änderung 2026-")
    page.get_by_role("link", name="Bordbuch").click()
    expect(page.get_by_role("heading", name="Wie es steht")).to_be_visible()


def test_the_filter_shows_rows_with_all_words(opened: Opened) -> None:
    page = opened.go("changes/2026/10/index.html")
    rows = page.locator("#changes tbody tr")
    total = rows.count()
    page.get_by_label("Nur Zeilen zeigen mit").fill("Sicherung getan")
    shown = page.locator("#changes tbody tr:visible")
    assert 0 < shown.count() < total
    assert all("Sicherung" in text for text in shown.all_inner_texts())
    expect(page.locator("#filter-count")).to_have_text(f"{shown.count()} / {total}")
    page.get_by_label("Nur Zeilen zeigen mit").fill("")
    assert page.locator("#changes tbody tr:visible").count() == total


def test_a_heading_sorts(opened: Opened) -> None:
    page = opened.go("changes/2026/10/index.html")
    head = page.get_by_role("columnheader", name="Dauer")
    for order in ("ascending", "descending"):
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", order)
        values = [
            float(cell.get_attribute("data-v") or 0) for cell in page.locator("#changes tbody td:last-child").all()
        ]
        assert values == sorted(values, reverse=order == "descending")


def test_the_search_finds_in_all_years(opened: Opened) -> None:
    page = opened.go("changes/index.html")
    page.get_by_label("Host", exact=True).fill("db1")
    page.get_by_label("Ausgang").select_option("verified")
    expect(page.locator("#results tbody tr").first).to_be_visible()
    texts = page.locator("#results tbody tr").all_inner_texts()
    assert all("db1" in text and "getan und geprüft" in text for text in texts)
    assert page.locator("#found").inner_text() == str(len(texts))
    page.locator("#results tbody a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Änderung 2026-")
    page.go_back()
    page.get_by_label("CVE oder Meldung").fill("nothing like it")
    expect(page.locator("#found")).to_have_text("0")


def test_what_others_wrote_is_shown_as_text(opened: Opened) -> None:
    page = opened.go("changes/index.html")
    page.get_by_label("Irgendein Wort").fill("onerror")
    expect(page.locator("#results tbody td").nth(1)).to_contain_text("<script>document.title='ran'</script><img")
    page.locator("#results tbody a").first.click()
    expect(page.locator(".lead")).to_contain_text("<script>")
    assert page.title() != "ran"
    assert page.locator("main img").count() == 0


def test_in_print_there_is_no_navigation_and_nothing_is_cut_off(opened: Opened) -> None:
    page = opened.go("index.html")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator(".cards").is_visible()
    assert page.locator(".scroll").first.evaluate("element => getComputedStyle(element).overflowX") == "visible"


def test_the_keyboard_reaches_the_content_first(opened: Opened) -> None:
    page = opened.go("index.html")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_ages_are_told_by_the_reader_s_clock(opened: Opened) -> None:
    page = opened.go("index.html", "en")
    assert re.search(r"\((?:today|yesterday|\d+ days ago|in \d+ days|tomorrow)\)", page.locator("main").inner_text())


def test_a_narrow_screen_scrolls_in_tables_only(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 390, "height": 800})
    for name in KINDS:
        page = opened.go(name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name


def test_without_scripts_both_languages_are_there(chromium: Browser, site: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    found = watch(context, site)
    page = found.go("index.html")
    text = page.locator("nav").inner_text()
    assert "Änderungen" in text
    assert "Changes" in text
    assert not page.locator(".languages").is_visible()
    context.close()
    assert found.elsewhere == []
