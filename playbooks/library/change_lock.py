#!/usr/bin/python3
"""Take or free the lock of a host: one change at a time, whoever starts it from wherever."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.bordbuch import job, lock

DOCUMENTATION = r"""
module: change_lock
short_description: Take or free a host's lock
description:
  - The lock names change, operator, controller and time, and has no time to live. A change takes its own lock again. The lock
    of a change whose package work still runs is not freed.
options:
  state:
    description: Whether the lock is to be held or free.
    choices: [present, absent]
    required: true
  change:
    description: Id of the change; freeing leaves another's lock alone, and with an empty id frees whoever's it is.
    type: str
    default: ""
  operator:
    description: Who carries the change out.
    type: str
    default: ""
  controller:
    description: From which machine.
    type: str
    default: ""
author: Bordbuch
"""

EXAMPLES = r"""
- name: Free the lock
  change_lock:
    state: absent
    change: 2026-11-25-2300-k7xq
"""

RETURN = r"""
bordbuch:
  description: C(lock) is who held the lock before, null where nobody did.
  type: dict
  returned: always
"""


def take(parameters: dict[str, Any]) -> dict[str, Any] | None:
    """Take the lock, or return who else holds it."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return lock.take({**{key: parameters[key] for key in ("change", "operator", "controller")}, "since": since})


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["present", "absent"], "required": True},
            "change": {"type": "str", "default": ""},
            "operator": {"type": "str", "default": ""},
            "controller": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    wanted, change = module.params["state"], module.params["change"]
    if module.check_mode:
        module.exit_json(changed=(lock.holder() is None) == (wanted == "present"), bordbuch={"lock": lock.holder()})
    if wanted == "absent":
        freed = job.release(change)
        module.exit_json(changed=freed is not None, bordbuch={"lock": freed})
    other = take(module.params)
    if other:
        held = f"{other['change']}, {other['operator']} on {other['controller']}, since {other['since']}"
        module.fail_json(msg=f"locked by change {held}", bordbuch={"lock": other})
    module.exit_json(changed=True, bordbuch={"lock": None})


if __name__ == "__main__":
    main()
