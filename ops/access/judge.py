"""Where a host differs from what is configured, each in one sentence. Pure."""

from collections.abc import Iterator

from ops.access.expected import ATTRIBUTES, DEBIANS, READER, Expected, database_roles
from ops.access.facts import Account, HostAccess, Key, Role, Rule
from ops.logbook.model import Check

SEPARATOR = "; "
LAB = "the lab's own access"
PASSWORDS = {"set": "has a password, and no role sets one", "none": "needs no password"}
PARTS = {
    "accounts": "accounts",
    "keys": "accounts",
    "passwords": "accounts",
    "sudo": "sudo",
    "database roles": "databases",
}
"""Checks, and which part of a host's answer each is made from."""


def judge(seen: HostAccess, wanted: Expected) -> tuple[Check, ...]:
    """Return the checks of one host; the detail of one that failed holds each difference."""
    found = {
        "accounts": list(accounts(seen, wanted)),
        "keys": [line for one in seen.accounts for line in keys(one, wanted)],
        "passwords": [line for one in seen.accounts for line in passwords(one)],
        "sudo": list(sudo(seen, wanted)),
        "database roles": list(databases(seen)),
    }
    checks = [_check(name, seen, found[name]) for name in PARTS]
    return (*checks, *_lab(seen, wanted))


def _check(name: str, seen: HostAccess, differences: list[str]) -> Check:
    why = seen.unknown.get(PARTS[name])
    if why is not None:
        return Check(name=name, passed=False, detail=f"could not be read: {one_line(why)}")
    detail = SEPARATOR.join(one_line(line) for line in differences) or _looked_at(name, seen)
    return Check(name=name, passed=not differences, detail=detail)


def one_line(text: str) -> str:
    """Return *text* without what would end a line or a sentence of a detail."""
    return " ".join(text.split()).replace(SEPARATOR, ", ")


def _looked_at(name: str, seen: HostAccess) -> str:
    """Return what was compared where nothing differs."""
    told = {
        "accounts": ", ".join(one.name for one in seen.accounts),
        "keys": f"{sum(len(one.keys) for one in seen.accounts)} accepted",
        "passwords": f"{len(seen.accounts)} accounts, none has one",
        "sudo": ", ".join(rule.who for rule in seen.sudo) or "no rule",
        "database roles": ", ".join(role.name for one in seen.databases for role in one.roles) or "no server here",
    }
    return one_line(told[name])


def accounts(seen: HostAccess, wanted: Expected) -> Iterator[str]:
    """Yield how the accounts that have a shell differ."""
    there = {one.name: one for one in seen.accounts}
    for name in sorted(wanted.accounts - there.keys()):
        yield f"account {name} is missing"
    for one in seen.accounts:
        if one.uid == 0 and one.name != "root":
            yield f"account {one.name} has the number of root, and is root by that"
        elif one.name in wanted.accounts:
            yield from _unusable(one)
        elif one.shell and not one.expired and one.name not in DEBIANS:
            yield f"account {one.name} has a shell and {whose(one.name, wanted)}"


def _unusable(one: Account) -> Iterator[str]:
    if one.expired:
        yield f"account {one.name} has expired: nobody can log in to it"
    if not one.shell:
        yield f"account {one.name} has no shell: nobody can log in to it"


def whose(name: str, wanted: Expected) -> str:
    """Return why an account of this *name* is not to be used."""
    return wanted.others.get(name, "is no operator's")


def keys(one: Account, wanted: Expected) -> Iterator[str]:
    """Yield how the keys that sshd accepts for an account differ."""
    due, program = wanted.keys.get(one.name, frozenset()), wanted.programs.get(one.name, "")
    for key in one.keys:
        if key.authority:
            yield f"account {one.name} accepts every key that {key.fingerprint} has signed"
        elif key.fingerprint not in due and not _is_labs(one, key, wanted):
            yield f"account {one.name} accepts the key {_named(key, wanted)}, which nothing configured gives it"
        elif program and (key.program != program or not key.restricted):
            yield f"account {one.name} lets the key {_named(key, wanted)} start {_what(key)}, not {program} alone"
        elif key.program and not program:
            yield f"account {one.name} lets the key {_named(key, wanted)} start {key.program} only"
    for missing in sorted(due - {key.fingerprint for key in one.keys}):
        yield f"account {one.name} does not accept the key {missing} ({wanted.owners.get(missing, 'its own')}'s), which counts"


