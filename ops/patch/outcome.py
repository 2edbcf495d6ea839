"""How a patch ended on each host, read from the events of its runs and never from an exit code."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ops.logbook.model import Check, Event, Hold, HostActions, HostResult, PackageResult, Plan

START, WAIT, GATE, HOLD = "patch_start", "patch_wait", "patch_gate", "patch_hold"
REBOOT, RECONNECT, FAIL = "ansible.builtin.reboot", "ansible.builtin.wait_for_connection", "ansible.builtin.fail"

State = Literal["verified", "failed", "refused", "unreachable", "not-begun", "interrupted"]


def host_results(plan: Plan, events: Iterable[Event]) -> dict[str, HostResult]:
    """Return the result of every host of *plan*, by the *events* of all its runs in their order."""
    by_host: dict[str, list[Event]] = {name: [] for name in plan.actions.hosts}
    for event in events:
        if event.type == "result" and event.host in by_host and event.status != "skipped":
            by_host[event.host].append(event)
    return {name: host_result(plan, name, seen) for name, seen in by_host.items()}


def host_result(plan: Plan, name: str, events: list[Event]) -> HostResult:
    """Return the result of the host *name* by its own *events*, of which the last of a kind counts."""
    last = {event.action: event for event in events}
    state, reason = standing(events)
    gate = last[GATE].data if GATE in last else {}
    work = last[WAIT].data if WAIT in last else {}
    states = gate.get("package_states") or work.get("package_states", {})
    return HostResult(
        state=state,
        reason=reason,
        packages=packages(plan, name, plan.actions.hosts[name], states, state),
        checks=tuple(Check(**check) for check in (*gate.get("checks", ()), *held_requests(events))),
        restarted=tuple(work.get("restarted", ())),
        still_on_old_files=tuple((gate if "still_on_old_files" in gate else work).get("still_on_old_files", ())),
        configuration_files_left=tuple(work.get("configuration_files_left", ())),
        **{key: gate.get(key, "") for key in ("boot_before", "boot_after", "kernel_before", "kernel_after")},
    )


def held_requests(events: list[Event]) -> list[dict[str, Any]]:
    """Return what was told when requests that were held went on, a row each."""
    return [check for event in events if event.action == HOLD for check in event.data.get("checks", ())]


def standing(events: list[Event]) -> tuple[State, str]:
    """Return the state of a host and the reason, by the last of its *events* that says something of the work."""
    begun = any(event.action == START and event.status in ("ok", "changed") for event in events)
    for event in reversed(events):
        if event.action == HOLD and begun:  # the requests that went on tell nothing of the host
            continue
        if event.action == GATE and event.status in ("ok", "failed"):
            closed = [
                f"{check['name']}: {check['detail']}" for check in event.data.get("checks", ()) if not check["passed"]
            ]
            return (
                ("failed", "; ".join(closed) or "the gate could not look")
                if event.status == "failed"
                else ("verified", "")
            )
        if event.action == GATE and event.status == "unreachable":
            return "interrupted", "lost contact before the gate; the package work is done"
        if event.action in _VERDICTS and event.status in ("failed", "unreachable"):
            return _VERDICTS[event.action](event)
    if begun:
        return "interrupted", "the run ended before its result was known"
    failed = [event.task for event in events if event.status == "failed" and event.action != FAIL]
    return ("refused", f"nothing was touched, since this failed: {failed[-1]}") if failed else ("not-begun", "")


def _after_start(event: Event) -> tuple[State, str]:
    if event.status == "unreachable":
        return "unreachable", "did not answer before anything was touched"
    reasons = event.data.get("reasons")
    return ("refused", "; ".join(reasons)) if reasons else ("failed", "the host-side program failed to start")


def _after_hold(event: Event) -> tuple[State, str]:
    reasons = event.data.get("reasons") or ["the host that should hold the requests did not answer"]
    return "refused", "; ".join(reasons)


def _after_wait(event: Event) -> tuple[State, str]:
    if event.status == "unreachable":
        return "interrupted", "lost contact while the package work ran; it goes on by itself"
    data = event.data
    words = {"running": "the package work still runs", "lost": "the package work ended without a result"}
    complaint = f"apt ended with {data.get('exit_code')}: {data.get('complaint', '')}"
    return "failed", words.get(str(data.get("state")), complaint)


def _after_reboot(_event: Event) -> tuple[State, str]:
    return "failed", "did not return from the reboot in time"


def _after_reconnect(_event: Event) -> tuple[State, str]:
    return "interrupted", "lost contact while the package work ran, and not found again; it goes on by itself"


_VERDICTS = {
    HOLD: _after_hold,
    START: _after_start,
    WAIT: _after_wait,
    REBOOT: _after_reboot,
    RECONNECT: _after_reconnect,
}


def packages(
    plan: Plan, name: str, actions: HostActions, states: Mapping[str, Any], state: State
) -> tuple[PackageResult, ...]:
    """Return what became of each planned package: as the gate saw it, or who waited for work that failed.

    Where nothing was touched it is ``missing``; where work began and nobody could look, it is not known.
    """
    advisories = plan.observations[name].advisories if name in plan.observations else {}
    otherwise = "unknown" if state in ("failed", "interrupted") else "missing"
    return tuple(
        PackageResult(
            name=package.name,
            architecture=package.architecture,
            from_version=package.from_version,
            to_version=package.to_version,
            state=states.get(f"{package.name}:{package.architecture}", otherwise),
            advisories=advisories.get(package.name, ()),
        )
        for package in actions.packages
    )


def held(hold: Hold) -> str:
    """Return in words what is on hold, since when and why."""
    reason = hold.reason or "no reason in the inventory"
    return f"{hold.name} is on hold ({hold.detail}), since {hold.since:%Y-%m-%d} at least, {reason}"


Outcome = Literal["verified", "failed", "interrupted", "refused"]


def outcome(results: Mapping[str, HostResult]) -> Outcome:
    """Return the outcome of the whole change: verified only if every host is."""
    states = {result.state for result in results.values()}
    if states <= {"verified"}:
        return "verified"
    if "interrupted" in states:
        return "interrupted"
    return "refused" if states <= {"refused", "not-begun"} else "failed"


def follow_up(plan: Plan, results: Mapping[str, HostResult]) -> tuple[str, ...]:
    """Return what a person still has to do or decide, one sentence each."""
    lines: list[str] = []
    for name, reason in plan.excluded.items():
        lines.append(f"{name}: not patched, {reason}")
    for name, result in results.items():
        lines += [f"{name}: compare {path} with your file" for path in result.configuration_files_left]
        lines += [f"{name}: {unit} runs on old files" for unit in result.still_on_old_files]
        if result.state != "verified":
            lines.append(f"{name}: {result.state}, {result.reason}".rstrip(", "))
    for name, seen in plan.observations.items():
        lines += [f"{name}: {held(hold)}" for hold in seen.holds]
        lines += [f"{name}: {package.name} is kept back, {package.detail}" for package in seen.kept_back]
    return tuple(lines)
