"""The ways out: mail, webhook, file, status page. Each may raise; what went wrong is told without addresses and secrets."""

import http.client
import json
import os
import shlex
import smtplib
import socket
import ssl
import stat
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Any

from ops.announce import page
from ops.announce.news import News
from ops.announce.settings import LOOPBACK, Settings
from ops.errors import BadInput, Failed, OpsError

SECONDS = 4.0
"""How long one step of a connection may take; shorter than all the news may take together."""

STRICT = ("BatchMode=yes", "StrictHostKeyChecking=yes", "ControlPath=none", f"ConnectTimeout={SECONDS:.0f}")
"""How ssh must behave whatever the inventory adds: the first setting counts."""

STATUS_COMMAND = "sudo -n /usr/local/sbin/bordbuch-pages status"
"""What takes the status page on its host (role pages)."""

NO_CONNECTION = 255
"""Exit code of ssh itself."""

PRIVATE = 0o077
"""Permissions of group and others, none of which a file with a secret may have."""


def mail(news: News, settings: Settings) -> None:
    """Hand *news* to the mail server of the inventory, one mail for each address.

    A server on another machine gets them under TLS only, with its certificate checked.

    Raises:
        Failed: the server refused some addresses.
        OSError, smtplib.SMTPException: it did not answer, or refused all.
    """
    addresses = recipients(news, settings)
    if not addresses:
        return
    domain = settings.mail_from.partition("@")[2]
    with smtplib.SMTP(settings.mail_host, settings.mail_port, domain, timeout=SECONDS) as server:
        if settings.mail_host not in LOOPBACK:
            server.starttls(context=ssl.create_default_context())
        codes = [code for address in addresses for code in _refusals(server, message(news, settings, address))]
    if codes:
        numbers = ", ".join(str(code) for code in sorted(set(codes)))
        raise Failed(f"the server refused {len(codes)} of {len(addresses)} mails ({numbers})")


def recipients(news: News, settings: Settings) -> tuple[str, ...]:
    """Return who gets *news* by mail: operators everything, the others what is public; nobody twice."""
    public = settings.mail_to if news.audience == "public" else ()
    return tuple(dict.fromkeys((*settings.operators_to, *public)))


def message(news: News, settings: Settings, address: str) -> EmailMessage:
    """Return the mail with *news* to *address*, marked so that no machine answers it."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = settings.mail_from, address, news.subject
    mail["Date"], mail["Message-ID"] = (
        format_datetime(news.time),
        make_msgid(domain=settings.mail_from.partition("@")[2]),
    )
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(news.text)
    return mail


def _refusals(server: smtplib.SMTP, mail: EmailMessage) -> Iterator[int]:
    try:
        server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        yield from (code for code, _words in error.recipients.values())
    except smtplib.SMTPResponseException as error:
        yield error.smtp_code


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would carry the token elsewhere, and turn the POST into a GET."""

    def redirect_request(self, *_arguments: Any) -> None:
        """Return that there is nothing to follow."""


def webhook(news: News, settings: Settings) -> None:
    """Post *news* as JSON to the address of the inventory; the certificate is checked.

    Raises:
        BadInput: the file of the token is missing or others can read it.
        OSError: there was no good answer.
    """
    token = secret(settings.webhook_token_file) if settings.webhook_token_file else ""
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "bordbuch"}
    if token and "{token}" not in settings.webhook:
        headers["Authorization"] = f"Bearer {token}"
    address, body = settings.webhook.replace("{token}", token), as_json(news)
    request = urllib.request.Request(address, body, headers, method="POST")  # noqa: S310  (the scheme was checked on loading)
    with urllib.request.build_opener(NoRedirect).open(request, timeout=SECONDS):
        pass  # only the status counts; urllib raises on a bad one


def as_json(news: News) -> bytes:
    """Return *news* as one line of JSON."""
    return json.dumps(news.model_dump(mode="json"), ensure_ascii=False, sort_keys=True).encode()


def secret(file: str) -> str:
    """Return the secret in *file*.

    Raises:
        BadInput: it is missing, empty, or others than its owner may read it.
    """
    path = Path(file).expanduser()
    try:
        with path.open() as opened:
            open_to = stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & PRIVATE
            text = opened.read().strip()
    except OSError:
        raise BadInput("the file of announce_webhook_token_file cannot be read") from None
    if open_to or not text:
        raise BadInput("the file of announce_webhook_token_file must hold a token and have mode 0600")
    return text


def append(news: News, settings: Settings) -> None:
    """Append *news* as a line of JSON to the file of the inventory: one write, so that lines of two writers do not mix."""
    descriptor = os.open(Path(settings.file).expanduser(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, as_json(news) + b"\n")
    finally:
        os.close(descriptor)


def publish(news: News, settings: Settings) -> None:
    """Write the status page into the folder of the inventory; readers see the old page or the new one, never a part."""
    if news.occasion == "question":
        return  # nothing has happened that a user could notice
    folder = Path(settings.status_page).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, prefix=".index-", delete=False) as file:
        file.write(page.render(news, settings.timezone))
    Path(file.name).chmod(0o644)
    Path(file.name).replace(folder / "index.html")


def push(news: News, settings: Settings) -> None:
    """Bring the status page to the host of the inventory, which replaces it whole.

    Raises:
        Failed: the host was not reached, or did not take it.
        subprocess.TimeoutExpired: it was too slow.
    """
    if news.occasion == "question":
        return  # as in publish
    text = page.render(news, settings.timezone).encode()
    done = subprocess.run(ssh(settings), input=text, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode == NO_CONNECTION:
        raise Failed("ssh did not reach the host, or refused its key")
    if done.returncode:
        raise Failed(f"the host did not take the page ({done.returncode})")


def ssh(settings: Settings) -> list[str]:
    """Return the command that takes the status page to the host of *settings* from its standard input."""
    fixed = [word for setting in STRICT for word in ("-o", setting)]
    return ["ssh", *fixed, *shlex.split(settings.status_ssh), "--", settings.status_host, STATUS_COMMAND]


def why(error: BaseException) -> str:
    """Return in a few words why something did not go out: never an address, a path or a server's own text."""
    if isinstance(error, OpsError):
        return error.what
    if isinstance(error, urllib.error.HTTPError):
        return f"the answer was {error.code}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        return why(error.reason)
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the server refused it ({error.smtp_code})"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the server offers no TLS"
    return next((words for kind, words in _WHY if isinstance(error, kind)), _plain(error))


_WHY = (
    (TimeoutError, "no answer in time"),
    (subprocess.TimeoutExpired, "no answer in time"),
    (ssl.SSLCertVerificationError, "its certificate is not valid"),
    (ssl.SSLError, "no TLS with it"),
    (socket.gaierror, "its name is not known"),
    (smtplib.SMTPServerDisconnected, "the server hung up"),
    (http.client.HTTPException, "the answer cannot be read"),
)


def _plain(error: BaseException) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else type(error).__name__