def _named(key: Key, wanted: Expected) -> str:
    owner = wanted.owners.get(key.fingerprint)
    return f"{key.fingerprint} ({owner}'s)" if owner else key.fingerprint


def _what(key: Key) -> str:
    return (key.program or "any program") + ("" if key.restricted else " without restrictions")


def _is_labs(one: Account, key: Key, wanted: Expected) -> bool:
    return one.name == "root" and key.fingerprint == wanted.lab_key


def _lab(seen: HostAccess, wanted: Expected) -> Iterator[Check]:
    """Yield that a lab's machine comes in as root: no production host has that, and it is not to be hidden."""
    for one in seen.accounts:
        if any(_is_labs(one, key, wanted) for key in one.keys):
            said = f"account root accepts {wanted.lab_key}, the key by which a lab reaches its own hosts"
            yield Check(name=LAB, passed=True, detail=said)


def passwords(one: Account) -> Iterator[str]:
    """Yield where an account has a password, or needs none: people log in by key, and roles lock passwords."""
    if one.password in PASSWORDS:
        yield f"account {one.name} {PASSWORDS[one.password]}"


def sudo(seen: HostAccess, wanted: Expected) -> Iterator[str]:
    """Yield who may become somebody else beyond what the role base gives, and who may not although it does."""
    for rule in seen.sudo:
        yield from _beyond(rule, wanted)
    full = {name for rule in seen.sudo if _is_full(rule) and not rule.password for name in rule.accounts}
    for name in sorted(wanted.administrators - full):
        yield f"operator {name} may not become root by sudo without a password"


def _beyond(rule: Rule, wanted: Expected) -> Iterator[str]:
    if rule.who == "root":
        return
    what = f"run {', '.join(rule.commands)} as {_becomes(rule)} by sudo"
    if rule.who in ("ALL", "%ALL") or rule.who.startswith(("+", "%:")):
        yield f"everybody of {rule.who} may {what}"
        return
    if not rule.accounts and rule.who != "%sudo":  # Debian's own rule, for a group that has no member
        yield f"{rule.who} may {what}, and no role gives that"
    by = f" (rule for {rule.who})" if rule.who.startswith(("%", "#")) else ""
    for name in rule.accounts:
        if name not in (*wanted.administrators, "root"):
            yield f"account {name} may {what}{by} and {whose(name, wanted)}"


def _becomes(rule: Rule) -> str:
    users = ", ".join("anybody" if name == "ALL" else name for name in rule.as_users)
    return users or f"group {', '.join(rule.as_groups)}"


def _is_full(rule: Rule) -> bool:
    return "ALL" in rule.as_users and rule.commands == ("ALL",)


def databases(seen: HostAccess) -> Iterator[str]:
    """Yield how the roles of each database server differ; a wanted server that is not there is no right that somebody has."""
    due = database_roles(seen.wanted)
    for one in seen.databases:
        there = {role.name: role for role in one.roles}
        for name in sorted(due.keys() - there.keys()):
            yield f"database role {name} of {one.cluster} is missing"
        for role in one.roles:
            configured = due.get(role.name) or (READER if role.name == READER.name else None)
            yield from (f"database role {role.name} of {one.cluster} {words}" for words in _role(role, configured))


def _role(role: Role, configured: Role | None) -> Iterator[str]:
    if configured is None:
        can = ", ".join(name for name in ATTRIBUTES if getattr(role, name)) or "no attribute"
        yield f"is there with {can}, and neither inventory nor roles make it"
        return
    for name in ATTRIBUTES:
        if getattr(role, name) != getattr(configured, name):
            has, given = ("has", "does not give") if getattr(role, name) else ("lacks", "gives")
            yield f"{has} {name}, which the configuration {given} it"
    for group in sorted({*role.member_of} ^ {*configured.member_of}):
        is_one, given = ("is", "does not say") if group in role.member_of else ("is not", "says")
        yield f"{is_one} a member of {group}, which the configuration {given}"
