"""What stands in a record: one model per phase file of ``changes/YYYY/MM/<id>/``.

``plan.json`` (what will be done), ``approval.json`` (who allowed it), ``start-N.json`` and ``events-N.jsonl`` (each run
of it), ``record.json`` (how it ended). A phase is added once and never rewritten. Every field stands here by name:
nothing gets into a record because it happened to be in a result.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from ops.logbook.canonical import digest


def _seconds(moment: datetime) -> datetime:
    there = moment.astimezone(UTC)
    return there.replace(microsecond=0) if there.microsecond else there


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


Moment = Annotated[AwareDatetime, AfterValidator(_seconds), PlainSerializer(_text, return_type=str)]
"""A time in UTC, to the second, written ``2026-11-25T23:00:00Z``."""


_WITHOUT_FRACTIONS = (str, int, bool, type(None))
"""Most of what is in a record, so they are asked for first: the pages of ten years read millions of values."""


def _without_fractions(value: Any) -> Any:
    if type(value) in _WITHOUT_FRACTIONS:
        return value
    if isinstance(value, dict):
        return {key: _without_fractions(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_without_fractions(child) for child in value]
    return str(value) if isinstance(value, float) else value


Data = Annotated[dict[str, Any], AfterValidator(_without_fractions)]
"""What a module says. A fraction becomes text: canonical JSON has none, and a record must not fail for one."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ChangeId = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}-\d{4}-[a-z2-7]{4}$")]
"""``2026-11-25-2300-k7xq``: UTC date and time of the request, and four letters so that two of one minute differ."""

HostName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
OperatorName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Kind = Literal["patch", "revert", "playbook", "unlock", "backup", "restore", "drill", "access"]
Category = Literal["standard", "normal", "emergency"]
Reboot = Literal["never", "when-needed", "always"]
Selection = Literal["security", "all"]


class Model(BaseModel):
    """A frozen value that knows its fields and refuses others."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Request(Model):
    """Why, by whom, from where: one value, checked once, used in lock, unit, commit and record."""

    id: ChangeId
    kind: Kind
    category: Category
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    ticket: str = ""
    requester: OperatorName
    controller: str
    time: Moment
    command: str
    limit: str = ""
    repository_commit: str = ""
    repository_dirty: bool = False
    inventory: str
    inventory_digest: Digest
    tools: dict[str, str] = {}
    reverts: ChangeId | None = None


class PackageChange(Model):
    """One package to its exact version.

    ``from_version`` is None for a new dependency; ``to_version`` where it goes, then without file and hash.
    """

    name: str
    architecture: str
    from_version: str | None
    to_version: str | None
    origin: str
    archive: str
    file: str
    sha256: Digest | Literal[""]
    size_bytes: int
    security: bool


class HostActions(Model):
    """What will be done to one host."""

    release: str
    reboot: Reboot
    packages: tuple[PackageChange, ...]


class Actions(Model):
    """The part of a plan that is approved and applied; its digest is the plan's digest."""

    kind: Kind
    selection: Selection
    waves: tuple[tuple[HostName, ...], ...]
    hosts: dict[HostName, HostActions]


class RestoreHost(HostActions):
    """What will be restored onto one host.

    ``until`` is a time, ``newest`` for all that there is, or ``backup`` for the end of the backup *label*. ``replaces`` says
    whether the host has data that goes aside. No package is touched.
    """

    label: str
    until: str
    repository: int
    replaces: bool
    release: str = ""
    reboot: Reboot = "never"
    packages: tuple[PackageChange, ...] = ()


class RestoreActions(Model):
    """The part of the plan of a restore that is approved and applied."""

    kind: Literal["restore"]
    selection: Selection
    waves: tuple[tuple[HostName, ...], ...]
    hosts: dict[HostName, RestoreHost]


class Source(Model):
    """One package source of a host and whether it answered the last refresh.

    ``valid_until`` is that of its Release file, ``key_valid_until`` that of the key which signs it: None where it has no end, or
    where the key is not known.
    """

    uri: str
    suite: str
    state: Literal["answered", "unreachable", "key", "expired", "gone", "unsigned", "failed"]
    detail: str = ""
    published: Moment | None = None
    valid_until: Moment | None = None
    key_known: bool = False
    key_valid_until: Moment | None = None


class Named(Model):
    """A package and what is to be said of it: a state that is not installed, why it is kept back."""

    name: str
    detail: str


class Hold(Model):
    """A package on hold for which there is a newer version.

    dpkg keeps neither ``reason``, which comes from the inventory, nor ``since``: the first plan on record that saw it.
    """

    name: str
    detail: str
    reason: str = ""
    since: Moment


class Space(Model):
    """Free and needed room of one file system, in bytes."""

    path: str
    free_bytes: int
    needed_bytes: int


class ConfigurationFile(Model):
    """A configuration file that differs from what its package installed; it is kept as it is."""

    path: str
    package: str
    package_brings_new: bool


class Secured(Model):
    """The package file of a version that a change replaces, kept on the host for the way back.

    ``way`` is ``original`` for the file that an archive had, ``rebuilt`` for one that dpkg-repack made of what is installed, with
    configuration files as they are, ``none`` where there is no way back, for the reason in ``detail``.
    """

    name: str
    architecture: str
    version: str
    way: Literal["original", "rebuilt", "none"]
    sha256: Digest | Literal[""] = ""
    detail: str = ""


