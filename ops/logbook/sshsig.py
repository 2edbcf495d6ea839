"""Signatures as `ssh-keygen -Y sign` makes them (PROTOCOL.sshsig of OpenSSH), verified in this process. Pure."""

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAGIC = b"SSHSIG"
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
HASHES = ("sha256", "sha512")


class SignatureError(ValueError):
    """Why a signature is not good."""


def verify(signature: bytes, message: bytes, namespace: str) -> str:
    """Return the fingerprint of the key that signed *message*.

    Args:
        signature: armored, as ssh-keygen(1) writes it.
        message: what was signed, to the byte.
        namespace: what the signature must be for.

    Raises:
        SignatureError: it is none, of another kind of key than ed25519, for something else, or not of this message.
    """
    key, given, hash_name, raw = _parts(_blob(signature))
    if given != namespace.encode():
        raise SignatureError(f"it is for {given.decode(errors='replace')!r}, not for {namespace!r}")
    if hash_name not in HASHES:
        raise SignatureError("it uses a hash that is not taken")
    kind, point = _string(key)
    sort, value = _string(raw)
    if (kind, sort) != (b"ssh-ed25519", b"ssh-ed25519"):
        raise SignatureError("it is by a kind of key that is not taken")
    hashed = hashlib.new(hash_name, message).digest()
    signed = MAGIC + b"".join(map(_packed, (given, b"", hash_name.encode(), hashed)))
    try:
        public = Ed25519PublicKey.from_public_bytes(_string(point)[0])
        public.verify(_string(value)[0], signed)
    except InvalidSignature:
        raise SignatureError("it is not of this text") from None
    except ValueError:
        raise SignatureError("its key cannot be read") from None
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _blob(signature: bytes) -> bytes:
    lines = signature.decode("ascii", errors="replace").strip().splitlines()
    if len(lines) < 3 or lines[0] != BEGIN or lines[-1] != END:
        raise SignatureError("it is no SSH signature")
    try:
        return base64.b64decode("".join(lines[1:-1]), validate=True)
    except binascii.Error:
        raise SignatureError("it is no SSH signature") from None


def _parts(blob: bytes) -> tuple[bytes, bytes, str, bytes]:
    """Return key, namespace, name of the hash, and signature."""
    if blob[:10] != MAGIC + (1).to_bytes(4, "big"):
        raise SignatureError("it is no SSH signature of version 1")
    key, rest = _string(blob[10:])
    namespace, rest = _string(rest)
    _reserved, rest = _string(rest)
    hash_name, rest = _string(rest)
    raw, rest = _string(rest)
    return key, namespace, hash_name.decode("ascii", errors="replace"), raw


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Return the string that *data* begins with, and what comes after it."""
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 + length or len(data) < 4:
        raise SignatureError("it is cut short")
    return data[4 : 4 + length], data[4 + length :]


def _packed(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text
