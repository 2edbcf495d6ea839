#!/usr/bin/python3
"""Look at a host after its package work and say whether the change may go on."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.bordbuch import effects, health, job, state, unit

DOCUMENTATION = r"""
module: patch_gate
short_description: Compare a host with the plan after the package work
description:
  - Fails, with every check and what was seen, unless exactly the planned versions are installed, nothing is half done,
    nothing else changed, holds and marks are as before, no further unit failed, a reboot that was to be is proven by boot id
    and kernel, commands print what they printed before, and the host's own health checks pass.
options:
  change:
    description: Id of the change.
    type: str
    required: true
  packages:
    description: The approved package changes of this host, as in the plan.
    type: list
    elements: dict
    required: true
  rebooted:
    description: Whether a reboot was to happen.
    type: bool
    default: false
  free:
    description: Whether the host's lock is freed once it was looked at.
    type: bool
    default: true
  health:
    description: The host's own checks; each has a name and one of C(command), C(http), C(tcp), C(sql).
    type: list
    elements: dict
    default: []
  same:
    description: Commands (name, command) that must print what C(patch_start) kept of them, within 30 seconds.
    type: list
    elements: dict
    default: []
author: Bordbuch
"""

EXAMPLES = r"""
- name: Gate
  patch_gate:
    change: 2026-11-25-2300-k7xq
    packages: "{{ change.hosts[inventory_hostname].packages }}"
    health: "{{ patch_health }}"
"""

RETURN = r"""
bordbuch:
  description: C(checks) with name, passed and detail, C(package_states), boot and kernel before and after.
  type: dict
  returned: always
"""


def check(name: str, complaints: list[str]) -> dict[str, Any]:
    """Return one row: a check passes if it has no *complaints*."""
    return {"name": name, "passed": not complaints, "detail": "; ".join(complaints)[:500]}


def package_checks(
    rows: list[dict[str, Any]], before: dict[str, Any], known: dict[str, dict[str, str]]
) -> list[dict[str, Any]]:
    """Return the checks of packages: *known* after the change against *before* plus *rows*."""
    planned = job.planned(rows)
    wrong = [
        f"{key} is {job.present(known, key) or 'not installed'}, planned {v}"
        for key, v in planned.items()
        if job.present(known, key) != v
    ]
    unfinished = [f"{row['name']} is {row['detail']}" for row in state.unfinished(known)]
    installed = {key: package["version"] for key, package in known.items() if package["status"][1] == "i"}
    expected = before["installed"] | planned
    beyond = sorted(
        key
        for key in installed.keys() | expected.keys()
        if installed.get(key) != expected.get(key) and key not in planned
    )
    new = {f"{row['name']}:{row['architecture']}" for row in rows if row["from_version"] is None}
    marks = sorted(set(state.automatic(known)) ^ (set(before["automatic"]) | new))
    return [
        check("versions are the planned ones", wrong),
        check(
            "nothing is half installed", unfinished + [f"dpkg was interrupted: {name}" for name in state.leftovers()]
        ),
        check(
            "nothing else changed",
            [f"{key} is {installed.get(key)}, was {before['installed'].get(key)}" for key in beyond],
        ),
        check(
            "holds are as before", [f"{key} changed" for key in sorted(set(state.holds(known)) ^ set(before["held"]))]
        ),
        check("manual and automatic marks are as before", [f"{key} changed" for key in marks if key in installed]),
    ]


def boot_check(rebooted: bool, before: dict[str, Any], now: str, kernel: str) -> dict[str, Any]:
    """Return the check of a reboot: ``not rebooted`` and ``old kernel`` are two verdicts, by boot id and kernel."""
    newest = state.kernel_newest()
    complaints = ["not rebooted: the boot id is the same"] if rebooted and now == before["boot_id"] else []
    if rebooted and newest not in ("", kernel):
        complaints.append(f"old kernel: runs {kernel}, newest is {newest}")
    return check("reboot proven" if rebooted else "no reboot was to be", complaints)


def package_states(
    rows: list[dict[str, Any]], still_old: list[str], services: dict[str, list[str]], known: dict[str, dict[str, str]]
) -> dict[str, str]:
    """Return ``name:arch`` → state after the change; a service that still runs on a package's old files keeps it pending.

    Args:
        rows: the approved package changes.
        still_old: services that run on old files now.
        services: by name of a package, the services that ran on its files before.
        known: the packages of the host now.
    """
    kernel_pending = state.kernel_newest() not in ("", state.kernel_running())
    states = {}
    for row in rows:
        name, key = row["name"], f"{row['name']}:{row['architecture']}"
        used = services.get(name, [])
        pending = used if unit.NOT_KNOWN in still_old else [service for service in used if service in still_old]
        if job.present(known, key) != row["to_version"]:
            states[key] = "failed"
        elif row["to_version"] is None:
            states[key] = "removed"
        elif effects.only_by_reboot([name], {name: pending}) and (kernel_pending or pending):
            states[key] = "installed-pending-reboot"
        else:
            states[key] = "installed-pending-restart" if pending else "installed"
    return states


def gate(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return everything that was seen; the gate is open if every check passed."""
    before = state.read(job.folder(parameters["change"]) / "before.json") or {}
    result = state.read(job.folder(parameters["change"]) / "result.json") or {}
    known, kernel, boot = state.packages(), state.kernel_running(), state.boot_id()
    still_old = [] if parameters["rebooted"] else result.get("still_on_old_files", [])
    checks = health.examine(health.compared(parameters["same"], before.get("same", {})) + parameters["health"])
    new_failures = sorted(set(state.failed_units()) - set(before["failed_units"]))
    return {
        "checks": [
            *package_checks(parameters["packages"], before, known),
            check("no further unit failed", [f"{unit} failed" for unit in new_failures]),
            boot_check(parameters["rebooted"], before, boot, kernel),
            *checks,
        ],
        "package_states": package_states(parameters["packages"], still_old, before["services"], known),
        "still_on_old_files": still_old,
        "boot_before": before["boot_id"],
        "boot_after": boot,
        "kernel_before": before["kernel"],
        "kernel_after": kernel,
    }


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "change": {"type": "str", "required": True},
            "packages": {"type": "list", "elements": "dict", "required": True},
            "rebooted": {"type": "bool", "default": False},
            "free": {"type": "bool", "default": True},
            "health": {"type": "list", "elements": "dict", "default": []},
            "same": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    if module.check_mode:  # nothing was started that could be looked at
        module.exit_json(changed=False, bordbuch={"checks": []})
    outcome = gate(module.params)
    if module.params["free"]:
        job.release(module.params["change"])
    closed = [f"{row['name']}: {row['detail']}" for row in outcome["checks"] if not row["passed"]]
    if closed:
        module.fail_json(msg="; ".join(closed), bordbuch=outcome)
    module.exit_json(changed=False, bordbuch=outcome)


if __name__ == "__main__":
    main()
