"""The site on this machine's own address, for browsers that cannot open files."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

ADDRESS = "127.0.0.1"


class Handler(SimpleHTTPRequestHandler):
    """Gives the pages, and neither lists of folders nor what the build keeps for itself."""

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Refuse what is hidden, and folders without a page."""
        path = Path(self.translate_path(self.path))
        hidden = any(part.startswith(".") for part in path.relative_to(Path(self.directory).resolve()).parts)
        if hidden or (path.is_dir() and not (path / "index.html").exists()):
            self.send_error(404)
            return None
        return super().send_head()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name in the library)
        """Say nothing of each request."""


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of the site in *folder* on *port* of this machine (0: any), not yet serving.

    Raises:
        OSError: the port is taken.
    """
    return ThreadingHTTPServer((ADDRESS, port), partial(Handler, directory=str(folder.resolve())))
