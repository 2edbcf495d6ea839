"""Open vulnerabilities by Debian's security tracker, from its data (JSON: source package → issue → release), fetched or in a file.

Records name binary packages, the tracker source packages: only those whose names are the same are compared.
"""

import http.client
import json
import re
import shutil
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.errors import BadInput
from ops.runbook.store import Version

ADDRESS = re.compile(r"https://[^/@\s]+/\S*|http://(localhost|127\.0\.0\.1)(:\d+)?/\S*")
"""Where it may come from: where a certificate is checked, or this machine."""

SECONDS = 60
"""How long the tracker may stay silent."""


@dataclass(frozen=True)
class Issue:
    """One issue that is open for a package in a release."""

    package: str
    name: str
    urgency: str
    fixed: str


def read_tracker(path: Path) -> Mapping[str, Any]:
    """Return the tracker's data in the file at *path*.

    Raises:
        BadInput: there is none, or it is not the tracker's.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"the tracker's data in {path} cannot be read: {error}") from None
    if not isinstance(data, dict) or not all(isinstance(issues, dict) for issues in data.values()):
        raise BadInput(f"{path} does not hold the tracker's data", next_step="fetch .../tracker/data/json into a file")
    return data


def fetch(address: str, path: Path) -> Path:
    """Bring the tracker's data from *address* to *path*, where nothing else replaces what was there before, and return *path*.

    Raises:
        BadInput: the address is none of `ADDRESS`, there was no good answer, or something else came.
    """
    left = f"{path} was left as it was"
    if not ADDRESS.fullmatch(address):
        raise BadInput(f"{address} is no address that begins with https:// and has no password", left=left)
    aside = path.with_suffix(".new")
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer, aside.open("wb") as file:  # noqa: S310  (checked above)
            if not ADDRESS.fullmatch(answer.url):
                raise BadInput(f"{address} leads to {answer.url}, which is not safe", left=left)
            shutil.copyfileobj(answer, file)
        read_tracker(aside)
        aside.replace(path)
    except (OSError, http.client.HTTPException) as error:
        raise BadInput(
            f"{address} could not be fetched: {error}", left=left, next_step="name a file with its data"
        ) from None
    finally:
        aside.unlink(missing_ok=True)
    return path


def open_issues(data: Mapping[str, Any], release: str, versions: Iterable[Version]) -> list[Issue]:
    """Return what is open in *release* for the packages of *versions*, by package and name."""
    names = sorted({version.name for version in versions} & data.keys())
    return [issue for name in names for issue in _issues(name, data[name], release)]


def _issues(package: str, issues: Mapping[str, Any], release: str) -> Iterator[Issue]:
    for name, issue in sorted(issues.items()):
        state = issue.get("releases", {}).get(release, {}) if isinstance(issue, Mapping) else {}
        if state.get("status") == "open":
            yield Issue(package, name, str(state.get("urgency", "")), str(state.get("fixed_version", "")))
