"""Signs as ssh-keygen does, in process: for logbooks too large to make with a process for each signature."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PLAIN, DEVICE = b"ssh-ed25519", b"sk-ssh-ed25519@openssh.com"
APPLICATION = b"ssh:"
TOUCHED = b"\x01\x00\x00\x00\x07"
"""Flags and counter, as a device signs them."""


def field(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


@dataclass(frozen=True)
class Signing:
    """An ed25519 key made of a seed; *device* signs as one in a security key does."""

    seed: bytes
    device: bool = False

    @cached_property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.seed).digest())

    @cached_property
    def blob(self) -> bytes:
        point = field(self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        return field(DEVICE) + point + field(APPLICATION) if self.device else field(PLAIN) + point

    @property
    def public(self) -> str:
        kind = DEVICE if self.device else PLAIN
        return f"{kind.decode()} {base64.b64encode(self.blob).decode()}"

    @property
    def file(self) -> bytes:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())

    def sign(self, payload: bytes, namespace: bytes = b"git", digest: str = "sha512") -> bytes:
        """Return the armored signature of *payload*."""
        parts = (namespace, b"", digest.encode(), hashlib.new(digest, payload).digest())
        message = b"SSHSIG" + b"".join(field(part) for part in parts)
        blob = b"SSHSIG\0\0\0\1" + b"".join(field(part) for part in (self.blob, *parts[:3], self._signed(message)))
        text = base64.b64encode(blob).decode()
        lines = "\n".join(text[start : start + 70] for start in range(0, len(text), 70))
        return f"-----BEGIN SSH SIGNATURE-----\n{lines}\n-----END SSH SIGNATURE-----\n".encode()

    def _signed(self, message: bytes) -> bytes:
        if not self.device:
            return field(PLAIN) + field(self.private.sign(message))
        said = hashlib.sha256(APPLICATION).digest() + TOUCHED + hashlib.sha256(message).digest()
        return field(DEVICE) + field(self.private.sign(said)) + TOUCHED


def signed_commit(payload: bytes, signature: bytes) -> bytes:
    """Return the content of a commit's object: *payload* with its *signature* as a header, as git writes it."""
    head, blank, message = payload.partition(b"\n\n")
    return head + b"\ngpgsig " + signature.rstrip(b"\n").replace(b"\n", b"\n ") + blank + message
