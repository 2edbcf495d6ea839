"""What hosts tell about backups, checked where it arrives."""

import json
from typing import Any

from pydantic import ConfigDict, Field

from ops.logbook.model import Model


class Backup(Model):
    """One backup of a repository; times in seconds since 1970, sizes in bytes."""

    label: str
    type: str
    start: int
    stop: int
    database_bytes: int
    stored_bytes: int
    error: bool = False


class Place(Model):
    """One repository: how it stands in its own words, its backups (the oldest first), the first and last WAL file that it has."""

    number: int
    path: str
    kind: str
    keep_full: int
    status: str
    opens: bool
    backups: tuple[Backup, ...] = ()
    archive: dict[str, str] = Field(default_factory=dict)
    free_bytes: int | None = None
    fault: str = ""


class Marker(Model):
    """The newest row that the watch wrote into the database, as it was noted outside of it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int = 0
    lsn: str = ""
    point_lsn: str = ""
    seen: str = ""


class Waiting(Model):
    """A result that waits to be recorded, to the byte as its program wrote it, and the signature that its host gave it."""

    text: str
    signature: str

    @property
    def result(self) -> dict[str, Any]:
        """What it says."""
        return dict(json.loads(self.text))


class Gap(Model):
    """What point-in-time recovery lacks, and when that was found, in seconds since 1970. A full backup after it closes it."""

    since: int
    missing: str


class Repository(Model):
    """The host that keeps the repositories. ``broken`` has the gaps by repository, as the watch noted at the time ``watched``."""

    version: str
    postgresql: str
    promised: dict[str, int]
    places: tuple[Place, ...]
    made: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    last: dict[str, Any] = Field(default_factory=dict)
    proven: dict[str, Any] = Field(default_factory=dict)
    marker: Marker = Marker()
    watched: int | None = None
    broken: dict[str, Gap] = Field(default_factory=dict)
    queue: tuple[Waiting, ...] = ()
    running: tuple[str, ...] = ()
    sent: str = ""


class Database(Model):
    """A host of the database. ``runs`` is whether its server answers; the rest is known only then."""

    version: str
    runs: bool
    members: int = 0
    free_bytes: int = 0
    data: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    archived: int = 0
    last_archived: int | None = None
    last_failed: int | None = None
    ready: int = 0
    wal_bytes: int = 0
    bytes: int = 0
    system: str = ""
    recovering: bool = False
    server: int = 0
    databases: tuple[str, ...] = ()


class Looked(Model):
    """The answers of all hosts; ``silent`` says why another is not known. Which is which says the module's own answer.

    ``untrusted`` says of results by their ids why they are not recorded.
    """

    repository_host: str = ""
    repository: Repository | None = None
    databases: dict[str, Database] = Field(default_factory=dict)
    silent: dict[str, str] = Field(default_factory=dict)
    untrusted: dict[str, str] = Field(default_factory=dict)
