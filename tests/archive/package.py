"""Debian packages from data, built in memory: an ``ar`` of two tarballs (deb(5)), the same bytes for the same data."""

import gzip
import hashlib
import io
import random
import re
import subprocess
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import PurePosixPath
from typing import Any

BUILT = 1_767_225_600  # 2026-01-01T00:00:00Z, the time of every file in a package


@cache
def machine_architecture() -> str:
    """Return Debian's name of this machine's architecture, which is the lab hosts', too."""
    command = ["dpkg", "--print-architecture"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()


@dataclass(frozen=True)
class Package:
    """One binary package. Equal values have equal files.

    Args:
        architecture: ``all``, ``any`` (this machine's) or a name of Debian's.
        fields: further fields of the control file: Depends, Conflicts, Provides, Breaks, Section, Source …
        files: path → content; a path below ``/etc`` is a configuration file.
        executables: those of ``files`` that can be run.
        scripts: ``preinst``, ``postinst``, ``prerm``, ``postrm``, ``config``, ``templates`` → text without ``#!`` line.
        fixes: ids (CVE, DSA) that this version's entry in changelog.Debian.gz names.
        history: entries before this version's, newest first: (version, ids).
        changelog: False leaves changelog.Debian.gz out, as some binary packages do.
        padding_bytes: size of a file that does not compress.
        installed_size_kib: what Installed-Size claims; None counts.
        made_from: a real package file that this is another version of; then nothing else but the version is ours.
    """

    name: str
    version: str
    architecture: str = "all"
    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    executables: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    fixes: tuple[str, ...] = ()
    history: tuple[tuple[str, tuple[str, ...]], ...] = ()
    changelog: bool = True
    padding_bytes: int = 0
    installed_size_kib: int | None = None
    made_from: bytes = field(default=b"", repr=False)

    def to(self, version: str, *fixes: str, **changes: Any) -> "Package":
        """Return the package's next version, which fixes *fixes*; *changes* replaces further arguments."""
        history = ((self.version, self.fixes), *self.history)
        return replace(self, version=version, fixes=fixes, history=history, **changes)

    @property
    def real_architecture(self) -> str:
        """The architecture with ``any`` resolved."""
        return machine_architecture() if self.architecture == "any" else self.architecture

    @property
    def filename(self) -> str:
        """The path in the archive's pool; an epoch does not show in file names."""
        version = self.version.split(":", 1)[-1]
        return f"pool/main/{self.name[0]}/{self.name}/{self.name}_{version}_{self.real_architecture}.deb"

    @property
    def configuration_files(self) -> tuple[str, ...]:
        """The paths that dpkg treats as conffiles."""
        return tuple(sorted(path for path in self.files if path.startswith("/etc/")))


@dataclass(frozen=True)
class Built:
    """A package's bytes and the stanza that tells of it in a Packages file."""

    package: Package
    content: bytes
    stanza: str
    sha256: str


_built: dict[tuple[str, str, str], list[Built]] = {}


def build(package: Package) -> Built:
    """Return *package* as a file; one that was built before is not built again."""
    known = _built.setdefault((package.name, package.version, package.architecture), [])
    for built in known:
        if built.package == package:
            return built
    known.append(_build(package))
    return known[-1]


def rebuilt(content: bytes, suffix: str) -> Package:
    """Return the real package file *content* as a newer version, as a rebuild would be: *suffix* is added to the version."""
    fields = dict(
        line.split(": ", 1) for line in _read_control(content)[1].splitlines() if re.match(r"[A-Z]\S+: ", line)
    )
    return Package(fields["Package"], fields["Version"] + suffix, fields["Architecture"], made_from=content)


def _rebuild(package: Package) -> Built:
    name, control = _read_control(package.made_from)
    control = re.sub(r"(?m)^Version: .*$", f"Version: {package.version}", control)
    members = _members(package.made_from)
    members[name] = _with_control(members[name], control)
    # The only control archive that dpkg knows besides is compressed in another way.
    renamed = {"control.tar.gz" if key == name else key: data for key, data in members.items()}
    return _as_built(package, control.rstrip("\n") + "\n", renamed)


def _read_control(content: bytes) -> tuple[str, str]:
    """Return the name of a package file's control archive and the text of the control file in it."""
    name, data = next((name, data) for name, data in _members(content).items() if name.startswith("control.tar"))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        file = archive.extractfile("./control")
        assert file is not None
        return name, file.read().decode()


def _with_control(data: bytes, control: str) -> bytes:
    stream = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as old,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as new,
    ):
        for entry in old:
            content = control.encode() if entry.name == "./control" else (old.extractfile(entry) or io.BytesIO()).read()
            entry.size = len(content) if entry.isreg() else 0
            new.addfile(entry, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)


