"""Runs of the playbook for the whole site: to see what would change, or to change it."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.logbook.model import Event
from ops.playbook import Playbook

NAME = "site.yml"


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


def look(inventory: Path, hosts: Sequence[str], tags: str, report: Callable[[Event], None]) -> list[Event]:
    """Return the events of a check run on *hosts*: each task says what it would change, and changes nothing."""
    with tempfile.TemporaryDirectory(prefix="bordbuch-") as spool:
        once = {"deploy_waves": ["100%"]}  # nothing is touched, so no canary has to go first
        return Site(NAME, inventory, Path(spool), once, ",".join(hosts), options=options(tags, check=True)).run(report)
