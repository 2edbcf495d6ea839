"""Key pairs of the lab: one for root on its hosts, and one per operator."""

import secrets
from pathlib import Path

from ops.lab.system import run


def ensure_pair(key: Path) -> None:
    """Make the key pair *key* and ``.pub`` unless it is there; a kill leaves no half of one."""
    if key.exists() and public(key).exists():
        return
    aside = key.with_name(f".{key.name}.{secrets.token_hex(4)}")
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", str(aside)])
    public(aside).replace(public(key))
    aside.replace(key)


def public(key: Path) -> Path:
    """Return the file of the public half."""
    return key.with_name(f"{key.name}.pub")
