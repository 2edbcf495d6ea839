"""OpenPGP keys that sign the archive, in a GnuPG home of their own that is removed afterwards."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

CREATED_BEFORE = timedelta(days=800)


@dataclass(frozen=True)
class Key:
    """A key as a host knows it.

    Args:
        fingerprint: of the primary key.
        signing_id: the last 16 digits of the fingerprint of the (sub)key that signs: what apt's messages name.
        public: the certificate, armoured, with the expiry that was asked for.
    """

    fingerprint: str
    signing_id: str
    public: str


class Keyring:
    """The secret keys; made by :func:`keyring`."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def make(self, name: str, *, expires: datetime | None = None, subkey: bool = False) -> Key:
        """Return a new key that signs; a host takes it as expired from *expires* on, which may lie in the past.

        Args:
            subkey: sign with a subkey, as Debian's archive does; then only the subkey expires.
        """
        made = datetime.now(UTC) - CREATED_BEFORE
        until = f"seconds={int((expires - made).total_seconds())}" if expires else "never"
        primary = self._generate(made, name, "cert" if subkey else "sign,cert", "never" if subkey else until)
        if subkey:
            self._gpg("--quick-add-key", primary, "ed25519", "sign", until, at=made)
        signing = self._fingerprints(primary)[-1]
        public = self._gpg("--armor", "--export", primary).decode()
        # The archive goes on signing; only the host's copy of the key has expired.
        self._gpg("--quick-set-expire", primary, "0", *([signing] if subkey else []))
        return Key(primary, signing[-16:], public)

    def sign(self, content: bytes, key: Key, *, detached: bool = False) -> bytes:
        """Return *content* clear-signed (InRelease), or the detached armoured signature (Release.gpg)."""
        how = ["--armor", "--detach-sign"] if detached else ["--clearsign"]
        return self._gpg("--local-user", f"{key.signing_id}!", "--digest-algo", "SHA512", *how, given=content)

    def _generate(self, made: datetime, name: str, usage: str, until: str) -> str:
        before = set(self._fingerprints())
        self._gpg("--quick-generate-key", f"{name} <{name}@example.invalid>", "ed25519", usage, until, at=made)
        return (set(self._fingerprints()) - before).pop()

    def _fingerprints(self, *wanted: str) -> list[str]:
        listed = self._gpg("--with-colons", "--with-subkey-fingerprint", "--list-keys", *wanted).decode()
        return [line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")]

    def _gpg(self, *arguments: str, given: bytes = b"", at: datetime | None = None) -> bytes:
        clock = ["--faked-system-time", f"{at:%Y%m%dT%H%M%S}"] if at else []
        base = ["gpg", "--homedir", str(self._home), "--batch", "--quiet", "--no-tty", "--yes", "--passphrase", ""]
        command = [*base, "--pinentry-mode", "loopback", "--trust-model", "always", *clock, *arguments]
        done = subprocess.run(command, input=given, capture_output=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"gpg {arguments[0]}: {done.stderr.decode()}")
        return done.stdout


@contextmanager
def keyring() -> Iterator[Keyring]:
    """Give a keyring in a temporary GnuPG home; at the end its agent is ended and the home removed."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as folder:
        try:
            yield Keyring(Path(folder))
        finally:
            subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], timeout=30, check=False)
