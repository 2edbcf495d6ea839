#!/usr/bin/python3
"""A relay for the tests that takes mail only from one account, over TLS, and keeps it in /var/mail-account."""

import ssl
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword) -> AuthResult:
    """Know one account."""
    return AuthResult(success=(data.login, data.password) == (b"lf", b"geheim # 7"))


tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain("/etc/ssl/bordbuch/host.crt", "/etc/ssl/bordbuch/host.key")
Controller(
    Mailbox("/var/mail-account"),
    hostname="127.0.0.1",
    port=2526,
    tls_context=tls,
    require_starttls=True,
    authenticator=check,
    auth_required=True,
).start()
threading.Event().wait()
