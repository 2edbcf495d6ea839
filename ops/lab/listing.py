"""The lab as an Ansible inventory: `inventory/lab/hosts` prints it. Addresses and keys differ per lab."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ops.lab.files import OPERATORS
from ops.lab.lab import Lab
from ops.lab.names import default_hosts

GROUPS = {"app": "application", "db": "database", "backup": "backup"}
"""Group of a host by the letters its name begins with."""


def listing(names: Iterable[str], state: Path, keys: dict[str, str]) -> dict[str, Any]:
    """Return the inventory of hosts *names* of the lab with the state folder *state*.

    Args:
        names: the hosts, in their order.
        state: where SSH configuration, keys and the logbook's clone of this lab are.
        keys: operator → public key.
    """
    hosts = list(names)
    groups = {
        group: [host for host in hosts if host.rstrip("0123456789") == prefix] for prefix, group in GROUPS.items()
    }
    variables = {
        "ansible_ssh_common_args": f"-F {state / 'ssh_config'}",
        "ansible_control_path_dir": str(state / "cp"),
        "logbook_path": str(state / "logbook"),
        "logbook_keys": str(state / "keys"),
        "operators": [
            {"name": name, "office": "administration", "state": "present", "keys": [{"public": key}]}
            for name, key in keys.items()
        ],
    }
    return {
        "_meta": {"hostvars": {}},
        "all": {"hosts": hosts, "vars": variables},
        **{group: {"hosts": members} for group, members in groups.items()},
    }


def main() -> None:
    """Print the inventory of this checkout's lab, running or not; called by Ansible with ``--list``.

    Words that are no option limit it to those hosts.
    """
    lab = Lab.here()
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    names = wanted or [host.name for host in lab.hosts()] or list(default_hosts())
    public = {name: lab.keys / f"{name}.pub" for name in OPERATORS}
    keys = {name: path.read_text(encoding="utf-8").strip() for name, path in public.items() if path.exists()}
    json.dump(listing(names, lab.state, keys), sys.stdout)


if __name__ == "__main__":
    main()
