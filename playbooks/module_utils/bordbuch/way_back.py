"""The way back: package files of versions that a change replaces, kept on the host, and what a revert would do with them."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import apt_pkg
from ansible.module_utils.bordbuch import effects, job, state
from ansible.module_utils.bordbuch.refresh import wait_for_lock
from ansible.module_utils.bordbuch.resolve import Resolver, best_entry, cache_file
from ansible.module_utils.bordbuch.staged import ARCHIVES, changed_configuration, sha256

STORE = Path("/var/lib/bordbuch/packages")
REPACK_SECONDS = 300

RESERVE_BYTES = 500_000_000
"""Room that is left on the file system of the store: a way back is worth less than a host that runs."""


def secure(rows: list[dict[str, Any]], resolver: Resolver, lock_seconds: float) -> list[dict[str, str]]:
    """Have the store keep the package files of the versions that *rows* replace, and return for each how that went.

    They are taken from apt's cache, from an archive that still has them, or made anew with dpkg-repack, in this order.

    Raises:
        Busy: another apt holds the cache.
    """
    STORE.mkdir(mode=0o700, parents=True, exist_ok=True)
    replaced = [row for row in rows if row["from_version"]]
    lacking = [row for row in replaced if not _from_cache(row)]
    if lacking:
        _download(lacking, resolver, lock_seconds)
    return [_secured(row) for row in replaced]


def stored(name: str, version: str, architecture: str) -> Path:
    """Return where the store keeps the archive's own file of a package."""
    return STORE / cache_file(name, version, architecture)


def rebuilt(name: str, version: str, architecture: str) -> Path:
    """Return where the store keeps a package file that was made from what was installed."""
    return stored(name, version, architecture).with_suffix(".rebuilt.deb")


def _key(row: dict[str, Any]) -> tuple[str, str, str]:
    return str(row["name"]), str(row["from_version"]), str(row["architecture"])


def _from_cache(row: dict[str, Any]) -> bool:
    """Return whether the store has the archive's own file of what *row* replaces, taken from apt's cache if need be."""
    path, made = stored(*_key(row)), rebuilt(*_key(row))
    cached = ARCHIVES / path.name
    ours = cached.exists() and made.exists() and sha256(cached) == sha256(made)  # a revert has brought it there
    if not path.exists() and cached.exists() and not ours and _is(cached, row):
        try:
            os.link(cached, path)
        except OSError:  # another file system
            _copy(cached, path)
    return path.exists()


def _is(path: Path, row: dict[str, Any]) -> bool:
    """Return whether the file at *path* is a whole package file of what *row* replaces."""
    form = "${Package}\t${Version}\t${Architecture}"
    words = state.run(["dpkg-deb", "--show", f"--showformat={form}", str(path)]).stdout.split("\t")
    return words == list(_key(row)) and state.run(["dpkg-deb", "--contents", str(path)]).returncode == 0


def _download(rows: list[dict[str, Any]], resolver: Resolver, lock_seconds: float) -> None:
    """Bring what *rows* replace into the store from archives that still have it, each checked by the archive's hash."""
    fetcher = apt_pkg.Acquire()
    files = []  # they must outlive the fetcher's run
    for row in rows:
        version = _offered(resolver, row)
        index = resolver.sources.find_index(best_entry(version)[0]) if version else None
        if index is not None and _room(version.size):
            resolver.records.lookup(best_entry(version))
            uri = index.archive_uri(resolver.records.filename)
            path = stored(*_key(row))
            part = ARCHIVES / "partial" / f"before-{path.name}"
            item = apt_pkg.AcquireFile(fetcher, uri, resolver.records.hashes, version.size, destfile=str(part))
            files.append((item, part, path))
    with wait_for_lock(ARCHIVES / "lock", lock_seconds):
        fetcher.run()
        for item, part, path in files:
            if item.status == item.STAT_DONE:
                _copy(part, path)
            part.unlink(missing_ok=True)


def _offered(resolver: Resolver, row: dict[str, Any]) -> Any:
    """Return the version that *row* replaces if an archive still offers it."""
    name, version, architecture = _key(row)
    for known in resolver.cache[name, architecture].version_list:
        archives = [file for file, _index in known.file_list if file.index_type != "Debian dpkg status file"]
        if (known.ver_str, known.arch) == (version, architecture) and archives:
            return known
    return None


def _secured(row: dict[str, Any]) -> dict[str, str]:
    """Return how the version that *row* replaces is kept, made anew with dpkg-repack where no archive's file is there."""
    name, version, architecture = _key(row)
    told = {"name": name, "architecture": architecture, "version": version}
    path, made = stored(*_key(row)), rebuilt(*_key(row))
    if path.exists():
        return {**told, "way": "original", "sha256": sha256(path)}
    detail = "" if made.exists() else _repack(row, made)
    return {**told, "way": "none", "detail": detail} if detail else {**told, "way": "rebuilt", "sha256": sha256(made)}


def _repack(row: dict[str, Any], target: Path) -> str:
    """Make the package file *target* from what is installed, and return why that cannot be, empty if it can."""
    if shutil.which("dpkg-repack") is None:
        return "no archive has it any more, and dpkg-repack is not installed"
    name, _version, architecture = _key(row)
    size = state.run(["dpkg-query", "-W", "-f", "${Installed-Size}", f"{name}:{architecture}"]).stdout
    if not _room(int(size or 0) * 1024):
        return "no archive has it any more, and there is no room to make it anew"
    with tempfile.TemporaryDirectory(dir=STORE) as folder:
        try:
            done = state.run(["dpkg-repack", "-d-Znone", f"{name}:{architecture}"], REPACK_SECONDS, cwd=folder)
        except subprocess.TimeoutExpired:
            return f"no archive has it any more, and dpkg-repack took longer than {REPACK_SECONDS} s"
        found = list(Path(folder).glob("*.deb"))
        if done.returncode or len(found) != 1 or not _is(found[0], row):
            return f"no archive has it any more, and dpkg-repack failed: {' '.join(done.stderr.split())[-200:]}"
        found[0].replace(target)
    return ""


