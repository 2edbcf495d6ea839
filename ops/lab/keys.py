"""Key pairs of the lab: one for root on its hosts, and one per operator, which all labs of a checkout share.

The inventory names the operators' public keys, so they are the same whatever a lab's state folder is.
"""

import secrets
import shutil
from pathlib import Path

from ops.lab.system import run


def ensure_pair(key: Path) -> None:
    """Make the key pair *key* and ``.pub`` unless it is there; never half of one."""
    if key.exists() and public(key).exists():
        return
    key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = key.with_name(f".{key.name}.{secrets.token_hex(4)}")
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", str(aside)])
    public(aside).replace(public(key))
    aside.replace(key)


def ensure_copy(source: Path, key: Path) -> None:
    """Make *key* the same pair as *source*, which is made first where it is missing."""
    ensure_pair(source)
    if source != key and not (public(key).exists() and public(key).read_bytes() == public(source).read_bytes()):
        shutil.copy(source, key)
        shutil.copy(public(source), public(key))


def public(key: Path) -> Path:
    """Return the file of the public half."""
    return key.with_name(f"{key.name}.pub")
