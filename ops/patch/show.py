"""A plan and a record in words and rows for the terminal: pure, so that what a person reads can be tested."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from ops.logbook.model import HostResult, Observations, PackageChange, Plan, Record
from ops.patch.outcome import held
from ops.patch.plan import package_count

PLAN_COLUMNS = ("host", "package", "from", "to", "source", "size", "renews")
STATE_COLUMNS = ("host", "state", "lists", "sources", "notes")
RESULT_COLUMNS = ("host", "result", "packages", "restarted", "reason")


def size(count: int) -> str:
    """Return *count* bytes as a person reads them."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.0f} kB"


def age(seconds: int | None) -> str:
    """Return a span of *seconds* as a person reads it."""
    if seconds is None:
        return "unknown"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def plan_columns(plan: Plan) -> tuple[str, ...]:
    """Return the columns of `plan_rows`: what a patch closes, a revert opens again."""
    return *PLAN_COLUMNS, "opens again" if plan.actions.kind == "revert" else "closes"


def plan_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Return one row per host and package, in the order of the waves."""
    hosts = [host for wave in plan.actions.waves for host in wave]
    return [_package_row(plan, host, package) for host in hosts for package in plan.actions.hosts[host].packages]


def _package_row(plan: Plan, host: str, package: PackageChange) -> tuple[str, ...]:
    seen = plan.observations[host]
    services = [name.removesuffix(".service") for name in seen.restarts.get(package.name, ())]
    renews = ["all, by a reboot"] * (package.name in seen.reboots and not services) + services
    source = f"{package.archive}{' (security)' if package.security else ''}"
    return (
        host,
        package.name,
        package.from_version or "new",
        package.to_version or "goes",
        source,
        size(package.size_bytes),
        few(renews),
        few(seen.advisories.get(package.name, ())),
    )


def few(words: Sequence[str]) -> str:
    """Return the first two of *words* and how many more there are."""
    return ", ".join(words[:2]) + (f" and {len(words) - 2} more" if len(words) > 2 else "")


def state_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Return one row per host: its verdict, how fresh its lists are, which sources answered, what else to know."""
    asked = [_state_row(host, seen) for host, seen in plan.observations.items()]
    silent = [
        (host, "unknown", "", "", reason) for host, reason in plan.excluded.items() if host not in plan.observations
    ]
    return asked + silent


def _state_row(host: str, seen: Observations) -> tuple[str, ...]:
    answered = sum(source.state == "answered" for source in seen.sources)
    return (
        host,
        seen.verdict,
        age(seen.lists_age_seconds),
        f"{answered} of {len(seen.sources)} answered",
        "; ".join(notes(seen)),
    )


def notes(seen: Observations) -> list[str]:
    """Return what a person should know of a host besides its packages."""
    found = [*seen.reasons, *seen.warnings]
    found += [held(hold) for hold in seen.holds]
    found += [f"{package.name} is kept back ({package.detail})" for package in seen.kept_back]
    for file in seen.configuration_files:
        found.append(
            f"{file.path} differs locally and stays{', the package brings a new one' * file.package_brings_new}"
        )
    lost = [one for one in seen.secured if one.way == "none"]
    if lost:
        found.append(f"no way back for {few([one.name for one in lost])} ({lost[0].detail})")
    return found + [f"a reboot is needed for {few(seen.reboots)}, by rule"] * bool(seen.reboots)


def headline(plan: Plan) -> str:
    """Return the plan in one sentence."""
    waves = " | ".join(", ".join(wave) for wave in plan.actions.waves)
    total = sum(package.size_bytes for host in plan.actions.hosts.values() for package in host.packages)
    return (
        f"Plan {plan.request.id} ({plan.digest[:12]}): {package_count(plan)} package changes on {len(plan.actions.hosts)} hosts, "
        f"{size(total)}, in waves: {waves}"
    )


def nothing_pending(plan: Plan) -> str:
    """Return that nothing is pending, and how that is known."""
    seen = plan.observations.values()
    sources = sum(len(host.sources) for host in seen)
    oldest = age(max((host.lists_age_seconds or 0 for host in seen), default=0))
    what = "security updates" if plan.actions.selection == "security" else "updates"
    return (
        f"No {what} are pending on {len(plan.observations)} hosts: all {sources} package sources answered, "
        f"with valid signatures, and the lists are {oldest} old."
    )


def result_rows(record: Record) -> list[tuple[str, ...]]:
    """Return one row per host of how it ended."""
    return [result_row(host, result) for host, result in record.hosts.items()]


def result_row(host: str, result: HostResult) -> tuple[str, ...]:
    """Return the row of one host."""
    done = sum(package.came for package in result.packages)
    restarted = ", ".join(name.removesuffix(".service") for name in result.restarted)
    return host, result.state, f"{done} of {len(result.packages)}", restarted, result.reason


def closed_advisories(record: Record) -> list[str]:
    """Return the advisory and CVE ids that the change closed on at least one host, or opened again if it was a revert."""
    states = ("installed", "removed")
    done = (package for result in record.hosts.values() for package in result.packages if package.state in states)
    return sorted({number for package in done for number in package.advisories})


def summary(record: Record, page: str, off_host: str) -> list[str]:
    """Return the closing lines: what was closed, what is open, where the record is, how long it took."""
    ids = closed_advisories(record)
    did = "Opened again" if record.kind == "revert" else "Closed"
    lines = [f"{did} {len(ids)} advisories and CVEs{': ' + ', '.join(ids[:8]) if ids else ''}{' …' * (len(ids) > 8)}"]
    lines += [f"Open: {line}" for line in record.follow_up] or ["Open: nothing"]
    if record.approval_owed_until:
        lines.append(
            f"Approval is owed until {moment(record.approval_owed_until)}: invoke patch.approve {record.id} --reason …"
        )
    return [*lines, f"Record {record.id}: {record.outcome}, {page}, {off_host}", f"Took {spans(record.seconds)}"]


def spans(seconds: dict[str, int]) -> str:
    """Return the measured phases as text."""
    return ", ".join(f"{name} {value} s" for name, value in seconds.items())


def moment(time: datetime) -> str:
    """Return *time* in the reader's own zone."""
    return f"{time.astimezone():%Y-%m-%d %H:%M %Z}"


def change_rows(records: Iterable[Record]) -> list[tuple[str, ...]]:
    """Return one row per record, for ``invoke changes``."""
    return [
        (
            record.id,
            record.kind,
            record.outcome,
            record.operator,
            ", ".join(record.hosts),
            str(sum(len(result.packages) for result in record.hosts.values())),
            record.reason,
        )
        for record in records
    ]
