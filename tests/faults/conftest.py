"""Fixtures for tests that break hosts on purpose."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from ops.lab import Lab
from tests.archive.fixtures import archive_keys, make_archive
from tests.archive.scenarios import Scenario
from tests.archive.server import Archive
from tests.faults.site import Site

__all__ = ["archive_keys", "make_archive", "site"]

RELEASES = {"app1": "bookworm", "db1": "trixie", "backup1": "trixie"}

MakeSite = Callable[..., Site]


@pytest.fixture
def site(lab: Lab, make_archive: Callable[[str], Archive], tmp_path: Path) -> Iterator[MakeSite]:
    """A function that makes a site: ``site(scenario, "app1", "db1", patch_reboot="never")``."""
    with ExitStack() as stack:

        def make(scenario: Scenario, *hosts: str, **variables: object) -> Site:
            made = Site(lab, make_archive(str(lab.gateway)), tmp_path, {host: RELEASES[host] for host in hosts})
            stack.callback(made.close)
            made.configure(**{"patch_reboot": "never", **variables})
            made.arrange(scenario)
            return made

        yield make


@pytest.fixture
def bare(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """A function that makes a site of bare hosts, with Debian's own archive: ``bare("app1", freezes=[…])``."""
    with ExitStack() as stack:

        def make(*hosts: str, **variables: Any) -> Site:
            made = Site(lab, cast("Archive", None), tmp_path, {host: RELEASES[host] for host in hosts})
            stack.callback(made.close)
            made.configure(**variables)
            lab.reset(hosts)
            return made

        yield make
