"""Where archives come from, and that they are the release's: nothing is unpacked before its checksum was right."""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from ops import terminal
from ops.errors import BadInput, Failed, OpsError, Refused
from ops.package.releases import Archive, Part, Release

_PATIENCE = 30
"""Seconds that a server may be silent."""


def gather(release: Release, source: str, cache: Path) -> dict[Part, bytes]:
    """Return the release's archives, each with the right checksum.

    Args:
        release: what is wanted.
        source: a folder of archives, or the address below which they lie as they do at upstream's.
        cache: folder where downloads are kept.

    Raises:
        BadInput: the source is neither a folder nor an address.
        Failed: an archive is missing or could not be fetched.
        Refused: an archive is not the release's.
    """
    found: dict[Part, bytes] = {}
    faults: list[OpsError] = []
    with terminal.progress(f"Checking the archives of {release.name}") as step:
        for part, archive in release.archives.items():
            step.update(archive.name)
            try:
                found[part] = _one(archive, source, cache)
            except (Failed, Refused) as error:
                faults.append(error)
    raise_first(faults)
    return found


def raise_first(faults: list[OpsError]) -> None:
    """Raise all of *faults* as one: a wrong archive before a missing one.

    Raises:
        OpsError: there is one.
    """
    if faults:
        worst = max(faults, key=lambda fault: fault.exit_code)
        what = "; ".join(fault.what for fault in faults)
        raise type(worst)(what, left="nothing was built", next_step=worst.next_step)


def check(archive: Archive, content: bytes, where: str) -> bytes:
    """Return *content* if it is that of *archive*.

    Raises:
        Refused: its size or checksum is another.
    """
    sha512 = hashlib.sha512(content).hexdigest()
    if sha512 == archive.sha512:
        return content
    raise Refused(
        f"{archive.name} from {where} is not the release's: sha512 {sha512[:16]}… and {len(content)} bytes"
        f" instead of {archive.sha512[:16]}… and {archive.size}",
        next_step="get it anew; if upstream changed it, find out why before the checksum in the list is changed",
    )


def _one(archive: Archive, source: str, cache: Path) -> bytes:
    if source.startswith(("http://", "https://")):
        return _cached(archive, source, cache)
    folder = Path(source)
    if not folder.is_dir():
        raise BadInput(f"{source!r} is no folder and no address", left="nothing was built")
    for path in (folder / archive.name, folder / archive.path):
        if path.is_file():
            return check(archive, path.read_bytes(), str(folder))
    raise Failed(f"{archive.name} is not in {folder}", next_step="put it there, or name another folder or address")


def _cached(archive: Archive, source: str, cache: Path) -> bytes:
    """Return a download; one that is kept is checked as if it were new."""
    kept = cache / archive.sha512[:16] / archive.name
    if kept.is_file() and hashlib.sha512(kept.read_bytes()).hexdigest() == archive.sha512:
        return kept.read_bytes()
    content = check(archive, _download(archive, f"{source.rstrip('/')}/{archive.path}"), source)
    kept.parent.mkdir(parents=True, exist_ok=True)
    aside = kept.with_suffix(".new")
    aside.write_bytes(content)
    aside.replace(kept)
    return content


def _download(archive: Archive, url: str) -> bytes:
    try:
        # One byte more than it should have is enough to see that it is another file.
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310  (the caller allows http and https only)
            content: bytes = answer.read(archive.size + 1)
            return content
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise Failed(
            f"{url} could not be fetched: {reason}", next_step="name a mirror or a folder of archives with --sources"
        ) from error


def rows(release: Release, found: Mapping[Part, bytes]) -> list[tuple[str, str, str, str]]:
    """Return the rows of a table of archives: part, version, size, checksum."""
    return [
        (part, archive.version, f"{len(found[part]) / 1024:.0f} KiB", f"{archive.sha512[:16]}…")
        for part, archive in release.archives.items()
    ]
