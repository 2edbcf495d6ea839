"""Open vulnerabilities by Debian's security tracker, from its data in a file (JSON: source package → issue → release). Pure.

Records name binary packages, the tracker source packages: only those whose names are the same are compared.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.errors import BadInput
from ops.runbook.store import Version


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


def open_issues(data: Mapping[str, Any], release: str, versions: Iterable[Version]) -> list[Issue]:
    """Return what is open in *release* for the packages of *versions*, by package and name."""
    names = sorted({version.name for version in versions} & data.keys())
    return [issue for name in names for issue in _issues(name, data[name], release)]


def _issues(package: str, issues: Mapping[str, Any], release: str) -> Iterator[Issue]:
    for name, issue in sorted(issues.items()):
        state = issue.get("releases", {}).get(release, {}) if isinstance(issue, Mapping) else {}
        if state.get("status") == "open":
            yield Issue(package, name, str(state.get("urgency", "")), str(state.get("fixed_version", "")))
