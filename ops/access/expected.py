"""Who may do what on a host, by inventory and roles. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ops.access.facts import Role, Wanted
from ops.logbook.operators import MAY_SIGN, Key, Operators

DEBIANS = ("postgres", "root", "sync")
"""Accounts of Debian's own packages that have a shell; no password fits and no key opens them."""

LOGBOOK, LOGBOOK_SHELL = "logbook", "/usr/local/lib/bordbuch/logbook-shell"
"""The one account with a shell that a role makes, and the one program that its keys may start."""

READER = Role(name="bordbuch_reader", member_of=("pg_read_all_data",))
"""Owns the functions by which backups read; the role backup makes it (watch.sql), and nobody can log in as it."""

ATTRIBUTES = ("login", "superuser", "createrole", "createdb", "replication", "bypassrls")
SUPERUSER = Role(name="postgres", **dict.fromkeys(ATTRIBUTES, True))


@dataclass(frozen=True)
class Expected:
    """What is configured for one host.

    ``keys`` holds, by account, the fingerprints that open it; ``programs`` the one program where keys may start no other.
    ``lab_key`` is the key by which a lab reaches its own hosts as root, empty elsewhere.
    """

    administrators: frozenset[str]
    others: Mapping[str, str]
    keys: Mapping[str, frozenset[str]]
    programs: Mapping[str, str]
    owners: Mapping[str, str]
    lab_key: str = ""

    @property
    def accounts(self) -> frozenset[str]:
        """The accounts that are to be there."""
        return frozenset(self.keys)


def expected(operators: Operators, now: datetime, *, keeps_logbook: bool = False, lab_key: str = "") -> Expected:
    """Return what is configured for a host at *now*.

    Args:
        operators: those of the inventory.
        now: keys are told apart by whether they count then.
        keeps_logbook: whether it is the logbook's host.
        lab_key: the public key by which a lab reaches its own hosts, empty elsewhere.
    """
    keys = {
        one.name: frozenset(key.fingerprint for key in one.keys if key.valid_at(now))
        for one in operators.all
        if operators.may_change(one.name)
    }
    keys = {name: valid for name, valid in keys.items() if valid}  # without one, the role base locks the account
    logbook = {LOGBOOK: frozenset[str]().union(*keys.values())} if keeps_logbook else {}
    return Expected(
        administrators=frozenset(keys),
        others={one.name: _why(one.office, one.state) for one in operators.all if one.name not in keys},
        keys={**keys, **logbook},
        programs={LOGBOOK: LOGBOOK_SHELL} if keeps_logbook else {},
        owners={key.fingerprint: one.name for one in operators.all for key in one.keys},
        lab_key=Key(public=lab_key).fingerprint if lab_key else "",
    )


def _why(office: str, state: str) -> str:
    if state == "absent":
        return "has left"
    return "has no key that counts" if office in MAY_SIGN else f"is of office {office}, which has no account on hosts"


def database_roles(wanted: Iterable[Wanted]) -> dict[str, Role]:
    """Return the roles that are to be in a database server: Debian's own superuser, and those of the role postgresql."""
    return {"postgres": SUPERUSER, **{one.name: _role(one) for one in wanted}}


def _role(one: Wanted) -> Role:
    words = one.attributes.upper().split(",")
    given = {name: name.upper() in words for name in ATTRIBUTES}
    # Users are made with CREATE USER, which lets them log in where nothing else is said.
    return Role(name=one.name, member_of=one.member_of, **{**given, "login": "NOLOGIN" not in words})
