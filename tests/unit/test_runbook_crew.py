"""Other processes, and what is kept from build to build: neither changes a byte of a page."""

import gc
import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.runbook import entries, reading
from ops.runbook.crew import Crew, uncollected
from ops.runbook.entries import Entry, Span, parse_log, read_entries, spans
from ops.runbook.render import Renderer
from ops.runbook.store import Delays, Store
from ops.runbook.summary import Rows
from tests.unit.logbook_world import World, change, record_change
from tests.unit.test_runbook_site import maker, pages, site

DAY = 86400


def told(renderer: Renderer, job: int) -> tuple[str, int]:
    """Return what the renderer says of *job*, and which process asked it."""
    return str(renderer.words.span(job)), os.getpid()


def test_a_crew_does_in_other_processes_what_it_does_alone() -> None:
    with Crew.of(("de", "en")) as crew:
        alone = list(crew.each(told, range(0, 500_000, 40_000)))
        crew.call()
        together = list(crew.each(told, range(0, 500_000, 40_000)))
    assert [words for words, _ in alone] == [words for words, _ in together]
    assert {process for _, process in alone} == {os.getpid()}
    assert os.getpid() not in {process for _, process in together}


def refuse(renderer: Renderer, job: int) -> None:
    raise OSError(f"the disk is full, {job}")


def test_what_fails_in_another_process_fails_here() -> None:
    with Crew.of(("en",)) as crew:
        crew.call()
        with pytest.raises(OSError, match="full, 1"):
            list(crew.each(refuse, [1, 2]))


def test_several_processes_write_the_same_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = maker()
    changes = list(one.changes(20))
    one.now += timedelta(days=1)
    changes.append(one.playbook(links={"corrects": changes[0][0]}))
    site(tmp_path / "one", changes)
    asked = []
    call = Crew.call
    monkeypatch.setattr(Crew, "call", lambda crew: (asked.append(1), call(crew)))
    monkeypatch.setattr(reading, "FEW", 5)
    monkeypatch.setattr(reading, "CHUNK", 3)
    monkeypatch.setattr("ops.runbook.site.PAGES", 2)
    site(tmp_path / "many", changes)
    assert asked == [1]
    assert pages(tmp_path / "one" / "site") == pages(tmp_path / "many" / "site")
    assert kept(tmp_path / "one") == kept(tmp_path / "many")


def kept(folder: Path) -> dict[str, str]:
    """Return of what every page of the site in *folder* was made."""
    with Store.open(folder / "site") as store:
        return store.page_keys("")


def test_unused_cycles_are_looked_for_again_after_a_build() -> None:
    def fail() -> None:
        with uncollected():
            assert not gc.isenabled()
            raise OSError("the disk is full")

    assert gc.isenabled()
    with pytest.raises(OSError, match="full"):
        fail()
    assert gc.isenabled()


def exposure(advisory: str, seen: int, installed: int | None, published: int | None = None) -> Any:
    return advisory, "app1", seen, installed, None, "c", published


def figures(opened: Store) -> tuple[Delays, dict[str, list[str]], dict[str, tuple[int, int]]]:
    return opened.delays([3600, DAY]), opened.advisory_months(), dict(opened.flow())


def test_figures_are_made_anew_when_a_change_says_something_of_an_advisory(tmp_path: Path) -> None:
    with Store.open(tmp_path) as opened:
        assert figures(opened) == (Delays(0, 0, 0, (0, 0)), {}, {})
        opened.put([("a", "", "{}", Rows(exposures=[exposure("CVE-1", 100, 3700), exposure("CVE-2", 100, None)]))])
        first = figures(opened)
        assert first == (Delays(1, 3600, 3600, (1, 1)), {"1970-01": ["CVE-1", "CVE-2"]}, {"1970-01": (2, 1)})
    with Store.open(tmp_path) as opened:
        opened.put([("b", "", "{}", Rows())])
        assert figures(opened) == first
        opened.put([("c", "", "{}", Rows(exposures=[exposure("CVE-2", 100, 100 + 40 * DAY)]))])
        months = {"1970-01": (2, 1), "1970-02": (0, 1)}
        assert figures(opened) == (Delays(2, 40 * DAY, 40 * DAY, (1, 1)), first[1], months)


