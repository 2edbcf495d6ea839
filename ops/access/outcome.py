"""What a comparison found, as the fields of its record. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ops.access.expected import Expected
from ops.access.facts import HostAccess
from ops.access.judge import SEPARATOR, judge
from ops.change import collect
from ops.logbook.model import Check, Event, HostResult, Record

MODULE = "access_facts"


def fields(events: tuple[Event, ...], chosen: Iterable[str], wanted: Mapping[str, Expected]) -> dict[str, Any]:
    """Return the fields of the record of a comparison of the hosts *chosen* with what is *wanted* of each."""
    answers = {event.host: event for event in events if event.type == "result" and event.action == MODULE}
    hosts = {host: host_result(answers.get(host), wanted[host]) for host in chosen}
    good = all(one.state == "verified" for one in hosts.values())
    ended = collect.outcome(events) != "interrupted"
    return {
        "kind": "access",
        "outcome": "interrupted" if not ended else "verified" if good else "failed",
        "hosts": hosts,
        "detail": sentence(hosts),
    }


def host_result(answer: Event | None, wanted: Expected) -> HostResult:
    """Return how one host compares, by its *answer*: None where it gave none."""
    if answer is None or answer.status == "unreachable":
        return HostResult(state="unreachable", reason="did not answer: nothing of it was compared")
    try:
        seen = HostAccess.model_validate(answer.data)
    except ValidationError:
        return HostResult(state="failed", reason="its answer cannot be read: nothing of it was compared")
    if answer.status == "failed":
        return HostResult(state="failed", reason="could not be looked at: nothing of it was compared")
    checks = judge(seen, wanted)
    count = sum(len(differences(check)) for check in checks)
    return HostResult(state="failed" if count else "verified", reason=_counted(count) if count else "", checks=checks)


def _counted(count: int) -> str:
    return "1 difference" if count == 1 else f"{count} differences"


def differences(check: Check) -> Sequence[str]:
    """Return the differences that *check* found, each one sentence."""
    return () if check.passed else check.detail.split(SEPARATOR)


def sentence(hosts: Mapping[str, HostResult]) -> str:
    """Return in one sentence how *hosts* compare."""
    silent = sum(not one.checks for one in hosts.values())
    count = sum(len(differences(check)) for one in hosts.values() for check in one.checks)
    said = f"{_counted(count) if count else 'no difference'} on {len(hosts) - silent} hosts"
    return f"{said}, {silent} not compared" if silent else said


def rows(record: Record) -> list[tuple[str, str, str]]:
    """Return host, check and difference, one row for each difference and each host that was not compared."""
    found = [
        (host, check.name, line)
        for host, one in record.hosts.items()
        for check in one.checks
        for line in differences(check)
    ]
    return found + [(host, "", one.reason) for host, one in record.hosts.items() if not one.checks]
