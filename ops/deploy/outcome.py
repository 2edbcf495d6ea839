"""How a deploy ended on each host, read from the events of its run and from a look at the hosts afterwards. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from ops.change.collect import BAD, host_states
from ops.deploy.foresee import PLANNED
from ops.logbook.model import Check, Event, HostResult
from ops.status.facts import HostStatus, Status


def results(
    chosen: Sequence[str], silent: Mapping[str, str], events: Iterable[Event], before: Status, after: Status
) -> dict[str, HostResult]:
    """Return the result of each host of *chosen*.

    Args:
        chosen: the hosts that were meant.
        silent: those that had not answered before the run, with the reason.
        events: of the run.
        before: how the hosts stood before it.
        after: how they stand now.
    """
    seen = [event for event in events if event.action != PLANNED]
    states, broken = host_states(tuple(seen)), bad_hosts(seen)
    found = {}
    for host in chosen:
        if host in silent:
            found[host] = HostResult(state="unreachable", reason=silent[host])
        elif host not in states:
            found[host] = HostResult(state="not-begun", reason=cut_off(broken))
        elif host not in broken and broken:
            found[host] = HostResult(state="interrupted", reason=cut_off(broken))
        else:
            found[host] = states[host]
    return {host: examined(host, result, before, after) for host, result in found.items()}


def bad_hosts(events: Iterable[Event]) -> list[str]:
    """Return the hosts on which a task failed or that were lost."""
    return list(dict.fromkeys(event.host for event in events if event.status in BAD))


def cut_off(broken: Sequence[str]) -> str:
    """Return why a host that had no fault did not get all of its tasks."""
    return f"the run ended early, by {', '.join(broken)}" if broken else "no task was for it"


def examined(host: str, result: HostResult, before: Status, after: Status) -> HostResult:
    """Return *result* with what a look at *host* shows: it is not verified if a check fails or nobody could look."""
    if host in after.silent:
        lost = result.state == "verified"
        return result.model_copy(
            update={"state": "interrupted", "reason": "done, but it did not answer afterwards"} if lost else {}
        )
    if host not in after.hosts:
        return result
    checks = gate(before.hosts.get(host), after.hosts[host])
    closed = "; ".join(f"{check.name}: {check.detail}" for check in checks if not check.passed)
    verdict = {"state": "failed", "reason": closed} if closed and result.state == "verified" else {}
    return result.model_copy(update={"checks": checks, **verdict})


def gate(before: HostStatus | None, after: HostStatus) -> tuple[Check, ...]:
    """Return the checks of a host after its run: no further unit failed, and its own."""
    known = set(before.failed_units or ()) if before else set()
    if after.failed_units is None:
        units = Check(
            name="no further unit failed", passed=False, detail=after.unknown.get("failed_units", "not known")
        )
    else:
        further = sorted(set(after.failed_units) - known)
        units = Check(name="no further unit failed", passed=not further, detail=", ".join(further))
    unknown = (
        [Check(name="own checks", passed=False, detail=after.unknown["checks"])] if "checks" in after.unknown else []
    )
    return (units, *after.checks, *unknown)