def test_figures_are_made_anew_when_a_plan_does_not_list_an_advisory_any_more(tmp_path: Path) -> None:
    with Store.open(tmp_path) as opened:
        opened.put([("a", "", "{}", Rows(exposures=[exposure("CVE-1", 100, None)]))])
        assert opened.flow() == {"1970-01": (1, 0)}
        look = ("app1", "b", DAY, "current", 0, "{}")
        opened.put([("b", "", "{}", Rows(looks=[look]))])
        assert opened.flow() == {}


@pytest.mark.parametrize("times", [(None, 60, 90), (90, None, 60), (60, 90, None)])
def test_what_was_written_first_counts_as_published(tmp_path: Path, times: tuple[int | None, ...]) -> None:
    with Store.open(tmp_path) as opened:
        for published in times:
            opened.put([("a", "", "{}", Rows(exposures=[exposure("CVE-1", 100, None, published)]))])
        assert [one.published for one in opened.exposures(["CVE-1"])["CVE-1"]] == [60]


def test_a_store_of_an_earlier_program_is_made_anew(tmp_path: Path) -> None:
    with Store.open(tmp_path) as opened:
        opened._db.execute("DROP VIEW standing")
        opened._db.execute("CREATE VIEW standing AS SELECT advisory FROM exposure")
        opened._db.execute("ALTER TABLE exposure DROP COLUMN published")
    with Store.open(tmp_path) as opened:
        opened.clear()
        opened.put([("a", "", "{}", Rows(exposures=[exposure("CVE-1", 100, None, 60)]))])
        assert [one.published for one in opened.exposures(["CVE-1"])["CVE-1"]] == [60]


def test_figures_are_counted_by_the_limits_that_are_asked_for(tmp_path: Path) -> None:
    with Store.open(tmp_path) as opened:
        opened.put([("a", "", "{}", Rows(exposures=[exposure("CVE-1", 0, 60), exposure("CVE-2", 0, 61)]))])
        assert (opened.delays([60]).within, opened.delays([59, 61]).within) == ((1,), (0, 2))
        opened.clear()
        assert figures(opened) == (Delays(0, 0, 0, (0, 0)), {}, {})


def test_entries_are_read_in_parts_and_none_is_left_out(tmp_path: Path) -> None:
    world = World(tmp_path)
    record_change(world, change())
    logbook = world.clone()
    whole = Span(logbook, "", logbook.head())
    everything = sorted(read_entries(None, whole))
    for most in (1, 2, 3, 5, 6):
        parts = spans(whole, most)
        assert sorted(entry for part in parts for entry in read_entries(None, part)) == everything
        assert len(parts) == -(-5 // most)
    (newest,) = spans(replace(whole, old=logbook.git.run("rev-parse", "HEAD^").text), 3)
    assert [entry.id for entry in read_entries(None, newest)] == [logbook.head()]
    assert spans(replace(whole, old=logbook.head()), 3) == []
    assert spans(replace(whole, head=""), 3) == []


def test_a_usual_commit_is_read_as_the_audit_takes_it_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    record_change(world, change())
    logbook = world.clone()
    words = ("log", "--reverse", "--format=raw", "--name-only", "--no-renames", "--root", "-z", logbook.head())
    text = logbook.git.run(*words).out
    asked: list[bytes] = []
    with monkeypatch.context() as patch:
        patch.setattr(entries, "take_apart", asked.append)
        quick = parse_log(text)
    assert (len(quick), asked) == (5, [])
    monkeypatch.setattr(entries, "_USUAL", re.compile(rb"(?!)"))
    assert parse_log(text) == quick
    assert all(isinstance(one, Entry) and one.fingerprint for one in quick)
