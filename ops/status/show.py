"""The status in words and rows: pure, so that what a person reads can be tested."""

from collections.abc import Iterator, Sequence

from ops.patch.show import age, few, size
from ops.status.facts import Database, HostStatus, Status

COLUMNS = ("host", "release", "updates", "restart", "failed", "services", "checks", "certificate", "mail", "notes")
SOON_DAYS = 14
OLD_LISTS = 2 * 86_400


def rows(status: Status) -> list[tuple[str, ...]]:
    """Return one row per host, those that are not known last."""
    known = [_row(host, seen) for host, seen in status.hosts.items()]
    return known + [(host, *[""] * (len(COLUMNS) - 2), reason) for host, reason in status.silent.items()]


def filled(columns: Sequence[str], cells: list[tuple[str, ...]]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return *columns* and *cells* without those columns in which no row has anything."""
    there = [place for place in range(len(columns)) if any(row[place] for row in cells)]
    return [columns[place] for place in there], [tuple(row[place] for place in there) for row in cells]


def _row(host: str, seen: HostStatus) -> tuple[str, ...]:
    return (
        host,
        seen.release,
        updates(seen),
        restart(seen),
        few(seen.failed_units) or "none" if seen.failed_units is not None else "?",
        services(seen.services),
        f"{sum(check.passed for check in seen.checks)} of {len(seen.checks)}" if seen.checks else "",
        certificate(seen),
        "" if seen.mail_queue is None else str(seen.mail_queue),
        "; ".join(notes(seen)),
    )


def updates(seen: HostStatus) -> str:
    """Return what is pending, and that the lists are old where they are: then nobody knows what is pending."""
    if seen.updates is None:
        return "?"
    if seen.updates.lists_age_seconds is None:
        return "? (no lists)"
    counts = [(seen.updates.security, "security"), (seen.updates.other, "other")]
    words = ", ".join(f"{count} {kind}" for count, kind in counts if count) or "none"
    old = seen.updates.lists_age_seconds > OLD_LISTS
    return f"{words}{f' (lists {age(seen.updates.lists_age_seconds)} old)' if old else ''}"


def restart(seen: HostStatus) -> str:
    """Return whether a reboot is pending, else which services run on old files."""
    if seen.pending is None:
        return "?"
    names = [name.removesuffix(".service") for name in seen.pending.restart]
    return "reboot" if seen.pending.reboot else few(names) or "none"


def services(units: dict[str, str]) -> str:
    """Return how many of *units* run, and which do not."""
    down = [f"{name.removesuffix('.service')} is {state}" for name, state in units.items() if state != "active"]
    running = f"{len(units) - len(down)} of {len(units)}" if units else ""
    return f"{running}: {few(down)}" if down else running


def certificate(seen: HostStatus) -> str:
    """Return the days until the first certificate of the host ends."""
    return f"{min(seen.certificates.values())} d" if seen.certificates else ""


def notes(seen: HostStatus) -> Iterator[str]:
    """Yield what a person should know of a host besides the columns."""
    if seen.lock:
        yield f"locked by {seen.lock.get('change')} of {seen.lock.get('operator')} since {seen.lock.get('since')}"
    if seen.pending:
        yield from seen.pending.reboot
    for check in seen.checks:
        if not check.passed:
            yield f"{check.name}: {check.detail}"
    for path, days in seen.certificates.items():
        if days < SOON_DAYS:
            yield f"{path} {'has ended' if days < 0 else f'ends in {days} d'}"
    for part, reason in seen.unknown.items():
        yield f"{part} not known, {reason}"


def lines(status: Status) -> list[str]:
    """Return what holds for the site: its databases, last vote count, last backup, and what is open in the logbook."""
    found = [f"Database on {host}: {database(seen.database)}" for host, seen in status.hosts.items() if seen.database]
    return [*found, f"Last backup: {backup(status)}", *(status.open or ("Open changes: none",))]


def database(seen: Database) -> str:
    """Return how a database server stands."""
    if not seen.up:
        return "down"
    used = f"{seen.connections} of {seen.connections_limit} connections"
    votes = "" if seen.votes_age_seconds is None else f", votes counted {age(seen.votes_age_seconds)} ago"
    return f"up, PostgreSQL {seen.version}, {size(seen.bytes)}, {used}{votes}"


def backup(status: Status) -> str:
    """Return when the last backup ended, by the host that knows the latest."""
    ages = {host: seen.backup_age_seconds for host, seen in status.hosts.items() if seen.backup_age_seconds is not None}
    newest = min(ages, key=lambda host: ages[host], default=None)
    if newest is None:
        return "none yet" if not status.silent else "none yet on the hosts that answered"
    return f"{age(ages[newest])} ago on {newest}"
