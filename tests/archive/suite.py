"""Suites: the Release file, its signature and the Packages file, with every field a parameter."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.archive.keys import Key, Keyring
from tests.archive.package import Package, build, machine_architecture

RELEASES: Mapping[str, tuple[str, str]] = {"bookworm": ("oldstable", "12.13"), "trixie": ("stable", "13.4")}


@dataclass(frozen=True)
class Suite:
    """One suite of the archive, as it is published.

    Args:
        release: ``bookworm`` or ``trixie``.
        security: the security archive's suite of the release, else its main one.
        date: what Release says; None is the time of publication.
        valid_until: None leaves the field out, as Debian's main suites do.
        signer: the archive's own key if None.
        signed: False publishes Release without a signature.
        fields: fields of Release to replace; an empty text removes one.
    """

    release: str
    packages: tuple[Package, ...] = ()
    security: bool = False
    date: datetime | None = None
    valid_until: datetime | None = None
    signer: Key | None = None
    signed: bool = True
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def codename(self) -> str:
        """The suite as sources name it, unless ``fields`` says otherwise."""
        return f"{self.release}-security" if self.security else self.release

    @property
    def base(self) -> str:
        """The path of the archive that holds it, without slashes at the ends."""
        return "debian-security" if self.security else "debian"

    @property
    def folder(self) -> str:
        """The path of the suite's Release file."""
        return f"{self.base}/dists/{self.codename}"


def files_of(suite: Suite, keys: Keyring, signer: Key, published: datetime) -> dict[str, bytes]:
    """Return all files of *suite* by path: indices, signatures and packages."""
    indices = _indices(suite)
    release = _release(suite, indices, published).encode()
    files = {f"{suite.folder}/{path}": content for path, content in indices.items()}
    files |= {f"{suite.base}/{package.filename}": build(package).content for package in suite.packages}
    files[f"{suite.folder}/Release"] = release
    if suite.signed:
        files[f"{suite.folder}/InRelease"] = keys.sign(release, suite.signer or signer)
    return files


def _indices(suite: Suite) -> dict[str, bytes]:
    packages = "\n".join(build(package).stanza for package in suite.packages).encode()
    path = f"main/binary-{machine_architecture()}/Packages"
    return {path: packages, f"{path}.gz": gzip.compress(packages, mtime=0)}


def _release(suite: Suite, indices: Mapping[str, bytes], published: datetime) -> str:
    ending = "-security" if suite.security else ""
    name, version = RELEASES[suite.release]
    fields = {
        "Origin": "Debian",
        "Label": "Debian-Security" if suite.security else "Debian",
        "Suite": name + ending,
        "Version": version.split(".")[0] if suite.security else version,
        "Codename": suite.codename,
        "Date": _time(suite.date or published),
        "Valid-Until": _time(suite.valid_until) if suite.valid_until else "",
        "Acquire-By-Hash": "no",
        "Architectures": f"all {machine_architecture()}",
        "Components": "main",
        **suite.fields,
    }
    sums = "".join(f" {_sha256(content)} {len(content)} {path}\n" for path, content in indices.items())
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value) + f"SHA256:\n{sums}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
