#!/usr/bin/python3
"""Hold what would meet a restart on another host, or let it go on."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.bordbuch import state

DOCUMENTATION = r"""
module: patch_hold
short_description: Hold requests that would meet a restart on another host, or let them go on
description:
  - Runs on the host that takes the requests, for the host that is about to change.
  - What cannot be held fails. What cannot be released is only told, since a hold ends by itself.
  - Where the program is not there, nothing is held.
options:
  host:
    description: How this host is called in the record.
    type: str
    required: true
  state:
    description: Whether the command holds or releases.
    choices: [held, released]
    required: true
  command:
    description: The command and its arguments.
    type: list
    elements: str
    required: true
author: Bordbuch
"""

EXAMPLES = r"""
- name: Hold requests
  patch_hold:
    host: app1
    state: held
    command: [/usr/local/sbin/liquidfeedback-proxy, hold, database]
  delegate_to: app1
"""

RETURN = r"""
bordbuch:
  description: C(reasons) why nothing is held, or C(checks) with what the releasing command printed.
  type: dict
  returned: always
"""

SECONDS = 120
"""How long a command may take; what it waits for itself is shorter."""


def complaint(command: list[str]) -> tuple[str, str]:
    """Run *command* and return what it complains of (empty if nothing) and what it printed."""
    try:
        done = state.run(command, SECONDS)
    except FileNotFoundError:
        return "", "nothing was held: the program is not there"
    said = " ".join((done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").split()).rstrip(".")
    return (said if done.returncode else ""), done.stdout.strip()


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "state": {"choices": ["held", "released"], "required": True},
            "command": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=True, bordbuch={})
    host = module.params["host"]
    wrong, said = complaint(module.params["command"])
    if module.params["state"] == "released":
        row = {"name": f"requests waited on {host}", "passed": not wrong, "detail": (wrong or said)[:500]}
        module.exit_json(changed=True, bordbuch={"checks": [row]})
    if wrong:
        reasons = [f"requests are not held on {host}: {wrong}"]
        module.fail_json(msg=reasons[0], bordbuch={"reasons": reasons})
    module.exit_json(changed=True, bordbuch={"reasons": []})


if __name__ == "__main__":
    main()
