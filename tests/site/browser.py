"""Real Chromium on a lab host's pages: it trusts exactly the certificate that the host has, and asks nobody else."""

import base64
import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from ops.lab import Lab
from ops.lab.packages import ensure_packages

CERTIFICATE = "/etc/ssl/bordbuch/host.crt"
QUIET = (
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync",
    "--no-default-browser-check", "--no-first-run", "--no-pings", "--no-sandbox",
)  # fmt: skip


@contextmanager
def browser(lab: Lab, host: str) -> Iterator[Page]:
    """Give a page of a browser that finds *host* by its name."""
    ensure_packages(("chromium", "chromium"))
    address = next(str(guest.address) for guest in lab.hosts() if guest.name == host)
    arguments = [
        *QUIET,
        f"--host-resolver-rules=MAP {host} {address},MAP * ~NOTFOUND",
        f"--ignore-certificate-errors-spki-list={key_digest(lab, host)}",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        try:
            page = chromium.new_page(locale="de-DE")
            page.set_default_timeout(40_000)
            yield page
        finally:
            chromium.close()


def key_digest(lab: Lab, host: str) -> str:
    """Return the SHA-256, in base64, of the public key in the certificate that lies on *host*."""
    certificate = lab.run_on(host, ["cat", CERTIFICATE]).stdout
    key = _openssl("x509", "-noout", "-pubkey", given=certificate.encode())
    return base64.b64encode(hashlib.sha256(_openssl("pkey", "-pubin", "-outform", "der", given=key)).digest()).decode()


def _openssl(*words: str, given: bytes) -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, timeout=30, check=True).stdout
