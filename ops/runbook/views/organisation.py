"""Requirements, duties and access, and how to verify without us. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops.logbook.files import change_folder
from ops.logbook.judge_machine import NAMESPACE
from ops.logbook.model import Check
from ops.logbook.operators import MAY_SIGN, Key, Operator
from ops.runbook.catalogue import CATEGORIES, RULES
from ops.runbook.grounds import ACCESS_DAYS, newest_by_host
from ops.runbook.language import N_
from ops.runbook.render import Page
from ops.runbook.requirements import MOST_EXCEPTIONS
from ops.runbook.store import moment
from ops.runbook.summary import Summary
from ops.runbook.world import World

CHECKS = {
    "accounts": N_("accounts"),
    "keys": N_("keys"),
    "passwords": N_("passwords"),
    "sudo": N_("sudo"),
    "database roles": N_("database roles"),
    "the lab's own access": N_("the lab's own access"),
}
"""What a comparison of access rights looks at, in words of the message file."""


@dataclass(frozen=True)
class Compared:
    """How one host compared: by which change (None: never), whether that is old, and one row for each check."""

    host: str
    change: Summary | None
    old: bool
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Signed:
    """How often somebody signed with a key, first and last; ``key`` is None where it is no operator's."""

    who: str
    fingerprint: str
    count: int
    first: datetime
    last: datetime
    key: Key | None
    owner: str
    may: bool


def requirements_page(world: World) -> Page:
    """Return the page of requirements."""
    found = world.requirements
    data = {
        "found": found,
        "counts": Counter(one.verdict for one in found),
        "most": MOST_EXCEPTIONS,
        "audit": world.audit,
        "now": world.now,
        "since": world.since,
    }
    return Page("requirements.html", "requirements.html", data)


def duties_page(world: World) -> Page:
    """Return the page of operators, offices and keys."""
    policy = world.inventory.policy
    data = {
        "operators": [(one, _keys(world, one)) for one in world.operators.all],
        "may_sign": MAY_SIGN,
        "signed": [_signed(world, *row) for row in world.store.signers()],
        "approval": [(CATEGORIES[name], RULES[rule]) for name, rule in policy.approval.items()],
        "freezes": policy.freezes,
        "compared": list(_compared(world)),
        "checks": CHECKS,
        "logbook_host": policy.logbook_host,
        "logbook_remote": policy.logbook_remote,
        "now": world.now,
    }
    return Page("duties.html", "duties.html", data)


def _compared(world: World) -> Iterator[Compared]:
    newest = newest_by_host(world.of_kind("access"))
    if not newest:
        return
    before = world.now - timedelta(days=ACCESS_DAYS)
    for host in world.inventory.hosts:
        one = newest.get(host)
        old = one is not None and one.ended is not None and one.ended < before
        yield Compared(host, one, old, one.checks.get(host, ()) if one else ())


def _keys(world: World, one: Operator) -> list[tuple[Key, bool]]:
    return [(key, key.valid_at(world.now)) for key in one.keys]


def _signed(world: World, who: str, fingerprint: str, count: int, first: int, last: int) -> Signed:
    found = world.operators.owner(fingerprint)
    owner, key = (found[0], found[1]) if found else (None, None)
    may = owner is not None and owner.office in MAY_SIGN
    return Signed(who, fingerprint, count, moment(first), moment(last), key, owner.name if owner else "", may)


def verify_page(world: World) -> Page:
    """Return the page that says how to verify everything with git, ssh-keygen and jq."""
    newest = next((one for one in reversed(world.summaries) if one.planned and one.outcome == "verified"), None)
    example = newest.id if newest else "2026-11-25-2300-k7xq"
    timed = next((one for one in reversed(world.summaries) if one.by_timer), None)
    data = {
        "remote": world.inventory.policy.logbook_remote or "logbook@backup1.example.org:logbook.git",
        "signers": world.operators.allowed_signers(),
        "folder": change_folder(example),
        "timer_signers": world.operators.timer_signers(NAMESPACE.decode()),
        "timed": change_folder(timed.id) if timed else change_folder(example),
        "timer": _timer(world, timed),
        "known": {"plan": newest is not None, "timer": timed is not None},
    }
    return Page("verify.html", "verify.html", data)


def _timer(world: World, timed: Summary | None) -> tuple[str, str]:
    """Return name and fingerprint of the host on which *timed* was done, else of any whose timers sign; empty if none does."""
    names = {host.partition(".")[0] for host in timed.hosts} if timed else set()
    found = sorted(
        (one.name not in names, one.name, one.keys[0].fingerprint)
        for one in world.operators.all
        if one.office == "timer"
    )
    return (found[0][1], found[0][2]) if found else ("", "")
