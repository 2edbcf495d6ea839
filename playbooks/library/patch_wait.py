#!/usr/bin/python3
"""Wait for the package work of a change and read its result."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.bordbuch import job, state

DOCUMENTATION = r"""
module: patch_wait
short_description: Wait until the package work of a change has left its result on the host
description:
  - The work goes on whether somebody waits or not; losing the connection loses nothing, and asking again is harmless.
options:
  change:
    description: Id of the change.
    type: str
    required: true
  seconds:
    description: How long to wait at most.
    type: int
    default: 1800
author: Bordbuch
"""

EXAMPLES = r"""
- name: Wait for the package work
  patch_wait:
    change: 2026-11-25-2300-k7xq
"""

RETURN = r"""
bordbuch:
  description: C(state) is C(done), C(running) or C(lost); with C(done) what the unit wrote.
  type: dict
  returned: always
"""


ASK_SECONDS = 5
"""How often systemd is asked whether the unit still runs; in between a look at the result file suffices, at no cost."""


def wait(change: str, seconds: float) -> dict[str, Any]:
    """Return the result of *change*, or how it stands after *seconds*."""
    limit, path = time.monotonic() + seconds, job.folder(change) / "result.json"
    while (standing := job.standing(change)) == "running" and time.monotonic() < limit:
        pause = time.monotonic() + ASK_SECONDS
        while not path.exists() and time.monotonic() < min(pause, limit):
            time.sleep(0.2)
    before = state.read(job.folder(change) / "before.json") or {}
    result = state.read(job.folder(change) / "result.json") or {}
    failed = standing == "done" and result.get("exit_code") != 0
    return {
        "package_states": job.after_failure(change) if failed else {},
        "state": standing,
        "rebooted": bool(before) and before.get("boot_id") != state.boot_id(),
        "reboot_reasons": job.reboot_reasons(result.get("still_on_old_files", [])),
        **result,
    }


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={"change": {"type": "str", "required": True}, "seconds": {"type": "int", "default": 1800}},
        supports_check_mode=True,
    )
    if module.check_mode:  # nothing was started that could be looked at
        module.exit_json(changed=False, bordbuch={"state": "would wait", "reboot_reasons": [], "rebooted": False})
    result = wait(module.params["change"], module.params["seconds"])
    if result["state"] != "done":
        words = {"running": "still runs", "lost": "ended without a result", "none": "was never started"}
        module.fail_json(msg=f"the package work {words[result['state']]}", bordbuch=result)
    if result["exit_code"] != 0:
        module.fail_json(msg=f"apt ended with {result['exit_code']}: {result.get('complaint', '')}", bordbuch=result)
    module.exit_json(changed=False, bordbuch=result)


if __name__ == "__main__":
    main()
