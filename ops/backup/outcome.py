"""How a backup or a drill went, by the result that its program wrote on the host. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from ops.logbook.model import Check, Event, HostResult

MODULE = "backup_run"
Ended = Literal["verified", "failed"]


def ended(result: Mapping[str, Any]) -> Ended:
    """Return the outcome of the change that *result* is of."""
    good = result["verdict"] in ("pass", "partial") if result["kind"] == "drill" else result["ok"]
    return "verified" if good else "failed"


def from_events(events: Iterable[Event]) -> dict[str, Any]:
    """Return the fields of the record that the result in *events* gives; none where there is no result."""
    for event in events:
        if event.action == MODULE and event.data:
            fields = record_fields(event.host, event.data)
            return {name: fields[name] for name in ("hosts", "detail", "seconds", "follow_up", "outcome")}
    return {}


def record_fields(host: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record that *result* of *host* gives."""
    return {
        "kind": result["kind"],
        "outcome": ended(result),
        "started": datetime.fromisoformat(result["started"]),
        "ended": datetime.fromisoformat(result["ended"]),
        **(_drill(host, result) if result["kind"] == "drill" else _backup(host, result)),
    }


def _backup(host: str, result: Mapping[str, Any]) -> dict[str, Any]:
    checks = [
        Check(
            name=f"backup in repository {entry['repository']}",
            passed=True,
            detail=f"{entry['label']}, {entry['type']}, {size(entry['stored_bytes'])} stored of {size(entry['database_bytes'])}",
        )
        for entry in result["repositories"]
    ]
    made = ", ".join(entry["label"] for entry in result["repositories"])
    return {
        "hosts": {host: _host(result, result["reason"], checks)},
        "detail": result["reason"] or f"backup {made}",
        "seconds": {"backup": sum(entry["seconds"] for entry in result["repositories"])},
        "follow_up": tuple(result["warnings"]),
    }


def _drill(host: str, result: Mapping[str, Any]) -> dict[str, Any]:
    steps = result["steps"]
    checks = [
        Check(
            name=step["name"],
            passed=step["state"] == "passed" or step["state"] == "skipped",
            detail=f"{'skipped: ' if step['state'] == 'skipped' else ''}{step['detail']}",
        )
        for step in steps
    ]
    bad = next((f"{step['name']}: {step['detail']}" for step in steps if step["state"] == "failed"), "")
    seconds = {
        name: result[f"{name}_seconds"]
        for name in ("recovery_time", "recovery_point")
        if result.get(f"{name}_seconds") is not None
    }
    return {
        "hosts": {host: _host(result, bad, checks)},
        "detail": bad or sentence(result),
        "seconds": {"drill": sum(step["seconds"] for step in steps), **seconds},
        "follow_up": tuple(
            f"not proven: {step['name']}, {step['detail']}" for step in steps if step["state"] == "skipped"
        ),
    }


def sentence(result: Mapping[str, Any]) -> str:
    """Return what a drill that did not fail has shown."""
    promised = result["promised"]
    return (
        f"{result['verdict']}: backup {result['label']} up to {result['target']}; nothing later than "
        f"{result['recovery_point_seconds']} s before the drill was lost (promised {promised['recovery_point_seconds']}), "
        f"and the restored server answered after {result['recovery_time_seconds']} s "
        f"(promised {promised['recovery_time_seconds']})"
    )


def _host(result: Mapping[str, Any], reason: str, checks: Iterable[Check]) -> HostResult:
    return HostResult(state=ended(result), reason=reason if ended(result) == "failed" else "", checks=tuple(checks))


def size(count: float) -> str:
    """Return a number of bytes as a person reads it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
