"""The site as its reader finds it: complete, linked, small, safe; and made anew only where something is new."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ops.errors import BadInput
from ops.logbook.files import file_bytes, parse_change
from ops.logbook.model import HostResult, Record
from ops.publish import parcel
from ops.runbook.ingredients import basis
from ops.runbook.site import Built, Job, again, build
from ops.runbook.store import NAME, Store
from ops.runbook.summary import rows, summarise
from tests.unit import factories
from tests.unit.logbook_world import World, change, record_change
from tests.unit.runbook_world import ROOT, Files, Maker, hosts, inventory, logbook, operators
from tests.unit.runbook_world import reading as reads

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HOSTILE = "</script><script>alert(1)</script> <img src=x onerror=alert(1)> {{ 7*7 }} \u202e =1+1"
Change = tuple[str, Files]


def maker(seed: int = 1, begin: datetime = datetime(2026, 9, 1, tzinfo=UTC)) -> Maker:
    return Maker(hosts(5), begin, timedelta(hours=30), seed)


def site(folder: Path, changes: list[Change], **options: Any) -> Built:
    """Make the site of *changes* (added to the logbook beside it) in *folder*/site."""
    book = logbook(folder / "book", changes) if changes else reads(folder / "book")
    return build(Job(folder / "site", ROOT, book, inventory(hosts(5)), operators(), **{"now": NOW, **options}))


def pages(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.*"))
        if path.name != NAME
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    site(folder, list(maker().changes(60)))
    return folder / "site"


def test_all_that_a_build_makes_may_be_published(small: Path) -> None:
    assert set(parcel.read(small)) == {*pages(small)}


def test_a_month_leads_to_the_months_beside_it(small: Path) -> None:
    shown = (small / "changes/2026/10/index.html").read_text()
    assert re.findall(r'href="[./]*(changes/2026/\d\d/index.html)" rel="(\w+)"', shown) == [
        ("changes/2026/09/index.html", "prev"),
        ("changes/2026/11/index.html", "next"),
    ]


def test_what_a_site_is_made_from_is_told_apart(tmp_path: Path) -> None:
    book = reads(logbook(tmp_path / "book", []).path)
    job = Job(tmp_path / "site", ROOT, book, inventory(hosts(5)), operators(), now=NOW)
    assert basis(job) == basis(replace(job, now=NOW + timedelta(hours=1)))
    others = (replace(job, now=NOW + timedelta(days=1)), replace(job, inventory=inventory(hosts(4))))
    assert basis(job) not in {basis(other) for other in others}


class Links(HTMLParser):
    """What a page refers to, the ids in it, its headings, and whether its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.targets += [value for name in ("href", "src") if (value := values.get(name))]
        self.ids += [value for value in [values.get("id")] if value]
        self.headings += [int(tag[1])] if re.fullmatch(r"h[1-6]", tag) else []
        if tag not in ("meta", "link", "br", "input", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A drawing's shapes."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_link_leads_somewhere_and_nowhere_else(small: Path) -> None:
    for name, text in pages(small).items():
        if name.endswith(".html"):
            for target in Links(text).targets:
                path, _, fragment = target.partition("#")
                place = ((small / name).parent / path).resolve() if path else small / name
                assert place.is_relative_to(small), f"{name}: {target}"
                assert place.is_file(), f"{name}: {target}"
                assert not fragment or fragment in Links(place.read_text()).ids, f"{name}: {target}"


def test_pages_are_well_formed(small: Path) -> None:
    for name, text in pages(small).items():
        if name.endswith(".html"):
            page = Links(text)
            assert page.open == [], name
            assert len(page.ids) == len(set(page.ids)), name
            assert page.headings.count(1) == 1, name


def test_nothing_is_asked_of_other_servers(small: Path) -> None:
    text = "".join(text for name, text in pages(small).items() if name.endswith((".html", ".css", ".js")))
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//|url\((?!#)|@import|fetch\(|XMLHttpRequest", text)
    assert not re.search(r" style=|<style|<script>| on[a-z]+=", text)


def test_a_second_build_writes_nothing(tmp_path: Path) -> None:
    changes = list(maker().changes(10))
    site(tmp_path, changes)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "site").rglob("*.*")}
    assert site(tmp_path, []) == Built(changes=10, read=0, written=0)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "site").rglob("*.*")}
    assert {path.name for path in before if before[path] != after[path]} <= {NAME}


