"""Whether the backups that a repository tells of are those that it should have, and can be restored here."""

import re
from collections.abc import Mapping
from typing import Any

from bordbuch_pgbackrest import Backup

from bordbuch_drill.model import Failed
from bordbuch_drill.words import some


def judge_versions(backup: Backup, tool: str, server: str, promised: str) -> None:
    """Check that what is installed here can restore *backup*, and is what the live side has.

    Raises:
        Failed: it is not.
    """
    if backup.version != promised:
        raise Failed(f"Backup {backup.label} is of PostgreSQL {backup.version}; the configuration says {promised}.")
    if server.split(".")[0] != backup.version:
        raise Failed(
            f"Backup {backup.label} is of PostgreSQL {backup.version}; here is {server or 'none of that version'}."
        )
    if numbers(tool) < numbers(backup.tool):
        raise Failed(f"Backup {backup.label} was made by pgBackRest {backup.tool}; here is the older {tool}.")
    if backup.damaged:
        raise Failed(f"Backup {backup.label} says itself that it found damaged pages in the live database.")


def numbers(version: str) -> list[int]:
    """Return a version as what can be compared."""
    return [int(part) for part in re.findall(r"\d+", version)]


def labels_made(made: Mapping[str, Any], repository: int) -> set[str]:
    """Return the labels that were made into *repository*, by the host's notes."""
    return set(made["labels"].get(str(repository), []))


def judge_made(made: set[str], there: set[str]) -> str:
    """Compare the backups that this host has noted with those that the repository has.

    Raises:
        Failed: some are not there.
    """
    missing = sorted(made - there)
    if missing:
        raise Failed(
            f"{some(missing)} was made and is not in the repository: an old copy of the repository was put in place of the "
            "current one, or somebody has removed backups."
        )
    return f"{len(made)} backups were made, and all are there"
