"""What the module ``patch_facts`` tells of one host, checked when it arrives."""

from typing import Any

from pydantic import Field

from ops.logbook.model import ConfigurationFile, Model, Named, PackageChange, Secured, Source, Space


class Archives(Model):
    """What the package sources offer a host, under the selection that was asked for."""

    sources: tuple[Source, ...]
    lists_epoch: int
    packages: tuple[PackageChange, ...]
    kept_back: tuple[Named, ...]
    holds: tuple[Named, ...]
    other_updates: int
    staging: bool
    not_staged: tuple[str, ...]
    advisories: dict[str, tuple[str, ...]]
    published: dict[str, int] = Field(default_factory=dict)
    configuration_files: tuple[ConfigurationFile, ...]
    restarts: dict[str, tuple[str, ...]]
    reboots: tuple[str, ...]
    space: tuple[Space, ...]
    secured: tuple[Secured, ...] = ()
    stage_seconds: int


class Obstacle(Model):
    """Why the archives could not be asked."""

    kind: str
    detail: str


class HostFacts(Model):
    """One host as it was seen; ``archives`` is None where it could not be judged, with the ``obstacle``."""

    release: str
    checked_epoch: int
    clock_offset_seconds: int
    kernel_running: str
    kernel_newest: str
    boot_id: str
    unfinished: tuple[Named, ...]
    leftovers: tuple[str, ...]
    held: tuple[str, ...]
    failed_units: tuple[str, ...]
    automatic_updates: str
    lock: dict[str, Any] | None
    given: tuple[str, ...]
    archives: Archives | None
    obstacle: Obstacle | None = None