def _copy(source: Path, target: Path) -> None:
    """Copy a package file if there is room: the target is whole or not there, and root's alone; it may hold what /etc held."""
    if not _room(source.stat().st_size):
        return
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    with source.open("rb") as old, os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
        shutil.copyfileobj(old, new)
    part.replace(target)


def _room(size_bytes: int) -> bool:
    return shutil.disk_usage(STORE).free - size_bytes > RESERVE_BYTES


def keep(rows: list[dict[str, Any]], days: int) -> None:
    """Keep what *rows* replace for *days* from now on, and delete what has been kept for its time."""
    now = time.time()
    for row in rows:
        for path in (stored(*_key(row)), rebuilt(*_key(row))):
            if row["from_version"] and path.exists():
                os.utime(path, (now, now))
    for path in STORE.glob("*.deb*"):
        if path.stat().st_mtime < now - days * 86_400:
            path.unlink()


def facts(wanted: list[dict[str, Any]], refuses: dict[str, str], lock_seconds: float) -> dict[str, Any]:
    """Return how *wanted* would be taken back, in the form that `patch_facts` has: the one source is what this host has kept.

    Raises:
        Busy: another apt holds the cache.
    """
    began = time.monotonic()
    rows, obstacles = back(wanted, refuses)
    secured = secure(rows, Resolver(), lock_seconds) if rows and not obstacles else []
    names = [(str(row["name"]), str(row["architecture"])) for row in rows]
    restarts = effects.services_of_packages(names)
    state_of_store = {"state": "failed" if obstacles else "answered", "detail": "; ".join(obstacles)}
    return {
        "sources": [{"uri": f"file:{STORE}", "suite": "secured", **state_of_store}],
        "lists_epoch": int(time.time()),
        "packages": rows,
        "kept_back": [],
        "holds": [],
        "other_updates": 0,
        "staging": True,
        "not_staged": [],
        "advisories": {entry["name"]: entry["advisories"] for entry in wanted},
        "configuration_files": changed_configuration([row for row in rows if row["file"]]),
        "restarts": restarts,
        "reboots": effects.only_by_reboot((name for name, _architecture in names), restarts),
        "space": [],
        "secured": secured,
        "stage_seconds": round(time.monotonic() - began),
    }


def back(wanted: list[dict[str, Any]], refuses: dict[str, str]) -> tuple[list[dict[str, object]], list[str]]:
    """Return the rows of a plan that takes *wanted* back, and why that cannot be; the files are brought into apt's cache.

    Args:
        wanted: what the change did here: name, architecture, from_version, to_version, sha256 of what was secured.
        refuses: shell patterns of packages that do not go back, with the reason.
    """
    known = state.packages()
    rows: list[dict[str, object]] = []
    obstacles: list[str] = []
    for entry in wanted:
        key = f"{entry['name']}:{entry['architecture']}"
        now = job.present(known, key)
        if now == entry["from_version"]:
            continue  # it never came, or is back already
        if now != entry["to_version"]:
            obstacles.append(
                f"{key} is {now or 'not installed'}, the change had brought {entry['to_version'] or 'none'}"
            )
        obstacles += [
            f"{key} does not go back: {why}" for name, why in refuses.items() if fnmatch.fnmatch(entry["name"], name)
        ]
        row, obstacle = _row(entry)
        rows.append(row)
        obstacles += [obstacle] * bool(obstacle)
    if rows and not obstacles:
        obstacles = job.objections(STORE, rows, known)
    return sorted(rows, key=lambda row: (str(row["name"]), str(row["architecture"]))), obstacles


def _row(entry: dict[str, Any]) -> tuple[dict[str, object], str]:
    """Return one row of the plan, and what stands in its way."""
    name, architecture, version = entry["name"], entry["architecture"], entry["from_version"]
    row = {
        "name": name,
        "architecture": architecture,
        "from_version": entry["to_version"],
        "to_version": version,
        "origin": "this host",
        "archive": "goes" if version is None else "secured",
        "file": "",
        "sha256": "",
        "size_bytes": 0,
        "security": False,
    }
    if version is None:
        running = name.startswith("linux-image-") and state.kernel_running() in name
        return row, f"{name} is the kernel that runs: boot the one before it first" if running else ""
    if not entry["sha256"]:
        return row, f"{name} {version} was not secured before the change"
    for path, archive in (
        (stored(name, version, architecture), "secured"),
        (rebuilt(name, version, architecture), "rebuilt"),
    ):
        if path.exists() and sha256(path) == entry["sha256"]:
            target = ARCHIVES / stored(name, version, architecture).name  # apt takes no other name there
            if not target.exists() or sha256(target) != entry["sha256"]:
                _copy(path, target)
            found = {
                "archive": archive,
                "file": target.name,
                "sha256": entry["sha256"],
                "size_bytes": path.stat().st_size,
            }
            return {**row, **found}, ""
    return row, f"the secured file of {name} {version} is not there any more, or is another"
