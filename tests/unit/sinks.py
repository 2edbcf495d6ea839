"""Servers on loopback that take what is announced: a mail server and a web server, small, and bad on purpose where told to be."""

import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast


@dataclass
class Sink:
    """One server: its port, and what came."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    posts: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    refuse: tuple[str, ...] = ()
    """Beginnings of addresses that the mail server refuses."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None
    """The web server answers once it is set."""


@contextmanager
def mail_server(**how: Any) -> Iterator[Sink]:
    """Yield a mail server."""
    sink = Sink(**how)

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            converse(self.rfile.readline, self.wfile.write, sink)

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation), sink):
        yield sink


def converse(read: Callable[[], bytes], write: Callable[[bytes], Any], sink: Sink) -> None:
    """Speak as much SMTP (RFC 5321) as smtplib needs."""
    write(b"220 sink\r\n")
    while line := read().decode().strip():
        verb = line[:4].upper()
        refused = verb == "RCPT" and line.partition("<")[2].startswith(sink.refuse or ("\0",))
        if verb == "DATA":
            write(b"354 go on\r\n")
            lines = iter(read, b".\r\n")
            sink.mails.append(cast(EmailMessage, message_from_bytes(b"".join(lines), policy=policy.default)))
        answers = {"EHLO": b"250-sink\r\n250 8BITMIME\r\n", "QUIT": b"221 bye\r\n"}
        write(b"550 no such mailbox erika@example.org\r\n" if refused else answers.get(verb, b"250 ok\r\n"))


@contextmanager
def web_server(**how: Any) -> Iterator[Sink]:
    """Yield a web server that takes JSON."""
    sink = Sink(**how)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            sink.posts.append((self.path, dict(self.headers), json.loads(content)))
            if sink.wait:
                sink.wait.wait(30)
            self.send_response(sink.status)
            for name, value in sink.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler), sink):
        yield sink


@contextmanager
def serving(server: socketserver.TCPServer, sink: Sink) -> Iterator[None]:
    """Run *server* while the block lasts."""
    sink.port = server.server_address[1]
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            if sink.wait:
                sink.wait.set()
            server.shutdown()
