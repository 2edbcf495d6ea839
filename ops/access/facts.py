"""What hosts tell of who may do what on them, checked where it arrives."""

from typing import Annotated, Literal

from pydantic import Field

from ops.logbook.model import Model

Name = Annotated[str, Field(max_length=200)]
"""What a host calls something: it is shown, and anything may stand in it."""


class Key(Model):
    """A key that sshd accepts: ``program`` is the only one that it may start (empty: any); ``authority`` signs further keys."""

    fingerprint: Name
    program: Name = ""
    restricted: bool = False
    authority: bool = False


class Account(Model):
    """An account that somebody can use; ``password`` is its state: nothing of it is read."""

    name: Name
    uid: int
    shell: bool
    password: Literal["locked", "none", "set"]
    expired: bool = False
    keys: tuple[Key, ...] = ()


class Rule(Model):
    """A rule of sudo for one name, with ``%`` before a group's, whose members are ``accounts``; ``password``: whether it asks."""

    who: Name
    accounts: tuple[Name, ...] = ()
    as_users: tuple[str, ...] = ()
    as_groups: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    password: bool = True


class Role(Model):
    """A role of a database server, with what it may do beyond what it was granted."""

    name: Name
    login: bool = False
    superuser: bool = False
    createrole: bool = False
    createdb: bool = False
    replication: bool = False
    bypassrls: bool = False
    member_of: tuple[str, ...] = ()


class Cluster(Model):
    """A PostgreSQL server of the host (``17/main``) and its roles."""

    cluster: Name
    roles: tuple[Role, ...]


class Wanted(Model):
    """A database role as inventory and roles have it; ``attributes`` as the role postgresql writes them: ``LOGIN,NOSUPERUSER``."""

    name: str
    attributes: str
    member_of: tuple[str, ...] = ()


class HostAccess(Model):
    """Who may do what on one host. What could not be read stands in ``unknown``, by part, with the reason."""

    accounts: tuple[Account, ...] = ()
    sudo: tuple[Rule, ...] = ()
    databases: tuple[Cluster, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    unknown: dict[str, str] = Field(default_factory=dict)
