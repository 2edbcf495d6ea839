"""Signatures by SSH keys, verified in process: the armor and blob of OpenSSH's PROTOCOL.sshsig. Pure.

What is taken is what ``ssh-keygen -Y verify`` takes for the key types of `operators.KEY_TYPES`. It costs one process a signature,
which is most of an audit's time; a test compares both, verdict by verdict.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

BEGIN, END = b"-----BEGIN SSH SIGNATURE-----", b"\n-----END SSH SIGNATURE-----"
MAGIC = b"SSHSIG"
VERSION = 1
DIGESTS = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
RSA_HASHES: dict[bytes, Callable[[], hashes.HashAlgorithm]] = {
    b"rsa-sha2-256": hashes.SHA256,
    b"rsa-sha2-512": hashes.SHA512,
}
CURVES: dict[bytes, tuple[bytes, Callable[[], ec.EllipticCurve], Callable[[], hashes.HashAlgorithm]]] = {
    b"ecdsa-sha2-nistp256": (b"nistp256", ec.SECP256R1, hashes.SHA256),
    b"ecdsa-sha2-nistp384": (b"nistp384", ec.SECP384R1, hashes.SHA384),
}
RSA_SMALLEST_BITS = 1024
"""OpenSSH's own limit (sshkey.h, SSH_RSA_MINIMUM_MODULUS_SIZE)."""

Check = Callable[[bytes, "Reader", bytes], None]
"""Verify the rest of a signature of the type that is named first over the message, or raise."""


class BadSignature(ValueError):
    """A signature that cannot be read, or is not good; the text says why."""


class Reader:
    """The wire format of SSH (RFC 4251, section 5) in *data*, field by field."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def take(self, count: int) -> bytes:
        """Return the next *count* bytes.

        Raises:
            BadSignature: there are fewer.
        """
        end = self._place + count
        if end > len(self._data):
            raise BadSignature("it ends in the middle of a field")
        self._place, start = end, self._place
        return self._data[start:end]

    def number(self) -> int:
        """Return the next ``uint32``."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """Return the next ``string``."""
        return self.take(self.number())

    def positive(self) -> int:
        """Return the next ``mpint``, which must not be negative."""
        text = self.string()
        if text[:1] > b"\x7f":
            raise BadSignature("it holds a negative number")
        return int.from_bytes(text, "big")

    def end(self) -> None:
        """Raise `BadSignature` if anything is left."""
        if self._place != len(self._data):
            raise BadSignature("it has more than belongs to it")


class Signature(NamedTuple):
    """The fields of a signature's blob; *key* is the public key as in ``authorized_keys``, decoded."""

    key: bytes
    namespace: bytes
    digest: bytes
    signed: bytes


def verify(armored: bytes, message: bytes, namespace: bytes = b"git") -> bytes:
    """Return the public key (decoded, as its line in ``authorized_keys`` has it) that signed *message*.

    Args:
        armored: the signature's text; what stands after its end is passed over, as ssh-keygen does.
        message: what was signed.
        namespace: what it must have been signed for.

    Raises:
        BadSignature: it cannot be read, is for something else, or is not good.
    """
    found = parse(armored)
    if found.namespace != namespace:
        raise BadSignature(f"it is for {found.namespace.decode(errors='replace')!r}")
    if found.digest not in DIGESTS:
        raise BadSignature(f"its hash is {found.digest.decode(errors='replace')!r}")
    digest = DIGESTS[found.digest](message).digest()
    fields = (found.namespace, b"", found.digest, digest)
    signed, check = Reader(found.signed), key_check(found.key)
    try:
        check(signed.string(), signed, MAGIC + b"".join(_string(field) for field in fields))
    except InvalidSignature:
        raise BadSignature("it was not made of this by its key") from None
    return found.key


def parse(armored: bytes) -> Signature:
    """Return the fields of the signature in *armored*.

    Raises:
        BadSignature: it is none.
    """
    reader = Reader(_dearmor(armored))
    if reader.take(len(MAGIC)) != MAGIC or reader.number() > VERSION:
        raise BadSignature("it is no signature of a version that is known")
    key, namespace, _reserved, digest, signed = (reader.string() for _ in range(5))
    reader.end()
    return Signature(key, namespace, digest, signed)


