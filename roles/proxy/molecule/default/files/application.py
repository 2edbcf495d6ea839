#!/usr/bin/python3
"""An application server for the tests: real HTTP, and the faults of the real one that a proxy must know.

It takes a second to listen; a stop cuts what it is doing; it needs a request's headers in one segment; an exception is a
page with a stack trace. It counts each POST when it begins, and takes a while to answer.
"""

import json
import os
import signal
import socketserver
import time
from pathlib import Path

POSTS = Path("/var/lib/application/posts")


class Handler(socketserver.BaseRequestHandler):
    """One connection, one request."""

    def handle(self) -> None:
        """Answer."""
        data = self.request.recv(65536)
        head, found, body = data.partition(b"\r\n\r\n")
        if not found:
            return  # a worker is lost
        lines = head.decode("latin-1").split("\r\n")
        method, target, _version = lines[0].split(" ")
        headers = [line.split(": ", 1) for line in lines[1:]]
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        in_first = len(body)
        while len(body) < length and (more := self.request.recv(65536)):
            body += more
        self.answer(method, target, headers, body, in_first)

    def answer(self, method: str, target: str, headers: list[list[str]], body: bytes, in_first: int) -> None:
        """Count a POST; pages are named for what they do."""
        if method == "POST":
            with POSTS.open("ab") as file:
                file.write(body[:50] + b"\n")
            time.sleep(0.25)
        if target.startswith("/slow"):
            time.sleep(2)
        time.sleep(0.02)
        if target.startswith("/fault/"):
            self.send(int(target.split("/")[2]), "secret.lua:17: in function 'vote'\nstack traceback:")
        elif target.startswith("/echo"):
            self.send(200, json.dumps({"headers": headers, "in_first_segment": in_first, "target": target}))
        else:
            self.send(200, "a page\n")

    def send(self, status: int, text: str) -> None:
        """Send the answer, in two parts."""
        head = (
            f"HTTP/1.1 {status} Words\r\nContent-Length: {len(text)}\r\nServer: Moonbridge\r\nConnection: close\r\n\r\n"
        )
        self.request.sendall(head.encode())
        self.request.sendall(text.encode())


class Server(socketserver.ThreadingTCPServer):
    """One thread per connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
time.sleep(1)
Server(("127.0.0.1", 8080), Handler).serve_forever()
