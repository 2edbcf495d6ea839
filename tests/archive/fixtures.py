"""Fixtures for a conftest: ``from tests.archive.fixtures import archive_keys, make_archive``."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.archive.keys import Key, Keyring, keyring
from tests.archive.server import Archive, archive


@pytest.fixture(scope="session")
def archive_keys() -> Iterator[tuple[Keyring, Key]]:
    """The secret keys of the session, and the one that signs the archive."""
    with keyring() as keys:
        yield keys, keys.make("archive", subkey=True)


@pytest.fixture
def make_archive(archive_keys: tuple[Keyring, Key]) -> Iterator[Callable[[str], Archive]]:
    """A function that serves an empty archive on an address of this machine until the test ends."""
    with ExitStack() as stack:
        yield lambda address: stack.enter_context(archive(address, *archive_keys))
