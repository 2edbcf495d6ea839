"""The lab as an Ansible inventory: `inventory/lab/hosts` prints it. Addresses and keys differ per lab."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.lab.files import OPERATORS
from ops.lab.lab import Lab
from ops.lab.names import default_hosts

GROUPS = {"app": "application", "db": "database", "backup": "backup"}
"""Group of a host by the letters its name begins with."""


def listing(
    addresses: Mapping[str, str],
    state: Path,
    keys: Mapping[str, str],
    machines: Mapping[str, Sequence[str]],
    lab_key: str = "",
) -> dict[str, Any]:
    """Return the inventory of hosts of the lab with the state folder *state*.

    Args:
        addresses: host → address, in their order; empty where the host does not run.
        state: where SSH configuration, keys and the logbook's clone of this lab are.
        keys: operator → public key.
        machines: host that keeps backups → its public keys, by which it signs what its timers did.
        lab_key: the public key by which this machine comes to the hosts as root, so that who looks who may do what can name it.
    """
    hosts = list(addresses)
    groups = {
        group: [host for host in hosts if host.rstrip("0123456789") == prefix] for prefix, group in GROUPS.items()
    }
    variables = {
        "ansible_ssh_common_args": f"-F {state / 'ssh_config'}",
        "ansible_control_path_dir": str(state / "cp"),
        "lab_state": str(state),
        "logbook_path": str(state / "logbook"),
        "logbook_keys": str(state / "keys"),
        "lab_key": lab_key,
        "operators": [
            {"name": name, "office": "administration", "state": "present", "keys": [{"public": key}]}
            for name, key in keys.items()
        ]
        + [
            {"name": name, "office": "timer", "keys": [{"public": key} for key in known]}
            for name, known in machines.items()
            if known
        ],
    }
    return {
        "_meta": {"hostvars": {host: {"site_address": address} for host, address in addresses.items() if address}},
        "all": {"hosts": hosts, "vars": variables},
        **{group: {"hosts": members} for group, members in groups.items()},
    }


def main() -> None:
    """Print the inventory of this checkout's lab, running or not; called by Ansible with ``--list``.

    Words that are no option limit it to those hosts.
    """
    lab = Lab.here()
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    running = {host.name: str(host.address) for host in lab.hosts()}
    names = wanted or list(running) or list(default_hosts())
    public = {name: lab.keys / f"{name}.pub" for name in (*OPERATORS, "lab")}
    keys = {name: path.read_text(encoding="utf-8").strip() for name, path in public.items() if path.exists()}
    lab_key = keys.pop("lab", "")
    backup = [name for name in names if GROUPS.get(name.rstrip("0123456789")) == "backup"]
    machines = lab.files.host_keys(backup)
    addresses = {name: running.get(name, "") for name in names}
    json.dump(listing(addresses, lab.state, keys, machines, lab_key), sys.stdout)


if __name__ == "__main__":
    main()
