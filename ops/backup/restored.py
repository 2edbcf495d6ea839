"""How a restore went, by what the host's program told. Pure."""

from collections.abc import Iterable

from ops.change.collect import BAD
from ops.logbook.model import Check, Event, HostResult

MODULE = "backup_run"
BACK = "bring back what was there"
"""A step of the host's program."""


def host_result(events: Iterable[Event]) -> HostResult | None:
    """Return how the restore ended by its *events*: None where the host's program has left no result that was seen."""
    seen = tuple(events)
    told = [event for event in seen if event.action == MODULE and event.data]
    bad = next((event for event in reversed(seen) if event.status in BAD), None)
    if not told:
        if bad is None or bad.status == "unreachable" or not any(event.type == "end" for event in seen):
            return None
        return HostResult(state="failed", reason=bad.task)
    data = told[-1].data
    checks = tuple(
        Check(name=step["name"], passed=step["state"] == "passed", detail=step["detail"]) for step in data["steps"]
    )
    after = seen[max(place for place, event in enumerate(seen) if event is told[-1]) + 1 :]
    bad = next((event for event in after if event.status in BAD), None)
    good = data["ok"] and bad is None
    reason = data["reason"] or (f"{bad.task}: {bad.status}" if bad and not good else "")
    return HostResult(state="verified" if good else "failed", reason=reason, checks=checks)


def seconds_of(events: Iterable[Event]) -> int:
    """Return how long the host's program took, by the steps in its result."""
    told = [event.data for event in events if event.action == MODULE and event.data]
    return sum(step["seconds"] for step in told[-1]["steps"]) if told else 0


def left(result: HostResult) -> str:
    """Return what a restore that did not end well has left."""
    if not result.checks:
        return "how the host stands is not known: look at bordbuch-restore@* there"
    if any(check.name == BACK and check.passed for check in result.checks):
        return next(check.detail for check in result.checks if check.name == BACK)
    if all(check.passed for check in result.checks):
        return "the database is restored; what was to follow was not done, the maintenance page may still be up"
    return "the server is stopped, what was there before lies beside: see the last steps"