@pytest.mark.parametrize("seed", range(2))
def test_piece_by_piece_it_becomes_the_same_as_at_once(tmp_path: Path, seed: int) -> None:
    changes = list(maker(seed).changes(40))
    for start in (0, 25, 26, 39):
        end = {0: 25, 25: 26, 26: 39, 39: 40}[start]
        site(tmp_path / "pieces", changes[start:end])
    site(tmp_path / "once", changes)
    pieces, once = (pages(tmp_path / name / "site") for name in ("pieces", "once"))
    assert [name for name in once if pieces.get(name) != once[name]] == []
    assert pieces.keys() == once.keys()


def test_one_new_record_touches_its_own_pages_only(tmp_path: Path) -> None:
    changes = list(maker().changes(31))
    site(tmp_path, changes[:30])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "site").rglob("*.html")}
    assert site(tmp_path, changes[30:]).read == 1
    touched = {
        path.relative_to(tmp_path / "site").as_posix()
        for path, time in before.items()
        if path.stat().st_mtime_ns != time
    }
    assert not [name for name in touched if name.startswith("changes/2026/09/")]
    assert not [name for name in touched if re.search(r"-[a-z2-7]{4}\.html$", name)]
    assert "index.html" in touched


def test_a_change_grows_phase_by_phase(tmp_path: Path) -> None:
    identifier, files = maker().patch()
    plan = {"plan.json": files["plan.json"]}
    site(tmp_path, [(identifier, plan)])
    page = tmp_path / "site" / summarise(parse_change(identifier, plan)).page
    assert "offen: wartet auf Freigabe" in page.read_text()
    site(tmp_path, [(identifier, {name: content for name, content in files.items() if name != "plan.json"})])
    assert "getan und geprüft" in page.read_text()
    assert (tmp_path / "site" / "index.html").read_text().count(identifier) >= 1


def test_a_page_says_what_a_later_change_did_to_it(tmp_path: Path) -> None:
    one = maker()
    first = one.patch()
    one.now += timedelta(days=1)
    site(tmp_path, [first])
    second, files = one.playbook(links={"corrects": first[0]})
    site(tmp_path, [(second, files)])
    text = (tmp_path / "site" / summarise(parse_change(first[0], first[1])).page).read_text()
    assert "corrected by" in text
    assert second in text


def test_another_history_makes_another_site(tmp_path: Path) -> None:
    site(tmp_path, list(maker(1).changes(5)))
    old = set(pages(tmp_path / "site"))
    (tmp_path / "book").rename(tmp_path / "old")
    assert site(tmp_path, list(maker(2).changes(3))).read == 3
    assert len({name for name in pages(tmp_path / "site") if re.search(r"-[a-z2-7]{4}\.html$", name)} & old) == 0


def test_changes_before_a_day_are_left_out(tmp_path: Path) -> None:
    built = site(tmp_path, list(maker().changes(40)), since="2026-10-01")
    assert 0 < built.changes < 40
    assert not (tmp_path / "site/changes/2026/09").exists()
    assert "Changes before 2026-10-01 are left out." in (tmp_path / "site/index.html").read_text()


@pytest.mark.parametrize(("lang", "other"), [("de", "Changes"), ("en", "Änderungen")])
def test_a_site_of_one_language_has_no_other(tmp_path: Path, lang: str, other: str) -> None:
    site(tmp_path, list(maker().changes(3)), languages=(lang,))
    text = (tmp_path / "site/index.html").read_text()
    assert f'<html lang="{lang}"' in text
    assert "data-set-lang" not in text
    assert f">{other}<" not in text


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        site(tmp_path, list(maker().changes(1)))
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["mine.txt"]


