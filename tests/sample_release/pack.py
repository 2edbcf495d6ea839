"""Packs the stand-in's sources as LiquidFeedback's archives are packed: the same names, layout and set of files.

Usage: pack.py FOLDER writes the archives there. pack.py --list prints releases.toml, which is kept beside this file.
The same sources give the same bytes on every machine, so that the list of checksums can be kept.
"""

import hashlib
import io
import re
import struct
import sys
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKED = 1_795_564_800  # 2026-11-25, the date of every file in the archives
CORES = ("4.0.0", "4.2.1", "4.2.2")
"""The graph between them has a choice (4.1.0 → 4.2.0 → 4.2.1, or straight) and an edge that cannot work on Debian."""

OTHERS = {"frontend": "4.0.0", "webmcp": "2.2.1", "moonbridge": "1.1.3"}
NAMES = {"core": "liquid_feedback_core", "frontend": "liquid_feedback_frontend"}
PATHS = {"core": "liquid_feedback/backend", "frontend": "liquid_feedback/frontend"}
_MARK = re.compile(r"^(?:/\*|--) @(from|until|end)(?: (\S+))?.*$")
_UPDATE = re.compile(r"core-update\.v\S+-v(\d+\.\d+\.\d+)\.sql")

Version = tuple[int, ...]


@dataclass(frozen=True)
class Archive:
    """One archive: which part in which version, and its bytes."""

    part: str
    version: str
    content: bytes

    @property
    def top(self) -> str:
        """The one folder in the archive."""
        return f"{NAMES.get(self.part, self.part)}-v{self.version}"

    @property
    def path(self) -> str:
        """Where it would lie below the base URL."""
        return f"{PATHS.get(self.part, self.part)}/v{self.version}/{self.top}.tar.gz"


def archives() -> Iterator[Archive]:
    """Yield every archive: the core in each of its versions, the other parts in one."""
    for part, version in [*(("core", version) for version in CORES), *OTHERS.items()]:
        top = Archive(part, version, b"").top
        yield Archive(part, version, gzip_stored(tarball(top, files_of(part, version))))


def files_of(part: str, version: str) -> dict[str, bytes]:
    """Return the files of a part by their path: of the core what belongs to *version*."""
    folder = HERE / part
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    texts = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}
    if part == "core":
        texts = {path: of_version(text, version) for path, text in texts.items() if belongs(path, version)}
    return {path: text.encode() for path, text in texts.items()}


def belongs(path: str, version: str) -> bool:
    """Whether a file of the core is in the release *version*: update scripts are, up to that version."""
    update = _UPDATE.search(path)
    return update is None or numbers(update[1]) <= numbers(version)


def of_version(text: str, version: str) -> str:
    """Return *text* without the lines that marks keep for other versions, and without the marks."""
    kept: list[str] = []
    conditions: list[bool] = []
    for line in text.splitlines(keepends=True):
        mark = _MARK.match(line)
        if mark is None:
            kept += [line] if all(conditions) else []
        elif mark[1] == "end":
            conditions.pop()
        else:
            conditions.append(applies(mark[1], mark[2], version))
    return "".join(kept).replace("@VERSION@", version)


def applies(word: str, limit: str, version: str) -> bool:
    """Whether *version* is from, or until, *limit*, which is included."""
    if word == "from":
        return numbers(version) >= numbers(limit)
    return numbers(version) <= numbers(limit)


def numbers(version: str) -> Version:
    """Return the numbers of a version, to compare."""
    return tuple(int(number) for number in version.split("."))


def tarball(top: str, files: dict[str, bytes]) -> bytes:
    """Return a tar archive of *files* in the folder *top*, the same for the same files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{top}/{path}")
            entry.size, entry.mtime, entry.mode = len(content), PACKED, 0o644
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def gzip_stored(content: bytes) -> bytes:
    """Return *content* as gzip without compression (RFC 1951, 1952): what zlib makes differs between its versions."""
    blocks = [content[start : start + 0xFFFF] for start in range(0, len(content), 0xFFFF)]
    stored = b"".join(
        struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ 0xFFFF) + block for block in blocks
    )
    tail = struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + stored + tail


def listing() -> str:
    """Return the text of releases.toml: one release for each version of the core."""
    packed = list(archives())
    lines = ["# Printed by pack.py --list; do not edit.", "standin = true"]
    for core in CORES:
        lines += ["", "[[release]]", f'name = "{core}"', "revision = 1", "date = 2026-11-25"]
        for archive in packed:
            if archive.part != "core" or archive.version == core:
                lines += ["", f"[release.{archive.part}]", *described(archive)]
    return "\n".join([*lines, ""])


def described(archive: Archive) -> list[str]:
    """Return what the list says of one archive."""
    return [
        f'version = "{archive.version}"',
        f'path = "{archive.path}"',
        f"size = {len(archive.content)}",
        f'sha512 = "{hashlib.sha512(archive.content).hexdigest()}"',
    ]


def main() -> None:
    """Write the archives into the folder that is named, or print the list."""
    if sys.argv[1:] == ["--list"]:
        sys.stdout.write(listing())
    elif len(sys.argv) == 2:
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        for archive in archives():
            (folder / f"{archive.top}.tar.gz").write_bytes(archive.content)
    else:
        sys.exit(f"Usage: {sys.argv[0]} FOLDER | --list")


if __name__ == "__main__":
    main()
