"""What the site of runbooks of ten years costs: made from nothing, after one new record, and its largest page in a browser.

usage: python -m tests.bench.pages [--changes 10000] [--hosts 200] [--seed 1] [--keep FOLDER]
"""

import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from ops.lab.packages import ensure_packages
from ops.runbook.site import Built, Job, build
from tests.bench.fleet import Fleet
from tests.bench.logbook import Cost, Made, add_one, asked_for, timed
from tests.site.browser import QUIET
from tests.unit.runbook_world import ROOT, inventory

COLD, SAME, ONE, SHOWN = (
    "all pages, from nothing",
    "nothing new",
    "one new record",
    "the largest page in Chromium, until it is usable",
)
LARGEST_BYTES = 500_000


def main() -> None:
    """Make the logbook and its site, measure, print a table and whether the targets are met."""
    with asked_for(str(__doc__)) as (made, options, scratch):
        for line in measured(made, tuple(Fleet(options.hosts, options.seed).hosts), scratch / "site"):
            print(line)


def measured(made: Made, hosts: tuple[str, ...], folder: Path) -> Iterator[str]:
    """Make the site in *folder* three times, and yield what that took as a table, and the targets."""
    costs: dict[str, Cost] = {}

    def make() -> Built:
        return build(Job(folder, ROOT, made.clone(), inventory(hosts), made.operators))

    cold = timed(costs, COLD, make)
    same = timed(costs, SAME, make)
    add_one(made)
    one = timed(costs, ONE, make)
    assert (same.read, one.read) == (0, 1), (same, one)
    pages = sorted((page.stat().st_size, page) for page in folder.rglob("*.html"))
    size, largest = pages[-1]
    shown = seconds_to_show(largest)
    yield f"{cold.changes} changes, {len(pages)} pages, {sum(size for size, _ in pages) / 1e6:.0f} MB"
    yield from ("| | by the clock | of processors |", "|---|---|---|")
    yield from (f"| {name} | {cost} |" for name, cost in costs.items())
    yield f"| {SHOWN} | {shown:.2f} s | |"
    for words, met in (
        (f"from nothing < 30 s: {costs[COLD].clock:.1f} s", costs[COLD].clock < 30),
        (f"one new record < 2 s: {costs[ONE].clock:.2f} s", costs[ONE].clock < 2),
        (f"largest page < 500 kB: {size / 1000:.0f} kB, {largest.relative_to(folder)}", size < LARGEST_BYTES),
        (f"usable within 1 s: {shown:.2f} s", shown < 1),
    ):
        yield f"{'met' if met else 'MISSED'}: {words}"


def seconds_to_show(page: Path) -> float:
    """Return how long Chromium, running already, takes until *page* has loaded and answers a script."""
    ensure_packages(("chromium", "chromium"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(QUIET))
        tab = browser.new_page()
        tab.goto("about:blank")
        began = time.monotonic()
        tab.goto(page.as_uri(), wait_until="load")
        tab.evaluate("document.body.innerText.length")
        return time.monotonic() - began


if __name__ == "__main__":
    main()
