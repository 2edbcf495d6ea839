"""What a drill knows: where things lie, what is asked for, what was found, and how steps end."""

import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bordbuch_pgbackrest import Backup

from bordbuch_drill.words import parse_time


class Failed(Exception):
    """The step found what must not be; the text is for a person."""


class Skipped(Exception):
    """The step could not look; the text says why."""

    def __init__(self, why: str, *, by_configuration: bool = False) -> None:
        super().__init__(why)
        self.by_configuration = by_configuration


class Interrupted(BaseException):
    """Somebody wants the drill to end."""


@dataclass(frozen=True)
class Paths:
    """Where everything lies."""

    state: Path
    configuration: Path = Path("/etc/bordbuch/backup.json")
    escrow: Path = Path("/etc/bordbuch/escrow.conf")
    given: Path = Path("/etc/bordbuch/given-facts.json")
    ledger: Path = Path("/var/lib/bordbuch-ledger")
    made: Path = Path("/var/lib/bordbuch/backup/made.json")
    replay: Path = Path("/usr/local/lib/bordbuch/replay.py")
    pgbackrest: Path = Path("/usr/bin/pgbackrest")
    postgresql: Path = Path("/usr/lib/postgresql")
    core: Path = Path("/usr/lib/liquidfeedback/core")
    moonbridge: Path = Path("/usr/lib/liquidfeedback/moonbridge/moonbridge")
    webmcp: Path = Path("/usr/lib/liquidfeedback/webmcp")
    frontend: Path = Path("/usr/share/liquidfeedback/frontend")
    sendmail: Path = Path("/usr/sbin/sendmail")

    @property
    def work(self) -> Path:
        """The folder of the throwaway place."""
        return self.state / "work"

    @property
    def result(self) -> Path:
        """The file that tells how it went."""
        return self.state / "result.json"


@dataclass(frozen=True)
class Request:
    """What is asked for; repository 0 stands for the first."""

    id: str = ""
    label: str = ""
    to: str = ""
    repository: int = 0


@dataclass(frozen=True)
class Settings:
    """What the configuration says."""

    stanza: str
    repositories: tuple[int, ...]
    version: str
    database: str
    recovery_point_seconds: int
    recovery_time_seconds: int
    may_be_empty: tuple[str, ...]
    application: bool


@dataclass(frozen=True)
class Marker:
    """A moment on the live side: its row's WAL position, and the end of the restore point after it."""

    number: int
    time: datetime
    lsn: int
    point: int
    seen: datetime


@dataclass(frozen=True)
class Outcome:
    """How a step ended."""

    name: str
    state: str
    seconds: int
    detail: str
    by_configuration: bool = False


@dataclass
class Drill:
    """What one drill knows so far."""

    paths: Paths
    started: datetime
    asked: str = "{}"
    request: Request = Request()
    offset: timedelta = timedelta()
    settings: Settings | None = None
    backups: list[Backup] = field(default_factory=list)
    backup: Backup | None = None
    marker: Marker | None = None
    number: int | None = None
    target: str = ""
    restore_began: float = 0.0
    recovery_time: int | None = None
    recovery_point: int | None = None
    found: dict[str, Any] | None = None
    replayed: dict[str, Any] | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    server: subprocess.Popen[bytes] | None = None
    application: subprocess.Popen[bytes] | None = None
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """The time by this host's clock, as given where a clock is tested."""
        return datetime.now(UTC) + self.offset

    @property
    def to(self) -> datetime | None:
        """The time that was asked for."""
        return parse_time(self.request.to) if self.request.to else None

    @property
    def repository(self) -> int:
        """The number of the repository that is drilled."""
        return self.request.repository or settled(self).repositories[0]


def settled(drill: Drill) -> Settings:
    """Return the configuration, which every step but the first may rely on."""
    assert drill.settings is not None  # noqa: S101  a step that needs it does not run without it
    return drill.settings


def chosen(drill: Drill) -> Backup:
    """Return the backup that was chosen, on which every step after the look may rely."""
    assert drill.backup is not None  # noqa: S101  a step that needs it does not run without it
    return drill.backup
