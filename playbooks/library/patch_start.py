#!/usr/bin/python3
"""Take a host's lock, compare it with the plan, and start the package work in a unit of its own."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.bordbuch import job, lock, refresh, state, way_back

DOCUMENTATION = r"""
module: patch_start
short_description: Start exactly the approved package changes on a host, or refuse with the difference
description:
  - Takes the host's lock for the change, compares package states, package files and apt's own simulation with what was
    approved, and starts the work in a transient systemd unit. Whatever differs refuses this host before anything is touched.
  - A change that already runs or ended on the host is adopted, so that a resumed change repeats nothing.
options:
  change:
    description: Id of the change.
    type: str
    required: true
  operator:
    description: Who carries it out.
    type: str
    required: true
  controller:
    description: From which machine.
    type: str
    required: true
  since:
    description: When this run began, UTC.
    type: str
    required: true
  packages:
    description: The approved package changes of this host, as in the plan.
    type: list
    elements: dict
    required: true
  restart:
    description: Whether services that run on old files are restarted afterwards.
    choices: [when-needed, never]
    default: when-needed
  restart_except:
    description: Shell patterns of services that are never restarted.
    type: list
    elements: str
    default: []
  same:
    description: Commands (name, command) whose output is kept, for C(patch_gate) to compare with.
    type: list
    elements: dict
    default: []
  lock_seconds:
    description: How long to wait for another program that does package work, in seconds.
    type: int
    default: 300
  keep_days:
    description: How long the package files of replaced versions are kept for the way back, in days.
    type: int
    default: 30
author: Bordbuch
"""

EXAMPLES = r"""
- name: Start the package work
  patch_start:
    change: 2026-11-25-2300-k7xq
    operator: anna
    controller: laptop
    since: "2026-11-25T23:00:00Z"
    packages: "{{ change.hosts[inventory_hostname].packages }}"
"""

RETURN = r"""
bordbuch:
  description: C(state) is C(started), C(adopted) or C(refused), with C(reasons); C(lock) is who holds the host instead.
  type: dict
  returned: always
"""


def begin(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return how the start went; the lock stays taken unless the host was refused."""
    change = parameters["change"]
    claim = {key: parameters[key] for key in ("change", "operator", "controller", "since")}
    other = lock.take(claim)
    if other:
        reason = (
            f"locked by change {other['change']}, {other['operator']} on {other['controller']}, since {other['since']}"
        )
        return {"state": "refused", "reasons": [reason], "lock": other}
    if job.standing(change) in ("running", "done") or job.concluded(change, parameters["packages"]):
        return {"state": "adopted", "reasons": []}
    reasons = attempt(change, parameters)
    if reasons:
        lock.free(change)
    return {"state": "refused" if reasons else "started", "reasons": reasons}


def attempt(change: str, parameters: dict[str, Any]) -> list[str]:
    """Start the unit and return nothing, or touch nothing and return why not."""
    try:
        refresh.wait_for_lock(refresh.DPKG_LOCK, parameters["lock_seconds"]).close()
    except refresh.Busy as busy:
        return [f"busy: {busy}"]
    known = state.packages()
    reasons = job.objections(job.folder(change), parameters["packages"], known)
    if not reasons:
        way_back.keep(parameters["packages"], parameters["keep_days"])
        job.remember(change, parameters["packages"], known, parameters["same"])
        options = {key: parameters[key] for key in ("restart", "restart_except", "lock_seconds")}
        job.launch(change, parameters["packages"], options)
    return reasons


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "change": {"type": "str", "required": True},
            "operator": {"type": "str", "required": True},
            "controller": {"type": "str", "required": True},
            "since": {"type": "str", "required": True},
            "packages": {"type": "list", "elements": "dict", "required": True},
            "restart": {"choices": ["when-needed", "never"], "default": "when-needed"},
            "restart_except": {"type": "list", "elements": "str", "default": []},
            "same": {"type": "list", "elements": "dict", "default": []},
            "lock_seconds": {"type": "int", "default": 300},
            "keep_days": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=True, bordbuch={"state": "would start", "reasons": []})
    outcome = begin(module.params)
    if outcome["state"] == "refused":
        module.fail_json(msg="; ".join(outcome["reasons"]), bordbuch=outcome)
    module.exit_json(changed=outcome["state"] == "started", bordbuch=outcome)


if __name__ == "__main__":
    main()
