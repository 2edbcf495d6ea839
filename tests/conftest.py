"""What all tests share: markers by folder, and the lab of the test run."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.lab import Lab
from ops.lab.names import RELEASES, default_hosts

HERE = Path(__file__).parent
FOLDERS = {
    "lab": "needs lab hosts",
    "faults": "breaks lab hosts on purpose",
    "browser": "needs Chromium, and what makes PDFs",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "Debian release of the lab's db1 and backup1; app1 has the other one"
    parser.addoption("--database-release", choices=RELEASES, default="trixie", help=about)


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in FOLDERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning} (tests/{name})")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            folder = item.path.relative_to(HERE).parts[0]
            if folder in FOLDERS:
                item.add_marker(folder)


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The lab of this test run: app1 (bookworm), db1 and backup1 (trixie), or the other way round with ``--database-release``.

    A test that changes a host resets it first.

    Its state folder is .lab-test, or what BORDBUCH_LAB names; what tests start (Ansible, Invoke) finds it there. It
    ends with this process, however that ends.
    """
    with pytest.MonkeyPatch.context() as patch:
        name = os.environ.get("BORDBUCH_LAB", ".lab-test")
        patch.setenv("BORDBUCH_LAB", f"{name}-{worker}" if (worker := os.environ.get("PYTEST_XDIST_WORKER")) else name)
        started = Lab.here()
        with only_run(started):
            started.down()
            started.up(default_hosts(request.config.getoption("--database-release")), owner=os.getpid())
            yield started
            started.down()


@pytest.fixture
def fresh_lab(lab: Lab) -> Lab:
    """The lab with all its hosts as they were when new."""
    lab.reset()
    return lab


@contextmanager
def only_run(lab: Lab) -> Iterator[None]:
    """Hold the state folder for this test run; a second run at the same time needs one of its own."""
    lab.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(lab.keys, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        pytest.exit(f"another test run uses {lab.state}; name another folder: BORDBUCH_LAB=.lab-mine", 2)
    finally:
        os.close(descriptor)
