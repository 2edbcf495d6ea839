"""What PostgreSQL stores of a password (RFC 5803), made here, so that the password itself never reaches the server."""

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

_STORED = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$")
_ITERATIONS = 4096
"""As PostgreSQL's own, and RFC 7677's least."""


class FilterModule:
    """Gives the filter its name."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Return name → filter."""
        return {"postgresql_scram": postgresql_scram}


def postgresql_scram(password: str, stored: str | None = None) -> str:
    """Return the verifier of *password*: *stored* itself if it is one of it, else one with a new salt.

    Raises:
        AnsibleFilterError: the password is empty or not printable ASCII, where programs differ in how they write it.
    """
    if not re.fullmatch(r"[ -~]+", password):
        raise AnsibleFilterError("a database password must be of printable ASCII characters, and not empty")
    known = _STORED.match(stored or "")
    if known and _verifier(password, int(known[1]), base64.b64decode(known[2])) == stored:
        return stored
    return _verifier(password, _ITERATIONS, os.urandom(16))


def _verifier(password: str, iterations: int, salt: bytes) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    words = [base64.b64encode(part).decode() for part in (salt, client, server)]
    return f"SCRAM-SHA-256${iterations}:{words[0]}${words[1]}:{words[2]}"
