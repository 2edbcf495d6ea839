"""Package files in the host's cache: brought there before the window, checked by hash, and read."""

from __future__ import annotations

import gzip
import hashlib
import re
import subprocess
import tarfile
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import apt_pkg
from ansible.module_utils.bordbuch.refresh import wait_for_lock
from ansible.module_utils.bordbuch.resolve import Resolver
from ansible.module_utils.bordbuch.state import run

ARCHIVES = Path("/var/cache/apt/archives")
_IDS = re.compile(r"\b(?:CVE-\d{4}-\d{4,}|DSA-\d{3,}(?:-\d+)?|DLA-\d{3,}(?:-\d+)?)\b")
_ENTRY = re.compile(r"^\S+ \((?P<version>[^)]+)\)", re.M)
_WRITTEN = re.compile(r"^ -- .*>  (?P<time>.+)$", re.M)
"""The last line of an entry, by deb-changelog(5)."""


def download(resolver: Resolver, rows: list[dict[str, Any]], lock_seconds: float) -> list[str]:
    """Bring what *resolver* has marked, described by *rows*, into apt's cache, and return what did not come and why.

    Raises:
        Busy: another apt holds the cache.
    """
    for name in (row["file"] for row in rows if wrong_files([row])):
        (ARCHIVES / str(name)).unlink(missing_ok=True)  # apt takes a file of the right size for the right one
    fetcher = apt_pkg.Acquire()
    manager = apt_pkg.PackageManager(resolver.depcache)  # must outlive the fetcher, whose items write into it
    with wait_for_lock(ARCHIVES / "lock", lock_seconds):
        manager.get_archives(fetcher, resolver.sources, resolver.records)
        fetcher.run()
    failed = [f"{item.desc_uri}: {item.error_text}" for item in fetcher.items if not item.complete or item.error_text]
    return failed or wrong_files(rows)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wrong_files(rows: list[dict[str, Any]]) -> list[str]:
    """Return the difference for each of *rows* whose package file is not in the cache with the approved hash."""
    differences = []
    for row in (row for row in rows if row["to_version"]):
        path = ARCHIVES / str(row["file"])
        if not path.exists():
            differences.append(f"{row['file']} is not in the cache")
        elif sha256(path) != row["sha256"]:
            differences.append(f"{row['file']} has another SHA-256 than was approved")
    return differences


def members(path: Path, wanted: set[str], count: int) -> dict[str, bytes]:
    """Return the content of the first *count* of the *wanted* paths (``./usr/…``) in the package file at *path*."""
    found: dict[str, bytes] = {}
    command = ["dpkg-deb", "--fsys-tarfile", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                if member.name in wanted and member.isreg():
                    found[member.name] = archive.extractfile(member).read()  # type: ignore[union-attr]  # it is a file
                    if len(found) == count:
                        break
        process.kill()
    return found


def changelog(row: dict[str, Any]) -> str:
    """Return the Debian changelog in a package file, empty where it keeps none of its own.

    Only a native package's own lies in ``changelog.gz``; of two files, ``changelog.Debian.gz`` comes first in the archive.
    """
    names = {f"./usr/share/doc/{row['name']}/changelog.{kind}gz" for kind in ("Debian.", "")}
    contents = members(ARCHIVES / str(row["file"]), names, 1)
    return "".join(gzip.decompress(data).decode(errors="replace") for data in contents.values())


def advisories(rows: list[dict[str, Any]], sources: dict[str, str]) -> dict[str, dict[str, int]]:
    """Return, by package name, the CVE and advisory ids that its changelog names since the version that is installed.

    Each has when the oldest entry that names it was written, in seconds since 1970, 0 where that cannot be read.

    All packages of one source and version, which *sources* gives by package, have the same changelog, where they have one: it
    is read from the smallest file that has it, since everything before it in a file must be unpacked.
    """
    updates = sorted((row for row in rows if row["from_version"]), key=lambda row: int(row["size_bytes"]))
    logs: dict[str, str] = {}
    for row in updates:
        source = sources[row["name"]]
        logs[source] = logs.get(source) or changelog(row)
    return {row["name"]: ids_since(logs[sources[row["name"]]], str(row["from_version"])) for row in updates}


def published(named: dict[str, dict[str, int]]) -> dict[str, int]:
    """Return when each id of those *named* was first written down, in seconds since 1970, where any package says."""
    found: dict[str, int] = {}
    for number, time in (pair for numbers in named.values() for pair in numbers.items()):
        if time:
            found[number] = min(time, found.get(number, time))
    return found


def ids_since(changelog: str, version: str) -> dict[str, int]:
    """Return the ids in those entries of a Debian *changelog*, the newest first, that are newer than *version*, and their times."""
    entries = list(_ENTRY.finditer(changelog))
    ends = [*(entry.start() for entry in entries[1:]), len(changelog)]
    found: dict[str, int] = {}
    for entry, end in zip(entries, ends, strict=False):
        if apt_pkg.version_compare(entry["version"], version) > 0:
            text = changelog[entry.start() : end]
            found |= dict.fromkeys(_IDS.findall(text), written(text))
    return dict(sorted(found.items()))


def written(entry: str) -> int:
    """Return when an *entry* of a changelog was written, in seconds since 1970, 0 where that cannot be read."""
    line = _WRITTEN.search(entry)
    try:
        return int(parsedate_to_datetime(line["time"]).timestamp()) if line else 0
    except (ValueError, OverflowError):
        return 0


def changed_configuration(rows: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Return the configuration files of *rows* that were changed on this host, and whether the new package changes them, too."""
    names = [f"{row['name']}:{row['architecture']}" for row in rows if row["from_version"]]
    by_package = {(row["name"], row["architecture"]): row for row in rows}
    listing = (
        run(["dpkg-query", "-W", "-f", "@${Package} ${Architecture}\n${Conffiles}\n", *names]).stdout if names else ""
    )
    changed: list[dict[str, object]] = []
    row: dict[str, Any] = {}
    for line in listing.splitlines():
        if line.startswith("@"):
            row = by_package[tuple(line[1:].split())]  # type: ignore[index]  # two words
        elif line.strip() and not line.endswith((" obsolete", " newconffile")):
            path, shipped = line.split()[:2]
            if differs(Path(path), shipped):
                changed.append(
                    {"path": path, "package": row["name"], "package_brings_new": _brings(row, path, shipped)}
                )
    return changed


def differs(path: Path, md5: str) -> bool:
    """Return whether the file at *path* was changed or deleted since its package installed it with *md5*."""
    return not path.is_file() or hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != md5


def _brings(row: dict[str, Any], path: str, shipped: str) -> bool:
    file = ARCHIVES / str(row["file"])
    content = members(file, {f".{path}"}, 1).get(f".{path}") if file.exists() else None
    return content is not None and hashlib.md5(content, usedforsecurity=False).hexdigest() != shipped
