"""Refreshing the package lists, so that each source says for itself whether it answered.

``apt-get update`` exits 0 on old lists when a server is away or a key has expired; here every index is followed.
"""

from __future__ import annotations

import fcntl
import re
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import apt_pkg
from ansible.module_utils.bordbuch import keys
from apt.progress.base import AcquireProgress

LISTS = Path("/var/lib/apt/lists")
DPKG_LOCK = Path("/var/lib/dpkg/lock-frontend")

_STATES = (
    ("expired", re.compile(r"is expired|no longer valid|not valid yet", re.I)),
    (
        "key",
        re.compile(
            r"NO_PUBKEY|EXPKEYSIG|REVKEYSIG|KEYEXPIRED|Missing key|Signing key on|is not live|/usr/bin/sqv returned"
            r"|signatures? (were|was|couldn't)",
            re.I,
        ),
    ),
    ("unsigned", re.compile(r"is not signed|no longer signed|NODATA|no valid OpenPGP", re.I)),
    ("failed", re.compile(r"NOSPLIT|Hash Sum mismatch|changed its|expected \S+ but got", re.I)),
    ("unreachable", re.compile(r"resolv|connect|timed? ?out|unreachable|network|refused|temporary failure", re.I)),
)
"""What apt's words mean, the first that fits: collected from apt 2.6 (gpgv) and apt 3.0 (sqv)."""


class Busy(Exception):
    """Another program holds the lists; carries who."""


class Listener(AcquireProgress):  # type: ignore[misc]  # python-apt brings no types
    """Remembers by apt's description (``URI SUITE InRelease``) what became of each file that was asked for."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}
        self.verified: set[str] = set()

    def fail(self, item: Any) -> None:
        """Note why *item* did not come."""
        self.errors[without_credentials(item.description)] = item.owner.error_text

    def done(self, item: Any) -> None:
        """Note *item* once its signature was checked (methods ``gpgv`` and ``sqv``); an expired file is done with an error."""
        if item.owner.error_text:
            self.errors[without_credentials(item.description)] = item.owner.error_text
        elif item.uri.startswith(("gpgv:", "sqv:")) and item.owner.status == apt_pkg.AcquireItem.STAT_DONE:
            self.verified.add(without_credentials(item.description))


def holder_of(path: Path) -> str:
    """Return pid and name of who locks *path*, empty where nobody is found."""
    inode = str(path.stat().st_ino)
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[5].endswith(f":{inode}"):
            command = Path(f"/proc/{fields[4]}/comm")
            return f"{command.read_text().strip() if command.exists() else 'unknown'} (pid {fields[4]})"
    return ""


def wait_for_lock(path: Path, seconds: float) -> Any:
    """Return an open file that locks *path* as apt does, waiting up to *seconds*; closing it frees the lock.

    Raises:
        Busy: it stayed locked; the holder is named, and left alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    limit = time.monotonic() + seconds
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except OSError:
            if time.monotonic() > limit:
                raise Busy(f"{path} is held by {holder_of(path) or 'another program'}") from None
            time.sleep(0.5)


def refresh(seconds: float) -> tuple[Listener, str]:
    """Refresh the lists of every source and return what each file answered, and apt's own words where it complained.

    Raises:
        Busy: the lists stayed locked for *seconds*.
    """
    apt_pkg.init()
    apt_pkg.config.set("APT::Update::Error-Mode", "any")
    apt_pkg.config.set("Acquire::Check-Valid-Until", "true")
    apt_pkg.config.set("Acquire::http::Timeout", "10")
    apt_pkg.config.set("Acquire::https::Timeout", "10")
    apt_pkg.config.set("Acquire::Retries", "1")
    listener, complaint = Listener(), ""
    sources = apt_pkg.SourceList()
    sources.read_main_list()
    with wait_for_lock(LISTS / "lock", seconds):
        try:
            apt_pkg.Cache(None).update(listener, sources, 500000)
        except apt_pkg.Error as error:
            complaint = str(error)
    return listener, complaint


def sources(listener: Listener, complaint: str) -> list[dict[str, object]]:
    """Return one row per source and suite: state, detail, and when its Release file was published and is valid until."""
    listing = apt_pkg.SourceList()
    listing.read_main_list()
    ends = keys.key_ends()
    return [_row(meta.uri, meta.dist, listener, complaint, ends) for meta in listing.list]


