"""Pure: which releases there are, what belongs to them, and what their packages are called."""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ops.errors import BadInput

SOURCE = "liquidfeedback"
"""The name of the source package and of the one binary package."""

NUMBERS: Mapping[str, int] = {"bookworm": 12, "trixie": 13}
"""Debian's releases: a package for the newer one must have the higher version."""

Part = Literal["core", "frontend", "webmcp", "moonbridge"]
PARTS: tuple[Part, ...] = ("core", "frontend", "webmcp", "moonbridge")
WORDS: Mapping[Part, str] = {
    "core": "core", "frontend": "frontend", "webmcp": "WebMCP", "moonbridge": "Moonbridge",
}  # fmt: skip

_Version = Annotated[str, Field(pattern=r"^\d+(\.\d+)+$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Archive(_Model):
    """One archive of a release: where it lies below the base URL, its size in bytes and its checksum."""

    version: _Version
    path: Annotated[str, Field(pattern=r"^([\w-][\w.-]*/)*[\w-][\w.-]*\.tar\.gz$")]
    size: Annotated[int, Field(gt=0, lt=1 << 30)]
    sha512: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]

    @property
    def name(self) -> str:
        """The file's name, by which it is found in a folder."""
        return PurePosixPath(self.path).name


class Release(_Model):
    """Versions that belong together.

    ``revision`` counts the packagings of the same set; ``date`` is that of the packaging, so that a package built twice
    is the same.
    """

    name: _Version
    revision: Annotated[int, Field(gt=0)]
    date: date
    core: Archive
    frontend: Archive
    webmcp: Archive
    moonbridge: Archive

    @property
    def archives(self) -> dict[Part, Archive]:
        """The archives by part."""
        return {part: getattr(self, part) for part in PARTS}


class Releases(_Model):
    """A list of releases, the newest last. ``standin`` marks those of tests, whose packages are called so."""

    base_url: str = ""
    standin: bool = False
    release: Annotated[tuple[Release, ...], Field(min_length=1)]

    def choose(self, names: Iterable[str]) -> tuple[Release, ...]:
        """Return the releases *names*, the newest when none is named.

        Raises:
            BadInput: a name is none of the list's.
        """
        known = {release.name: release for release in self.release}
        wanted = list(names)
        if missing := [name for name in wanted if name not in known]:
            raise BadInput(f"no release is named {missing[0]!r}", next_step=f"use some of: {', '.join(known)}")
        return tuple(known[name] for name in wanted) or self.release[-1:]

    def upstream_version(self, release: Release) -> str:
        """Return the version without our revision: core and frontend; a stand-in sorts before what it stands in for."""
        return f"{release.core.version}+{release.frontend.version}{'~standin' if self.standin else ''}"

    def version(self, release: Release, debian: str) -> str:
        """Return the package's version for Debian's release *debian*."""
        return f"{self.upstream_version(release)}-{release.revision}+deb{NUMBERS[debian]}"

    def changelog(self, release: Release, debian: str) -> str:
        """Return the text of ``debian/changelog``."""
        parts = ", ".join(f"{WORDS[part]} {archive.version}" for part, archive in release.archives.items())
        note = "  * A stand-in for tests. It is not LiquidFeedback.\n" if self.standin else ""
        day = format_datetime(datetime.combine(release.date, time(), UTC))
        return (
            f"{SOURCE} ({self.version(release, debian)}) {debian}; urgency=medium\n\n"
            f"  * {parts[0].upper()}{parts[1:]}.\n{note}\n -- Bordbuch <bordbuch@example.org>  {day}\n"
        )

    def upstream_names(self, release: Release) -> dict[Part, str]:
        """Return what dpkg-source calls each archive: the core is the package's own, the others are components."""
        stem = f"{SOURCE}_{self.upstream_version(release)}.orig"
        return {part: f"{stem}{'' if part == 'core' else f'-{part}'}.tar.gz" for part in PARTS}


def parse(text: str) -> Releases:
    """Return the list in *text* (TOML).

    Raises:
        BadInput: it is no TOML.
        pydantic.ValidationError: something in it cannot be meant.
    """
    try:
        return TypeAdapter(Releases).validate_python(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"the list of releases is not valid TOML: {error}") from error


def inputs_digest(releases: Releases, release: Release, debian: str, packaging: Mapping[str, bytes]) -> str:
    """Return a digest of all that a package is made of: archives, version, packaging."""
    digest = hashlib.sha256(f"{releases.changelog(release, debian)}\0".encode())
    for archive in release.archives.values():
        digest.update(archive.sha512.encode())
    for path, content in sorted(packaging.items()):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
