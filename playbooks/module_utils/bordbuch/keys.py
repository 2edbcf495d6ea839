"""Until when the keys are valid that sign the package lists: asked of gpg, which no list is checked with.

apt only says that a key has expired; who is to renew it in time must know before.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ansible.module_utils.bordbuch.state import run

FOLDERS = (Path("/etc/apt/trusted.gpg.d"), Path("/etc/apt/keyrings"), Path("/usr/share/keyrings"))
NEVER = 2**63
"""Stands for the end of a key that has none."""


def key_ends() -> dict[str, int]:
    """Return, by key id, until when (seconds since 1970) each key is valid that apt may trust; nothing where gpg is missing.

    Of a key that lies there twice, the copy that is valid longer counts. A key that stands in a ``.sources`` file is not found.
    """
    files = sorted(str(path) for folder in FOLDERS if folder.is_dir() for path in folder.iterdir() if path.is_file())
    return parse_ends(gpg(["--with-colons", "--show-keys", *files])) if files else {}


def parse_ends(listing: str) -> dict[str, int]:
    """Return key id → end for each key in what ``gpg --with-colons`` printed; a subkey ends with its primary key at the latest."""
    ends: dict[str, int] = {}
    primary = NEVER
    for fields in (line.split(":") for line in listing.splitlines()):
        if fields[0] in ("pub", "sub"):
            end = int(fields[6]) if fields[6] else NEVER
            primary = end if fields[0] == "pub" else primary
            ends[fields[4]] = max(ends.get(fields[4], 0), min(end, primary))
    return ends


def signers(signed: str) -> list[str]:
    """Return the ids of the keys that made the signatures in the text *signed* (an InRelease file or a detached signature)."""
    found = re.search(r"^-----BEGIN PGP SIGNATURE-----.*", signed, re.M | re.S)
    return re.findall(
        r"^:signature packet: .*keyid ([0-9A-F]{16})", gpg(["--list-packets"], found[0] if found else signed), re.M
    )


def signed_until(signed: str, ends: dict[str, int]) -> int | None:
    """Return until when one of the keys that signed the text *signed* is valid, None where that is not known."""
    known = [ends[key] for key in signers(signed) if key in ends] if ends else []
    return max(known, default=None)


def gpg(arguments: Iterable[str], text: str = "") -> str:
    """Return what gpg prints, of *text* if any, with a home of its own that goes with it; empty where gpg is missing."""
    with tempfile.TemporaryDirectory() as home:
        given = [Path(home, "given")] if text else []
        for path in given:
            path.write_text(text)
        try:
            return run(["gpg", "--batch", "--no-options", "--homedir", home, *arguments, *map(str, given)]).stdout
        except FileNotFoundError:
            return ""
