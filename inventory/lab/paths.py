#!/usr/bin/env python3
"""Paths of the lab for Ansible and ops: those below its state folder, .lab or what BORDBUCH_LAB names.

A program, since ansible-inventory prints variables without filling in templates, and the folder differs in tests.
"""

import json
import os
from pathlib import Path

STATE = Path(__file__).resolve().parents[2] / os.environ.get("BORDBUCH_LAB", ".lab")

VARIABLES = {
    "ansible_ssh_common_args": f'-F "{STATE}/ssh_config"',
    "ansible_control_path_dir": f"{STATE}/cp",
    "logbook_path": f"{STATE}/logbook",
    "logbook_keys": f"{STATE}/keys",
}

print(json.dumps({"all": {"vars": VARIABLES}, "_meta": {"hostvars": {}}}))