def fingerprint(key: bytes) -> str:
    """Return the fingerprint of a public *key* as ``ssh-keygen -l`` and git print it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


@lru_cache(maxsize=1000)
def key_check(key: bytes) -> Check:
    """Return what verifies signatures of the public *key*; loading one costs more than using it.

    Raises:
        BadSignature: it is no key of a type that is taken.
    """
    reader = Reader(key)
    kind = reader.string()
    try:
        check = _check(kind, reader)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadSignature(f"its key is none: {error}") from None
    reader.end()
    return check


def _check(kind: bytes, key: Reader) -> Check:
    if kind == b"ssh-ed25519":
        return _ed25519(key.string())
    if kind == b"sk-ssh-ed25519@openssh.com":
        return _sk_ed25519(key.string(), key.string())
    if kind in CURVES:
        return _ecdsa(kind, key.string(), key.string())
    if kind == b"ssh-rsa":
        return _rsa(key.positive(), key.positive())
    raise BadSignature(f"its key is of the type {kind.decode(errors='replace')!r}")


def _ed25519(point: bytes) -> Check:
    key = ed25519.Ed25519PublicKey.from_public_bytes(point)

    def check(kind: bytes, rest: Reader, message: bytes) -> None:
        signed = rest.string()
        _only(kind, b"ssh-ed25519", rest)
        key.verify(signed, message)

    return check


def _sk_ed25519(point: bytes, application: bytes) -> Check:
    """A key in a device: what it signs begins with the application's hash, flags (was it touched) and its counter."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(point)

    def check(kind: bytes, rest: Reader, message: bytes) -> None:
        signed, flags_and_counter = rest.string(), rest.take(5)
        _only(kind, b"sk-ssh-ed25519@openssh.com", rest)
        said = (hashlib.sha256(application).digest(), flags_and_counter, hashlib.sha256(message).digest())
        key.verify(signed, b"".join(said))

    return check


def _ecdsa(name: bytes, curve: bytes, point: bytes) -> Check:
    expected, make_curve, make_hash = CURVES[name]
    if curve != expected:
        raise BadSignature("its key names another curve than its type")
    key = ec.EllipticCurvePublicKey.from_encoded_point(make_curve(), point)

    def check(kind: bytes, rest: Reader, message: bytes) -> None:
        numbers = Reader(rest.string())
        r, s = numbers.positive(), numbers.positive()
        numbers.end()
        _only(kind, name, rest)
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(make_hash()))

    return check


def _rsa(exponent: int, modulus: int) -> Check:
    if modulus.bit_length() < RSA_SMALLEST_BITS:
        raise BadSignature("its RSA key is too short")
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()

    def check(kind: bytes, rest: Reader, message: bytes) -> None:
        signed = rest.string()
        if kind not in RSA_HASHES:  # ssh-rsa alone would be SHA-1
            raise BadSignature(f"its RSA signature is of the type {kind.decode(errors='replace')!r}")
        rest.end()
        # OpenSSH takes one whose leading zeros were left out (ssh-rsa.c).
        key.verify(signed.rjust(key.key_size // 8, b"\0"), message, padding.PKCS1v15(), RSA_HASHES[kind]())

    return check


def _only(kind: bytes, expected: bytes, rest: Reader) -> None:
    if kind != expected:
        raise BadSignature("its type is not that of its key")
    rest.end()


def _dearmor(armored: bytes) -> bytes:
    end = armored.find(END)
    if not armored.startswith(BEGIN) or end < 0:
        raise BadSignature("it has no beginning or no end")
    text = re.sub(rb"\s", b"", armored[len(BEGIN) : end])
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise BadSignature("it is not base64") from None
    if base64.b64encode(blob) != text:
        raise BadSignature("it is not base64 as it is written")
    return blob


def _string(field: bytes) -> bytes:
    return len(field).to_bytes(4, "big") + field
