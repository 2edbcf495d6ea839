#!/usr/bin/python3
"""Free the lock that a change holds on a host."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.bordbuch import job, lock, state

DOCUMENTATION = r"""
module: change_unlock
short_description: Free a host's lock
options:
  change:
    description: Id of the change whose lock is freed; another's lock is left alone. Empty frees whoever's it is.
    type: str
    default: ""
  tidy:
    description: Whether the unit that keeps the result is ended, too, once the result is a file.
    type: bool
    default: true
author: Bordbuch
"""

EXAMPLES = r"""
- name: Free the lock
  change_unlock:
    change: 2026-11-25-2300-k7xq
"""

RETURN = r"""
bordbuch:
  description: C(freed) is who held the lock, null where nobody did.
  type: dict
  returned: always
"""


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={"change": {"type": "str", "default": ""}, "tidy": {"type": "bool", "default": True}},
        supports_check_mode=True,
    )
    change = module.params["change"]
    if module.check_mode:
        module.exit_json(changed=lock.holder() is not None, bordbuch={"freed": None})
    running = bool(change) and job.standing(change) == "running"
    freed = None if running else lock.free(change or None)
    if module.params["tidy"] and change and not running:
        state.run(["systemctl", "stop", job.unit_name(change)])
    module.exit_json(changed=freed is not None, bordbuch={"freed": freed, "still_running": running})


if __name__ == "__main__":
    main()
