"""The archive over HTTP: files in memory, counted requests, and the ways in which a mirror fails."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote

from tests.archive.keys import Key, Keyring
from tests.archive.suite import Suite, files_of

# Dates in HTTP and Release files have no fractions: two publications must lie further apart than a second.
STEP = timedelta(seconds=2)


class Archive:
    """The files that are published, and a server for them. Made by :func:`archive`.

    Attributes:
        keys: further keys come from here.
        key: what suites are signed with unless they say otherwise.
        requests: (path, status) of every answer, in order.
    """

    def __init__(self, address: str, keys: Keyring, key: Key) -> None:
        self.keys, self.key = keys, key
        self.requests: list[tuple[str, int]] = []
        self._address = (address, 0)
        self._files: dict[str, tuple[bytes, datetime]] = {}
        # Far enough back that no publication ever lies in the future, which apt refuses.
        self._clock = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)
        self._server: ThreadingHTTPServer | None = None
        self._slow_seconds, self._slow_paths = 0.0, ""
        self._open = Event()
        self._open.set()
        self.serve()

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"http://{self._address[0]}:{self._address[1]}"

    def publish(self, *suites: Suite) -> None:
        """Publish each of *suites* in place of what it offered before, newer than that by more than a second."""
        for suite in suites:
            self._clock += STEP
            new = files_of(suite, self.keys, self.key, self._clock)
            self.withdraw(suite)
            self._files |= {path: (content, self._clock) for path, content in new.items()}

    def withdraw(self, suite: Suite) -> None:
        """Remove a suite's indices, as when a release moves to the archive of old ones; packages stay."""
        gone = [path for path in self._files if path.startswith(f"{suite.folder}/")]
        for path in gone:
            del self._files[path]

    def remove(self, ending: str) -> None:
        """Remove the files whose path ends with *ending*, which indices go on naming. Raises KeyError if none does."""
        for path in self._ending(ending):
            del self._files[path]

    def corrupt(self, ending: str) -> None:
        """Change one byte of the files whose path ends with *ending*. Raises KeyError if none does."""
        for path in self._ending(ending):
            content, stamp = self._files[path]
            self._files[path] = (content[:-1] + bytes([content[-1] ^ 1]), stamp)

    def _ending(self, ending: str) -> list[str]:
        found = [path for path in self._files if path.endswith(ending)]
        if not found:
            raise KeyError(ending)
        return found

    def serve(self) -> None:
        """Answer (again), at once and from the same port."""
        self._slow_seconds, self._slow_paths = 0.0, ""
        self._open.set()
        if self._server is None:
            self._server = _Server(self._address, self)
            self._address = (self._address[0], self._server.server_address[1])
            Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def refuse(self) -> None:
        """Refuse connections from now on."""
        self._open.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def hang(self, paths: str = "") -> None:
        """Accept requests and answer none whose path contains *paths*, until :meth:`serve` or :meth:`refuse`."""
        self._slow_paths = paths
        self._open.clear()

    def slow(self, seconds: float, paths: str = "") -> None:
        """Wait that long before each answer whose path contains *paths*."""
        self._slow_seconds, self._slow_paths = seconds, paths

    def answer(self, path: str, since: str | None) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body for a request; what *since* knows already is not sent again."""
        if self._slow_paths in path:
            time.sleep(self._slow_seconds)
            self._open.wait()
        found = self._files.get(path.lstrip("/"))
        if found is None:
            return HTTPStatus.NOT_FOUND, {}, b""
        content, stamp = found
        headers = {"Last-Modified": format_datetime(stamp, usegmt=True)}
        if since and stamp <= parsedate_to_datetime(since):
            return HTTPStatus.NOT_MODIFIED, headers, b""
        return HTTPStatus.OK, headers, content

    def count(self, paths: str = "") -> int:
        """Return how many requests for paths that contain *paths* were answered so far."""
        return sum(paths in path for path, _ in self.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], archive: Archive) -> None:
        self.archive = archive
        super().__init__(address, _Handler)

    def handle_error(self, *given: Any) -> None:
        """Say nothing of a client that gave up waiting: that is what tests want to see."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*given)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        archive = self.server.archive
        status, headers, body = archive.answer(unquote(self.path), self.headers["If-Modified-Since"])
        archive.requests.append((self.path, int(status)))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: requests are counted."""


@contextmanager
def archive(address: str, keys: Keyring, key: Key) -> Iterator[Archive]:
    """Serve an empty archive on *address* at a free port; nothing listens afterwards."""
    served = Archive(address, keys, key)
    try:
        yield served
    finally:
        served.refuse()
