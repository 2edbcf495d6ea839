#!/usr/bin/python3
"""A server of pages for the tests: TLS with the host's certificate, a login for all but /status/."""

import base64
import http.server
import ssl

LOGIN = "Basic " + base64.b64encode(b"auditor:right").decode()


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        """Say which headers came; 401 without the login."""
        known = self.path.startswith("/status/") or self.headers["Authorization"] == LOGIN
        page = str(self.headers).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Security-Policy", "default-src 'none'")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("/etc/ssl/bordbuch/host.crt", "/etc/ssl/bordbuch/host.key")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