def _row(uri: str, suite: str, listener: Listener, complaint: str, ends: dict[str, int]) -> dict[str, object]:
    release = _release(uri, suite)
    about = re.compile(rf"{re.escape(without_credentials(uri).rstrip('/'))} {re.escape(suite)}[ /]")
    errors = {description: text for description, text in listener.errors.items() if about.match(description) and text}
    words = " ".join(errors.values()) or _words_about(uri, suite, complaint)
    answered = any(about.match(description) for description in listener.verified) and not words
    state, words = ("answered", "") if answered else (_missing(errors) or classify(words), words)
    if answered:
        state, words = _doubts(suite, release)
    until = keys.signed_until(_signed(uri, suite), ends) if answered else None
    return {
        "uri": without_credentials(uri),
        "suite": suite,
        "state": state,
        "detail": " ".join(without_credentials(words).split())[:300],
        "published": _iso(release.get("Date", "")),
        "valid_until": _iso(release.get("Valid-Until", "")),
        "key_known": until is not None,
        "key_valid_until": _moment(until) if until and until != keys.NEVER else None,
    }


def _missing(errors: dict[str, str]) -> str:
    """Return what it means which file the server does not have: all of the suite, or only its signature; empty if neither."""
    absent = {
        description.rpartition(" ")[2] for description, text in errors.items() if re.match(r"4(03|04|10)\b", text)
    }
    return "gone" if "Release" in absent else "unsigned" if "Release.gpg" in absent else ""


def _doubts(suite: str, release: dict[str, str]) -> tuple[str, str]:
    """Return what is wrong with a Release file that apt has taken: apt only warns of some of it, or not at all."""
    if _past(release.get("Valid-Until", "")):
        return "expired", f"valid until {release['Valid-Until']}"
    names = {release.get("Suite", ""), release.get("Codename", "")} - {""}
    return (
        ("answered", "")
        if suite in names or suite.endswith("/") or not names
        else ("failed", f"the suite is {' or '.join(sorted(names))} now")
    )


def without_credentials(text: str) -> str:
    """Return *text* without user names and passwords in addresses: they must not reach a plan or a record."""
    return re.sub(r"//[^/@\s]*@", "//", text)


def classify(words: str) -> str:
    """Return the state that apt's *words* about a source mean; ``failed`` where they fit none."""
    return next((state for state, pattern in _STATES if pattern.search(words)), "failed")


def _words_about(uri: str, suite: str, complaint: str) -> str:
    parts = re.split(r",\s*(?=[EW]:)", complaint)
    return " ".join(part for part in parts if f"{uri.rstrip('/')} {suite} " in part or f"{uri}dists/{suite}/" in part)


def _release(uri: str, suite: str) -> dict[str, str]:
    head = _listed(uri, suite, "InRelease", "Release").split("\nSHA256:")[0]
    return dict(line.split(": ", 1) for line in head.splitlines() if re.match(r"[A-Z][\w-]*: ", line))


def _signed(uri: str, suite: str) -> str:
    """Return the signatures of a suite's Release file, and what else stands in the same file."""
    return _listed(uri, suite, "InRelease", "Release.gpg")


def _listed(uri: str, suite: str, *names: str) -> str:
    """Return the content of the first file of *names* that the suite has in the lists, empty if it has none."""
    stem = apt_pkg.uri_to_filename(f"{uri}dists/{suite}/")
    found = (LISTS / f"{stem}{name}" for name in names)
    return next((path.read_text(errors="replace") for path in found if path.exists()), "")


def _past(date: str) -> bool:
    return bool(date) and parsedate_to_datetime(date).timestamp() < time.time()


def _iso(date: str) -> str | None:
    return _moment(parsedate_to_datetime(date).timestamp()) if date else None


def _moment(epoch: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def lists_age() -> int | None:
    """Return the seconds since the lists were last refreshed as a whole; None where that is not known."""
    stamp = LISTS / "lock"
    return max(0, int(time.time() - stamp.stat().st_mtime)) if stamp.exists() else None