def test_a_build_that_fails_is_made_good_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = list(maker().changes(12))
    site(tmp_path / "a", changes[:10])

    def fail(*_arguments: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("ops.runbook.site.hosts.index", fail)
        with pytest.raises(OSError, match="full"):
            site(tmp_path / "a", changes[10:])
    site(tmp_path / "a", [])
    site(tmp_path / "b", changes)
    assert pages(tmp_path / "a/site") == pages(tmp_path / "b/site")


def test_the_options_of_a_site_are_known_again(tmp_path: Path) -> None:
    site(tmp_path, list(maker().changes(2)), languages=("en",), since="2026-01-01")
    assert again(tmp_path / "site", inventory(hosts(5)), "a newer commit") == {
        "languages": ("en",),
        "since": "2026-01-01",
        "tracker": None,
    }
    assert again(tmp_path / "none", inventory(hosts(5)), "a newer commit") is None
    with Store.open(tmp_path / "site") as store:
        head = store.noted("head")
    assert head
    assert again(tmp_path / "site", inventory(hosts(5)), head) is None, "nothing was recorded since"
    other = inventory(hosts(5)).model_copy(update={"path": Path("/elsewhere")})
    assert again(tmp_path / "site", other, "a newer commit") is None


def test_updates_are_not_good_where_no_plan_has_looked(tmp_path: Path) -> None:
    book = logbook(
        tmp_path / "book", list(Maker(hosts(3), datetime(2026, 11, 1, tzinfo=UTC), timedelta(hours=9)).changes(60))
    )
    cards = []
    for count in (3, 4):
        folder = tmp_path / f"site{count}"
        build(Job(folder, ROOT, book, inventory(hosts(count)), operators(), languages=("en",), now=NOW))
        page = (folder / "index.html").read_text()
        cards.append(page[page.index("<h2>Open security updates") - 20 : page.index("<h2>Last backup")])
    assert "it is not known" not in cards[0]
    assert 'class="bad"' in cards[1]
    assert "Hosts of which it is not known: 1." in cards[1]


def hostile() -> list[Change]:
    """Return changes in which everything that others write is hostile."""
    one = maker()
    checks = HostResult(state="failed", reason=HOSTILE, restarted=(HOSTILE,))
    found = [one.patch(reason=HOSTILE, command=HOSTILE, controller=HOSTILE, ticket=HOSTILE)]
    one.now += timedelta(hours=1)
    found.append(
        one.playbook(
            reason=HOSTILE,
            outcome="failed",
            detail=HOSTILE,
            hosts={"app1": checks},
            follow_up=(HOSTILE,),
            command=HOSTILE,
        )
    )
    one.now += timedelta(hours=1)
    found.append(one.drill(outcome="failed", detail=HOSTILE))
    one.now += timedelta(hours=1)
    identifier, files = one.patch()
    text = (
        files["record.json"].replace(b'"name":"lib', b'"name":"<b onclick=alert(1)>lib').replace(b'"CVE-', b'"<i>CVE-')
    )
    return [*found, (identifier, {**files, "record.json": text})]


def test_hostile_content_is_shown_and_not_run(tmp_path: Path) -> None:
    site(tmp_path, hostile())
    found = pages(tmp_path / "site")
    everything = "".join(text for name, text in found.items() if name.endswith(".html"))
    for words in ("<script>alert", "<img", "<b onclick", "<i>CVE", "\u202e", ">49<", "</script><"):
        assert words not in everything, words
    assert everything.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 5
    assert "\\u202e" in everything
    assert "&lt;b onclick=alert(1)&gt;lib" in everything
    index = found["changes/index-2026.js"]
    assert "<" not in index
    assert json.loads(index.partition(", ")[2].removesuffix(");\n"))
    table = found["changes/2026/09/changes.csv"]
    assert not re.search(r"(?m)(?:^|,)\"?[=+@-]", table)


def test_a_page_stays_small(tmp_path: Path) -> None:
    names = hosts(200)
    one = Maker(names, datetime(2026, 11, 1, tzinfo=UTC), timedelta(minutes=30))
    book = logbook(tmp_path / "book", one.changes(350))
    build(Job(tmp_path / "site", ROOT, book, inventory(names), operators(), now=NOW))
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "site").rglob("*.html")}
    assert {name: size for name, size in sizes.items() if size > 500_000} == {}
    assert (tmp_path / "site/changes/2026/11/index-2.html").exists()


