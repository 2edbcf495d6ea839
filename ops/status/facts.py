"""What hosts tell about themselves, checked where it arrives."""

from typing import Any

from pydantic import Field

from ops.logbook.model import Check, Model


class Updates(Model):
    """Pending updates by the package lists as they are; ``lists_age_seconds`` is None where a host has no lists."""

    security: int
    other: int
    lists_age_seconds: int | None


class Pending(Model):
    """Why a reboot is pending, and which services run on files that are no longer there."""

    reboot: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()


class Database(Model):
    """The PostgreSQL server of a host; ``votes_age_seconds`` is the age of the site's last vote count."""

    up: bool
    connections: int = 0
    connections_limit: int = 0
    bytes: int = 0
    version: int = 0
    votes_age_seconds: int | None = None


class HostStatus(Model):
    """How one host stands. What could not be read stands in ``unknown``, by part, with the reason."""

    release: str = ""
    updates: Updates | None = None
    pending: Pending | None = None
    failed_units: tuple[str, ...] | None = None
    services: dict[str, str] = Field(default_factory=dict)
    database: Database | None = None
    mail_queue: int | None = None
    certificates: dict[str, int] = Field(default_factory=dict)
    backup_age_seconds: int | None = None
    backup_here: bool = False
    lock: dict[str, Any] | None = None
    checks: tuple[Check, ...] = ()
    unknown: dict[str, str] = Field(default_factory=dict)


class Status(Model):
    """The answers of the hosts, why others are not known, and what the logbook says is open."""

    hosts: dict[str, HostStatus]
    silent: dict[str, str] = Field(default_factory=dict)
    open: tuple[str, ...] = ()
