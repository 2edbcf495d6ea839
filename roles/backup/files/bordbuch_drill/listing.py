"""What the repository's own list of its backups tells."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bordbuch_pgbackrest import NONSENSE, own_words, printable

from bordbuch_drill.model import Backup, Failed
from bordbuch_drill.wal import position
from bordbuch_drill.words import some

UNREADABLE = "It is another passphrase, or the list of contents and its copy are both damaged"


def judge_listing(text: str, stanza: str, repository: int) -> dict[str, Any]:
    """Return what the repository has of *stanza*, judged by the JSON that it printed.

    Raises:
        Failed: the repository is not in order.
    """
    try:
        # Not strict: what a wrong key makes of a file stands in the message as it is.
        entry = next((one for one in json.loads(text, strict=False) if one["name"] == stanza), None)
    except ValueError:
        raise Failed(f"pgBackRest told nothing about repository {repository}: {own_words(text)}") from None
    if entry is None:
        raise Failed(f"Repository {repository} has no stanza {stanza}.")
    own = next((one for one in entry.get("repo", []) if one["key"] == repository), entry)
    if own["status"]["code"]:
        message = printable(own["status"]["message"].partition(" at line")[0])
        if NONSENSE.match(message):
            raise Failed(f"The escrow copy of the passphrase does not open the repository. {UNREADABLE}: {message}")
        raise Failed(f"Repository {repository}: {message}.")
    return dict(entry)


def parse_backups(entry: Mapping[str, Any], repository: int) -> list[Backup]:
    """Return the backups in one repository, the oldest first, each with the end of the WAL that goes with it."""
    versions = {(one["id"], one.get("repo-key", repository)): one["version"] for one in entry["db"]}
    ends = {
        (one["database"]["id"], one["database"].get("repo-key", repository)): one["max"] or ""
        for one in entry["archive"]
    }
    found = []
    for one in entry["backup"]:
        key = one["database"]["id"], one["database"].get("repo-key", repository)
        if key[1] == repository:
            found.append(
                Backup(
                    label=one["label"],
                    ended=datetime.fromtimestamp(one["timestamp"]["stop"], UTC),
                    stop=position(one["lsn"]["stop"]),
                    version=versions[key],
                    pgbackrest=one["backrest"]["version"],
                    archive_last=ends.get(key, ""),
                    damaged=bool(one.get("error")),
                    bytes=one["info"]["size"],
                    stored_bytes=one["info"]["repository"].get("size", 0),
                )
            )
    return sorted(found, key=lambda one: (one.ended, one.label))


def judge_versions(backup: Backup, pgbackrest: str, server: str, promised: str) -> None:
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
    if numbers(pgbackrest) < numbers(backup.pgbackrest):
        raise Failed(
            f"Backup {backup.label} was made by pgBackRest {backup.pgbackrest}; here is the older {pgbackrest}."
        )
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