def test_signatures_show_whose_key_it_is(tmp_path: Path) -> None:
    world = World(tmp_path)
    record_change(world, change())
    book = world.clone()
    build(Job(tmp_path / "site", ROOT, book, factories.inventory(), world.operators, now=NOW))
    text = next((tmp_path / "site/changes/2026/11").glob("*-k7xq.html")).read_text()
    mine = next(person for person in world.operators.all if person.name == "anna").keys[0].fingerprint
    assert text.count(f"<code>{mine}</code>") == 5
    assert "of nobody in the inventory" not in text
    signed = book.git.run("log", "--format=%H %GF", "-1").text.split()
    assert f'<code title="{signed[0]}">' in text
    assert signed[1] == mine
    strangers = operators()
    build(Job(tmp_path / "other", ROOT, book, factories.inventory(), strangers, now=NOW))
    other = next((tmp_path / "other/changes/2026/11").glob("*-k7xq.html")).read_text()
    assert other.count("of nobody in the inventory") == 5


def exposures(folder: Path) -> Iterator[tuple[str, str, bool]]:
    with Store.open(folder) as store:
        for months in store.advisory_months().values():
            for found in store.exposures(months).values():
                yield from ((one.advisory, one.host, one.open) for one in found)


def test_an_advisory_is_open_until_its_package_is_in_use(tmp_path: Path) -> None:
    plan = factories.plan(("app1",))
    files: Files = {"plan.json": file_bytes(plan)}
    site(tmp_path, [(plan.request.id, files)])
    assert list(exposures(tmp_path / "site")) == [("CVE-2026-1234", "app1", True)]
    for state, still in (("installed-pending-restart", True), ("installed", False)):
        record = _record_of(plan, state)
        contents = {**files, "record.json": file_bytes(record)}
        site(tmp_path / state, [(plan.request.id, contents)])
        assert list(exposures(tmp_path / state / "site")) == [("CVE-2026-1234", "app1", still)]


def test_what_a_newer_plan_does_not_list_went_without_a_record(tmp_path: Path) -> None:
    plan = factories.plan(("app1",))
    site(tmp_path, [(plan.request.id, {"plan.json": file_bytes(plan)})])
    month = tmp_path / "site/vulnerabilities/2026-11.html"
    assert list(exposures(tmp_path / "site")) == [("CVE-2026-1234", "app1", True)]
    one = Maker(("app1",), factories.NOW + timedelta(days=1), timedelta(0))
    site(tmp_path, [one.patch()])
    assert ("CVE-2026-1234", "app1", False) in list(exposures(tmp_path / "site"))
    row = next(line for line in month.read_text().splitlines() if "CVE-2026-1234" in line)
    assert row.endswith("<td></td><td>app1</td></tr>")


def _record_of(plan: Any, state: str) -> Record:
    package = {
        "name": "openssl", "architecture": "amd64", "from_version": "1", "to_version": "2", "state": state,
        "advisories": ("CVE-2026-1234",),
    }  # fmt: skip
    fields = {
        "id": plan.request.id,
        "kind": "patch",
        "category": "standard",
        "reason": "x",
        "outcome": "verified",
        "digest": plan.digest,
    }
    people = {"requester": "anna", "operator": "anna", "controller": "laptop"}
    times = {"started": factories.NOW, "ended": factories.NOW + timedelta(minutes=9)}
    return Record(**fields, **people, **times, hosts={"app1": {"state": "verified", "packages": (package,)}})  # type: ignore[arg-type]  # checked by the model


def test_a_patch_taken_back_opens_its_advisories_again() -> None:
    plan = factories.plan(("app1",))
    record = _record_of(plan, "installed").model_copy(update={"kind": "revert"})
    found = rows(parse_change(plan.request.id, {"record.json": file_bytes(record)})).exposures
    assert [(name, host, installed, reopened is not None) for name, host, _, installed, reopened, *_ in found] == [
        ("CVE-2026-1234", "app1", None, True)
    ]
