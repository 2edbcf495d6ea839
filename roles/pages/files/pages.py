#!/usr/bin/python3 -I
"""Put the pages live that a command has brought, or those from before again, or the status page.

usage: bordbuch-pages live ARCHIVE    unpack it, switch to it, keep what was live before and nothing older; says "unchanged"
                                      where it is live already
       bordbuch-pages back            switch to what was live before
       bordbuch-pages status          read the status page from standard input and replace it whole
"""

import argparse
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

HOME = Path("/var/lib/bordbuch-pages")
GROUP = "bordbuch-pages"
MADE = "made.json"
LARGEST_STATUS_BYTES = 1 << 20


class Fault(Exception):
    """What was brought cannot be meant; nothing was switched."""


def allowed(name: str) -> bool:
    """Return whether an archive may hold a file called *name*: what the site is made of, and what says so, nothing hidden."""
    parts = name.split("/")
    return name == MADE or (parts[0] == "site" and len(parts) > 1 and not any(p == "" or p[0] == "." for p in parts))


def unpack(archive: Path, folder: Path) -> str:
    """Unpack *archive* into the new *folder* for the server's group alone, and return the name of what is in it."""
    folder.mkdir(mode=0o750)
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or not allowed(member.name):
                raise Fault(f"{archive.name} holds {member.name!r}, which is none of the pages")
            place = folder / member.name
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file:
                shutil.copyfileobj(content, file)
    made = folder / MADE
    if not made.exists() or not (folder / "site/index.html").exists():
        raise Fault(f"{archive.name} is no whole site")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o750 if path.is_dir() else 0o640)
        shutil.chown(path, "root", GROUP)
    return hashlib.sha256(made.read_bytes()).hexdigest()[:16]


def point(link: Path, name: str) -> None:
    """Make *link* lead to the release *name* in one step: a reader finds the old one or the new one."""
    aside = link.with_name(f".{link.name}")
    aside.unlink(missing_ok=True)
    aside.symlink_to(f"releases/{name}")
    aside.replace(link)


def target(link: Path) -> str:
    """Return the release that *link* leads to, empty if there is none."""
    return link.readlink().name if link.is_symlink() else ""


def remove(folder: Path) -> None:
    """Remove *folder* and all in it, if it is there; what cannot be removed is a fault, since an old release would be served on."""
    if folder.exists():
        shutil.rmtree(folder)


def live(archive: Path) -> str:
    """Put what is in *archive* live, and return a word about it."""
    site, releases = HOME / "site", HOME / "site/releases"
    fresh = releases / ".new"
    remove(fresh)  # half of one, where an earlier run was killed
    try:
        name, before = unpack(archive, fresh), target(site / "live")
        if name == before:
            return "unchanged"
        remove(releases / name)  # the one from before the last may be the same again
        os.sync()
        fresh.rename(releases / name)
    finally:
        remove(fresh)
    if before:
        point(site / "before", before)
    forget(releases, {name, before})
    point(site / "live", name)  # last: whatever fails, what was live stays so
    return f"{name} is live"


def forget(releases: Path, kept: set[str]) -> None:
    """Remove all *releases* but those *kept*."""
    for path in releases.iterdir():
        if path.name not in kept:
            shutil.rmtree(path)


def back() -> str:
    """Put live again what was before; where nothing was, nothing is live."""
    before = target(HOME / "site/before")
    if not before:
        (HOME / "site/live").unlink(missing_ok=True)
        return "nothing is live, as before"
    point(HOME / "site/live", before)
    return f"{before} is live again"


def status() -> str:
    """Replace the status page by what comes in."""
    page = sys.stdin.buffer.read(LARGEST_STATUS_BYTES + 1)
    if not page.lower().startswith(b"<!doctype html>") or len(page) > LARGEST_STATUS_BYTES:
        raise Fault(f"a status page is HTML of at most {LARGEST_STATUS_BYTES} bytes")
    with tempfile.NamedTemporaryFile(dir=HOME / "status", prefix=".index-", delete=False) as file:
        file.write(page)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(HOME / "status/index.html")
    return "the status page is replaced"


def main() -> None:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=["live", "back", "status"])
    parser.add_argument("archive", nargs="?", type=Path)
    told = parser.parse_args()
    if (told.act == "live") != bool(told.archive):
        parser.error("live needs an archive, and only live")
    os.umask(0o027)
    try:
        print(live(told.archive) if told.act == "live" else {"back": back, "status": status}[told.act]())
    except (Fault, tarfile.TarError, OSError) as fault:
        sys.exit(f"{fault}; what was live is live as before")


if __name__ == "__main__":
    main()
