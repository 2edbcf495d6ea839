"""Runs of the playbook for the whole site: to see what would change, or to change it."""

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ops.logbook.model import Event
from ops.playbook import Playbook

NAME = "site.yml"
AT_ONCE = 2 * (os.cpu_count() or 1)
"""Check runs beside each other: each waits for its host about half of the time."""


@dataclass(frozen=True)
class Site(Playbook):
    """One run of the site's playbook, with *options* of ansible-playbook."""

    options: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """Return the command line; a person can run the same."""
        program, *rest = super().command()
        return [program, *self.options, *rest]


def options(tags: str, *, check: bool) -> tuple[str, ...]:
    """Return the options for a run of *tags* (empty: all), that only looks if it is a *check*."""
    return (*(("--check", "--diff") if check else ()), *(("--tags", tags) if tags else ()))


def look(inventory: Path, hosts: Sequence[str], tags: str, report: Callable[[Event], None]) -> list[list[Event]]:
    """Return the events of a check run on each of *hosts*: each task says what it would change, and changes nothing.

    Each host has a run of its own beside the others: nothing is touched, so none has to wait for another.
    """
    with tempfile.TemporaryDirectory(prefix="bordbuch-") as spool, ThreadPoolExecutor(AT_ONCE) as pool:
        what = options(tags, check=True)
        runs = [Site(NAME, inventory, Path(spool) / host, {}, host, options=what) for host in hosts]
        return list(pool.map(lambda run: run.run(report), runs))
