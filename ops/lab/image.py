"""Base images: one per release, built once per user, checked when used, rebuilt when old, broken or made otherwise."""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ops import terminal
from ops.errors import Failed
from ops.lab.mirror import Mirror
from ops.lab.system import run

PACKAGES = (
    "systemd,systemd-sysv,dbus,libpam-systemd,python3,python3-apt,openssh-server,iproute2,sudo,ca-certificates,"
    "needrestart,gpg,git,debian-archive-keyring,dpkg-repack,e2fsprogs"
)
"""What a Debian host prepared by roles/base has."""

_HOOK = (
    'rm -f "$1"/etc/ssh/ssh_host_*_key* "$1"/etc/apt/sources.list "$1"/usr/sbin/policy-rc.d'
    ' "$1"/etc/systemd/system/timers.target.wants/apt-daily*.timer'
)
"""Host keys are made for each host, sources are written for each host, and package timers do not run by themselves."""

_MAX_AGE = 30 * 86400
_NEEDED = ("usr/lib/systemd/systemd", "usr/sbin/sshd", "usr/bin/python3", "usr/sbin/needrestart", "usr/bin/git")


def folder() -> Path:
    """Return the folder of this user's images."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "bordbuch" / "images"


def recipe() -> str:
    """Return a digest of what images are made of; another recipe means another image."""
    return hashlib.sha256(f"{PACKAGES} {_HOOK}".encode()).hexdigest()[:16]


def find_image(images: Path, release: str, now: float) -> Path | None:
    """Return the newest sound image of *release*, or None."""
    candidates = sorted(images.glob(f"{release}-*"), reverse=True)
    return next((path for path in candidates if is_sound(path, now)), None)


def is_sound(image: Path, now: float) -> bool:
    """Whether the image is complete, of today's recipe, not too old, and its package database as it was built."""
    try:
        stamp = json.loads((image / "stamp.json").read_text())
        status = (image / "root/var/lib/dpkg/status").read_bytes()
    except (OSError, ValueError):
        return False
    complete = all((image / "root" / path).exists() for path in _NEEDED)
    fresh = stamp.get("recipe") == recipe() and now - stamp.get("built", 0) < _MAX_AGE
    return complete and fresh and stamp.get("status") == hashlib.sha256(status).hexdigest()


def ensure_image(images: Path, release: str, mirror: Mirror) -> Path:
    """Return a sound image of *release*, built when there is none; a second builder waits for the first.

    Raises:
        Failed: it could not be built.
    """
    found = find_image(images, release, time.time())
    if found is not None:
        return found
    images.mkdir(parents=True, exist_ok=True)
    with _only_builder(images, release):
        found = find_image(images, release, time.time())
        if found is None:
            _remove_unused(images, release)
            found = _build(images, release, mirror)
    return found


@contextmanager
def _only_builder(images: Path, release: str) -> Iterator[None]:
    with (images / f".{release}.lock").open("w") as lock, terminal.progress(f"Building the base image of {release}"):
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(images: Path, release: str, mirror: Mirror) -> Path:
    aside = images / f".building-{release}-{secrets.token_hex(4)}"
    aside.mkdir()
    try:
        run(_command(release, aside / "root", mirror), limit=900)
        _stamp(aside)
    except Failed as error:
        shutil.rmtree(aside, ignore_errors=True)
        what = f"the base image of {release} could not be built: {error.what}"
        raise Failed(what, left="nothing was started", next_step="see that this machine reaches its mirror") from error
    ready = images / f"{release}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
    return aside.rename(ready)


def _command(release: str, root: Path, mirror: Mirror) -> list[str]:
    # The namespaces and the death signal see to it that nothing goes on when this process is killed.
    guard = "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc --"
    options = ["--quiet", "--mode=root", "--variant=minbase", f"--include={PACKAGES}", f"--customize-hook={_HOOK}"]
    proxy = [f'--aptopt=Acquire::http::Proxy "{mirror.proxy}"'] if mirror.proxy else []
    return [*guard.split(), "mmdebstrap", *options, *proxy, release, str(root), mirror.archives[""]]


def _stamp(image: Path) -> None:
    status = hashlib.sha256((image / "root/var/lib/dpkg/status").read_bytes()).hexdigest()
    (image / "in-use").touch()
    (image / "stamp.json").write_text(json.dumps({"recipe": recipe(), "built": int(time.time()), "status": status}))


def _remove_unused(images: Path, release: str) -> None:
    """Remove unsound images and leftovers of killed builders, except what a running host still stands on."""
    for leftover in [*images.glob(f"{release}-*"), *images.glob(f".building-{release}-*")]:
        if not _is_in_use(leftover):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_in_use(image: Path) -> bool:
    """Whether a running host holds the image's lock (each supervisor does, as long as it lives)."""
    with suppress(FileNotFoundError), (image / "in-use").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
