"""What the facts of a host mean: its verdict and the reasons. A host that cannot be judged is unknown, never up to date."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Literal

from ops.inventory import HostPolicy
from ops.logbook.model import Hold, Named, Observations
from ops.patch.facts import Archives, HostFacts

CLOCK_SECONDS = 30
"""A clock further off than this makes times in logs and the validity of Release files unreliable."""

EXPIRY_SECONDS = 2 * 86_400
"""A Release file that is valid for less than this is warned of: Debian renews those of the security archive daily."""

KEY_EXPIRY_SECONDS = 30 * 86_400
"""A signing key that ends within this is warned of: time for the next patch to bring its successor."""

END_OF_SUPPORT = {"bookworm": date(2028, 6, 30), "trixie": date(2030, 6, 30)}
"""Last day of security updates (long-term support included), https://wiki.debian.org/LTS."""

Verdict = Literal["current", "pending", "unknown", "needs-repair", "end-of-life", "busy"]


def observe(
    facts: HostFacts, policy: HostPolicy, held_since: Mapping[str, datetime] = MappingProxyType({})
) -> Observations:
    """Return what *facts* mean.

    Args:
        facts: what the host told.
        policy: what the inventory says of it.
        held_since: when each hold was first seen, by name; one that is new is seen now.
    """
    now = datetime.fromtimestamp(facts.checked_epoch, UTC)
    verdict, reasons = judge(facts)
    archives = facts.archives
    seen = (
        {
            "lists_age_seconds": max(0, facts.checked_epoch - archives.lists_epoch),
            "sources": archives.sources,
            "holds": tuple(_hold(hold, policy, held_since.get(hold.name, now)) for hold in archives.holds),
            "kept_back": archives.kept_back,
            "space": archives.space,
            "staged": not archives.not_staged,
            "advisories": archives.advisories,
            "published": {name: datetime.fromtimestamp(time, UTC) for name, time in archives.published.items()},
            "configuration_files": archives.configuration_files,
            "restarts": archives.restarts,
            "reboots": archives.reboots,
            "secured": archives.secured,
            "stage_seconds": archives.stage_seconds,
        }
        if archives
        else {}
    )
    return Observations(
        verdict=verdict,
        reasons=tuple(reasons),
        checked=now,
        unfinished=facts.unfinished,
        leftovers=facts.leftovers,
        clock_offset_seconds=facts.clock_offset_seconds,
        kernel_running=facts.kernel_running,
        kernel_newest=facts.kernel_newest,
        end_of_life=str(END_OF_SUPPORT.get(facts.release, "")),
        automatic_updates=facts.automatic_updates,
        warnings=tuple(warnings(facts, policy.automatic_updates)),
        **seen,
    )


def _hold(hold: Named, policy: HostPolicy, since: datetime) -> Hold:
    reason = policy.hold_reasons.get(hold.name.partition(":")[0], "")
    return Hold(name=hold.name, detail=hold.detail, reason=reason, since=since)


def judge(facts: HostFacts) -> tuple[Verdict, list[str]]:
    """Return the verdict and its reasons; the first obstacle that stands in the way decides."""
    if facts.leftovers or facts.unfinished:
        return "needs-repair", [f"dpkg was interrupted: /var/lib/dpkg/updates/{name}" for name in facts.leftovers] + [
            f"{package.name} is {package.detail}, not installed" for package in facts.unfinished
        ]
    if facts.archives is None:
        obstacle = facts.obstacle
        busy = obstacle is not None and obstacle.kind == "Busy"
        return ("busy" if busy else "unknown"), [obstacle.detail if obstacle else "the package sources were not asked"]
    return _judge_archives(facts, facts.archives)


def _judge_archives(facts: HostFacts, archives: Archives) -> tuple[Verdict, list[str]]:
    silent = [source for source in archives.sources if source.state != "answered"]
    reasons = [f"{source.uri} {source.suite}: {source.state}, {source.detail}".rstrip(", ") for source in silent]
    last_day = END_OF_SUPPORT.get(facts.release)
    if last_day and datetime.fromtimestamp(facts.checked_epoch, UTC).date() > last_day:
        return "end-of-life", [f"{facts.release} has no security updates since {last_day}"]
    if any(source.state == "gone" for source in silent):
        return "end-of-life", reasons
    if silent or not archives.sources:
        return "unknown", reasons or ["the host has no package source"]
    if archives.not_staged and archives.staging:
        return "unknown", [f"not downloaded: {entry}" for entry in archives.not_staged]
    full = [space for space in archives.space if space.free_bytes < space.needed_bytes]
    if full:
        return "unknown", [
            f"{s.path} has {s.free_bytes // 10**6} MB free, {s.needed_bytes // 10**6} MB are needed" for s in full
        ]
    return ("pending" if archives.packages else "current"), []


def warnings(facts: HostFacts, automatic_updates: str) -> list[str]:
    """Return what a person should know and what does not keep the host out of a plan."""
    found = []
    if abs(facts.clock_offset_seconds) > CLOCK_SECONDS:
        found.append(f"the clock is {facts.clock_offset_seconds:+d} s off")
    if facts.kernel_newest not in ("", facts.kernel_running):
        found.append(f"runs kernel {facts.kernel_running}, newest is {facts.kernel_newest}: reboot pending")
    if facts.automatic_updates != automatic_updates:
        found.append(f"automatic updates are {facts.automatic_updates}, the inventory says {automatic_updates}")
    if facts.release not in END_OF_SUPPORT:
        found.append(f"the end of support of {facts.release or 'this release'} is not known")
    if facts.given:
        found.append(f"facts are given, not read: {', '.join(facts.given)}")
    if facts.archives and facts.archives.other_updates:
        found.append(f"{facts.archives.other_updates} other updates pending (--all)")
    return found + [f"{unit} has failed" for unit in facts.failed_units] + _expiring(facts)


def _expiring(facts: HostFacts) -> list[str]:
    sources = [source for source in facts.archives.sources if source.state == "answered"] if facts.archives else []
    lines = [
        f"{source.uri} {source.suite} is valid until {source.valid_until:%Y-%m-%d} only"
        for source in sources
        if _ends_within(source.valid_until, facts, EXPIRY_SECONDS)
    ]
    lines += [
        f"the key that signs {source.uri} {source.suite} expires on {source.key_valid_until:%Y-%m-%d}: renew its package or file"
        for source in sources
        if _ends_within(source.key_valid_until, facts, KEY_EXPIRY_SECONDS)
    ]
    unknown = sum(not source.key_known for source in sources)
    return lines + [
        f"when the keys of {unknown} sources expire is not known (gpg or the key's file is missing)"
    ] * bool(unknown)


def _ends_within(moment: datetime | None, facts: HostFacts, seconds: int) -> bool:
    return moment is not None and moment.timestamp() < facts.checked_epoch + seconds