def _members(content: bytes) -> dict[str, bytes]:
    """Return the members of an ``ar`` archive, by name."""
    found, place = {}, 8
    while place < len(content):
        head, place = content[place : place + 60].decode(), place + 60
        size = int(head[48:58])
        found[head[:16].rstrip(" /")] = content[place : place + size]
        place += size + size % 2
    return found


def _build(package: Package) -> Built:
    if package.made_from:
        return _rebuild(package)
    files = dict(_all_files(package))
    control = _control(package, sum(map(len, files.values())))
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": _tarball(_control_files(package, control, files), [f"/{name}" for name in package.scripts]),
        "data.tar.gz": _tarball(files, package.executables),
    }
    return _as_built(package, control, members)


def _as_built(package: Package, control: str, members: Mapping[str, bytes]) -> Built:
    content = b"!<arch>\n" + b"".join(_member(name, data) for name, data in members.items())
    sha256 = hashlib.sha256(content).hexdigest()
    tail = f"Filename: {package.filename}\nSize: {len(content)}\nSHA256: {sha256}\n"
    return Built(package, content, control + tail, sha256)


def _control(package: Package, size_bytes: int) -> str:
    kib = -(-size_bytes // 1024) if package.installed_size_kib is None else package.installed_size_kib
    fields = {
        "Package": package.name,
        "Version": package.version,
        "Architecture": package.real_architecture,
        "Maintainer": "Test Archive <archive@example.invalid>",
        "Installed-Size": str(kib),
        "Section": "misc",
        "Priority": "optional",
        **package.fields,
        "Description": f"{package.name} of the tests",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _control_files(package: Package, control: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    kept = package.configuration_files
    sums = "".join(
        f"{hashlib.md5(data, usedforsecurity=False).hexdigest()}  {path[1:]}\n"
        for path, data in sorted(files.items())
        if path not in kept
    )
    texts = {"control": control, "md5sums": sums, "conffiles": "".join(f"{path}\n" for path in kept)}
    texts |= {name: _script(name, text) for name, text in package.scripts.items()}
    return {f"/{name}": text.encode() for name, text in texts.items() if text}


def _script(name: str, text: str) -> str:
    return text if name == "templates" else f"#!/bin/sh\nset -e\n{text}\n"


def _all_files(package: Package) -> Iterator[tuple[str, bytes]]:
    for path, text in package.files.items():
        yield path, text.encode()
    if package.changelog:
        yield f"/usr/share/doc/{package.name}/changelog.Debian.gz", _changelog(package)
    if package.padding_bytes:
        # Seeded by the name: the same package has the same bytes on every machine.
        yield f"/usr/share/{package.name}/padding", random.Random(package.name).randbytes(package.padding_bytes)  # noqa: S311  # filler that is the same each time, no secret


def _changelog(package: Package) -> bytes:
    source = package.fields.get("Source", package.name).split(" ")[0]
    entries = ((package.version, package.fixes), *package.history)
    text = "\n".join(_entry(source, version, ids) for version, ids in entries)
    return gzip.compress(text.encode(), mtime=0)


def _entry(source: str, version: str, ids: tuple[str, ...]) -> str:
    lines = "".join(f"  * Fix {one}.\n" for one in ids) or "  * New release.\n"
    signature = " -- Test Archive <archive@example.invalid>  Thu, 01 Jan 2026 00:00:00 +0000\n"
    return f"{source} ({version}) stable-security; urgency=high\n\n{lines}\n{signature}"


def _tarball(files: Mapping[str, bytes], executables: Collection[str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for directory in _directories(files):
            archive.addfile(_entry_of(directory, tarfile.DIRTYPE, 0o755, 0))
        for path, data in sorted(files.items()):
            mode = 0o755 if path in executables else 0o644
            archive.addfile(_entry_of(path, tarfile.REGTYPE, mode, len(data)), io.BytesIO(data))
    return gzip.compress(stream.getvalue(), compresslevel=1, mtime=0)


def _entry_of(path: str, kind: bytes, mode: int, size_bytes: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(f".{path}")
    entry.type, entry.mode, entry.size, entry.mtime = kind, mode, size_bytes, BUILT
    entry.uname = entry.gname = "root"
    return entry


def _directories(files: Iterable[str]) -> list[str]:
    return sorted({str(parent) for path in files for parent in PurePosixPath(path).parents} | {"/"})


def _member(name: str, data: bytes) -> bytes:
    head = f"{name:<16}{BUILT:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
    return head + data + b"\n" * (len(data) % 2)