class Observations(Model):
    """What was seen on a host while planning. It explains the plan and is no part of its digest.

    ``verdict``: ``pending`` has actions; ``current`` none, proven; ``needs-repair``, ``end-of-life``, ``busy`` and
    ``unknown`` keep the host out of the plan, with the reasons. ``advisories`` holds, by package, what its changelog names since
    the installed version, ``published`` when the entry that names it was written. ``restarts`` holds, by package, the services that
    run on its files; ``reboots`` the packages that take effect by a reboot only.
    """

    verdict: Literal["current", "pending", "unknown", "needs-repair", "end-of-life", "busy"]
    reasons: tuple[str, ...] = ()
    checked: Moment
    lists_age_seconds: int | None = None
    sources: tuple[Source, ...] = ()
    holds: tuple[Hold, ...] = ()
    kept_back: tuple[Named, ...] = ()
    unfinished: tuple[Named, ...] = ()
    leftovers: tuple[str, ...] = ()
    space: tuple[Space, ...] = ()
    clock_offset_seconds: int | None = None
    kernel_running: str = ""
    kernel_newest: str = ""
    end_of_life: str = ""
    automatic_updates: str = ""
    staged: bool = False
    stage_seconds: int = 0
    advisories: dict[str, tuple[str, ...]] = {}
    published: dict[str, Moment] = {}
    configuration_files: tuple[ConfigurationFile, ...] = ()
    restarts: dict[str, tuple[str, ...]] = {}
    reboots: tuple[str, ...] = ()
    secured: tuple[Secured, ...] = ()
    warnings: tuple[str, ...] = ()


class Plan(Model):
    """What a change will do, host by host, to the exact version, computed before anything is touched."""

    schema_version: Literal["bordbuch/plan/1"] = "bordbuch/plan/1"
    request: Request
    actions: Actions | RestoreActions
    digest: Digest
    observations: dict[HostName, Observations]
    excluded: dict[HostName, str] = {}

    def computed_digest(self) -> str:
        """Return the digest that ``actions`` really has, for comparison with the one that is written."""
        return digest(self.actions.model_dump(mode="json"))


class Approval(Model):
    """A signed yes or no to one digest. ``basis`` is ``policy`` where the category needs only the question answered."""

    schema_version: Literal["bordbuch/approval/1"] = "bordbuch/approval/1"
    id: ChangeId
    digest: Digest
    verdict: Literal["approved", "rejected"]
    basis: Literal["policy", "operator"]
    by: OperatorName
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    time: Moment


class Start(Model):
    """One run of a change: who carries it out, from where, since when. A resumed change has a second one."""

    schema_version: Literal["bordbuch/start/1"] = "bordbuch/start/1"
    id: ChangeId
    run: Annotated[int, Field(ge=1)]
    digest: Digest | None
    operator: OperatorName
    controller: str
    time: Moment
    command: str


class Event(Model):
    """One line of ``events-N.jsonl``, as the callback plugin spooled it. ``data`` comes from our own modules only.

    ``form`` is a digest of a task as it is written, in the event of its beginning; empty in logbooks of earlier programs.
    """

    time: Moment
    type: Literal["play", "task", "result", "end"]
    play: str = ""
    task: str = ""
    action: str = ""
    form: Annotated[str, Field(pattern=r"^([0-9a-f]{12})?$")] = ""
    host: str = ""
    status: Literal["", "ok", "changed", "failed", "unreachable", "skipped"] = ""
    data: Data = {}


class PackageResult(Model):
    """A package after the change. The two pending states are not compliant; ``unknown`` where nobody could look."""

    name: str
    architecture: str
    from_version: str | None
    to_version: str | None
    state: Literal[
        "installed",
        "removed",
        "installed-pending-restart",
        "installed-pending-reboot",
        "missing",
        "deferred",
        "held",
        "failed",
        "unknown",
    ]
    advisories: tuple[str, ...] = ()

    @property
    def came(self) -> bool:
        """Whether it is as it was to be, though something may still run on the old files."""
        return self.state.startswith("installed") or self.state == "removed"


class Check(Model):
    """One check of a gate: what was looked at, whether it passed, and what was seen."""

    name: str
    passed: bool
    detail: str = ""


class HostResult(Model):
    """How a change ended on one host."""

    state: Literal["verified", "failed", "refused", "unreachable", "not-begun", "interrupted"]
    reason: str = ""
    packages: tuple[PackageResult, ...] = ()
    checks: tuple[Check, ...] = ()
    restarted: tuple[str, ...] = ()
    still_on_old_files: tuple[str, ...] = ()
    configuration_files_left: tuple[str, ...] = ()
    boot_before: str = ""
    boot_after: str = ""
    kernel_before: str = ""
    kernel_after: str = ""


class Record(Model):
    """How a change ended. ``seconds`` holds the measured length of plan, stage, window and verify."""

    schema_version: Literal["bordbuch/record/1"] = "bordbuch/record/1"
    id: ChangeId
    kind: Kind
    category: Category
    reason: str
    outcome: Literal["verified", "failed", "aborted", "interrupted", "refused", "rejected"]
    detail: str = ""
    digest: Digest | None
    requester: OperatorName
    approver: OperatorName | None = None
    approval_owed_until: Moment | None = None
    operator: OperatorName
    controller: str
    started: Moment
    ended: Moment
    command: str = ""
    seconds: dict[str, int] = {}
    waves: tuple[tuple[HostName, ...], ...] = ()
    hosts: dict[HostName, HostResult] = {}
    follow_up: tuple[str, ...] = ()
    links: dict[Literal["resumes", "reverts", "corrects"], str] = {}
