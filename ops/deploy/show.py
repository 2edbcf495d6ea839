"""What would change, and how it ended, in words and rows: pure, so that what a person reads can be tested."""

from collections.abc import Iterator
from typing import Any

from ops.deploy.foresee import Foreseen
from ops.logbook.model import Record

PLAN_COLUMNS = ("hosts", "what", "where")
RESULT_COLUMNS = ("host", "result", "checks", "reason")


def rows(plan: Foreseen) -> list[tuple[str, ...]]:
    """Return one row per task and what it is about: the hosts on which it would change that, the task's sentence, the things."""
    by_task: dict[tuple[str, str], list[str]] = {}
    for change in plan.changes:
        by_task.setdefault((change.host, change.task), []).extend(change.what)
    hosts: dict[tuple[str, str], list[str]] = {}
    for (host, task), what in by_task.items():
        hosts.setdefault((task, ", ".join(what)), []).append(host)
    return [
        *((joined(plan, names), task, what) for (task, what), names in hosts.items()),
        *((host, reason, "") for host, reason in plan.silent.items()),
    ]


def joined(plan: Foreseen, names: list[str]) -> str:
    """Return the hosts *names* in the inventory's order."""
    return ", ".join(host for host in plan.hosts if host in names)


def differences(plan: Foreseen) -> Iterator[str]:
    """Yield the difference of each file, said once for all hosts where it is the same."""
    hosts: dict[tuple[tuple[str, ...], tuple[str, ...], str], list[str]] = {}
    for change in plan.changes:
        if change.diff or change.hidden:
            hosts.setdefault((change.what, change.diff, change.hidden), []).append(change.host)
    for (what, diff, hidden), names in hosts.items():
        place = f"{', '.join(what)} on {joined(plan, names)}"
        if len(diff) > 1:
            yield place
            yield from (f"    {line}" for line in diff)
        else:
            yield f"{place}: {diff[0] if diff else f'not shown, {hidden}'}"


def headline(plan: Foreseen) -> str:
    """Return the plan in one sentence."""
    return (
        f"Plan {plan.digest[:12]}: {len(plan.changes)} changes on {len(plan.changing())} of {len(plan.hosts)} hosts. "
        "What a command does shows only when it runs."
    )


def nothing(plan: Foreseen) -> str:
    """Return that nothing is to change, and how that is known."""
    return (
        f"Nothing to change on {len(plan.hosts)} hosts: a check run of playbooks/site.yml compared {plan.compared} tasks with "
        f"them in {plan.seconds} s; {plan.skipped} did not apply, or can only be judged by running them."
    )


def summary(plan: Foreseen, changed: int, beyond: list[tuple[str, str]]) -> str:
    """Return for the record what was foreseen, and how much of what was changed had not been."""
    text = f"foreseen: {len(plan.changes)} changes on {len(plan.changing())} hosts (plan {plan.digest[:12]}); changed: {changed}"
    names = ", ".join(f"{host}: {task}" for host, task in beyond[:5])
    more = f" and {len(beyond) - 5} more" if len(beyond) > 5 else ""
    return f"{text}; not foreseen: {names}{more}" if beyond else text


def result_rows(record: Record) -> list[tuple[str, ...]]:
    """Return one row per host of how it ended."""
    return [
        (
            host,
            result.state,
            f"{sum(check.passed for check in result.checks)} of {len(result.checks)}",
            result.reason,
        )
        for host, result in record.hosts.items()
    ]


def as_data(plan: Foreseen) -> dict[str, Any]:
    """Return the plan for programs, with its digest."""
    return {**plan.model_dump(mode="json"), "digest": plan.digest}
