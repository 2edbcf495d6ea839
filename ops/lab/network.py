"""The lab's network on the machine: one bridge, one nftables table, and forwarding, put back when the last lab goes.

``/run/bordbuch`` holds a file per lab and the former values of kernel settings; it goes with the last lab.
"""

import fcntl
import ipaddress
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network
from pathlib import Path

from ops.errors import Failed
from ops.lab.names import LabName, free_network, gateway
from ops.lab.system import run

_REGISTRY = Path("/run/bordbuch")
_SETTINGS: dict[str, tuple[Path, Callable[[str], str]]] = {
    "ip_forward": (Path("/proc/sys/net/ipv4/ip_forward"), lambda _former: "1"),
    # Each systemd watches folders: with the kernel's 128 watchers a user, units of the ninth host or so fail at its boot.
    "inotify": (Path("/proc/sys/fs/inotify/max_user_instances"), lambda former: str(max(int(former), 2048))),
}
"""Settings of the machine's kernel that hosts need: where each is, and what it becomes."""

_TABLE = """table inet {table} {{}}
delete table inet {table}
table inet {table} {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {network} oifname != "{bridge}" masquerade
    }}
}}
"""


def ensure_network(lab: LabName) -> IPv4Network:
    """Make the lab's bridge, rules and forwarding, or leave them as they are; return its network.

    Raises:
        Failed: the machine refuses one of them, or has no free network.
    """
    with _only_one():
        network = _network_of(lab) or _make_bridge(lab)
        _register(lab, network)
        run(["nft", "-f", "-"], given=_TABLE.format(table=lab.table, network=network, bridge=lab.bridge))
    return network


def remove_network(lab: LabName) -> None:
    """Remove all of it; what is not there is no fault."""
    with _only_one():
        with suppress(Failed):
            run(["nft", "delete", "table", "inet", lab.table])
        _unregister(lab)
        if _exists(lab.bridge):
            run(["ip", "link", "delete", lab.bridge])


def set_port(port: str, up: bool) -> None:
    """Plug a host's bridge port in or out."""
    run(["ip", "link", "set", port, "up" if up else "down"])


def default_mtu() -> int:
    """Return the size of the packets that the machine's way out takes, so that hosts send none that are larger."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "default"]) or "[]")
    devices = [route["dev"] for route in routes if "dev" in route]
    return int(Path(f"/sys/class/net/{devices[0]}/mtu").read_text()) if devices else 1500


@contextmanager
def _only_one() -> Iterator[None]:
    """Let no other lab change the machine's network meanwhile. The lock is on a folder, so that no file is left."""
    descriptor = os.open("/run", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _exists(bridge: str) -> bool:
    return Path(f"/sys/class/net/{bridge}").exists()


def _network_of(lab: LabName) -> IPv4Network | None:
    if not _exists(lab.bridge):
        return None
    shown = json.loads(run(["ip", "-json", "-4", "address", "show", "dev", lab.bridge]) or "[]")
    for address in (address for device in shown for address in device.get("addr_info", ())):
        return ipaddress.IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
    # A bridge without an address is what an interrupted start leaves.
    run(["ip", "link", "delete", lab.bridge])
    return None


def _make_bridge(lab: LabName) -> IPv4Network:
    network = free_network(lab, _taken())
    run(["ip", "link", "add", lab.bridge, "mtu", str(default_mtu()), "type", "bridge", "forward_delay", "0"])
    run(["ip", "address", "add", f"{gateway(network)}/{network.prefixlen}", "dev", lab.bridge])
    run(["ip", "link", "set", lab.bridge, "up"])
    return network


def _taken() -> Iterator[IPv4Network]:
    for route in json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]"):
        if route["dst"] != "default":
            yield IPv4Network(route["dst"], strict=False)
    for line in Path("/etc/resolv.conf").read_text().splitlines():
        with suppress(ValueError, IndexError):
            yield IPv4Network(line.split()[1])


def _register(lab: LabName, network: IPv4Network) -> None:
    _REGISTRY.mkdir(exist_ok=True)
    if not _others(lab):
        _remember_settings(lab)
    (_REGISTRY / lab.id).write_text(str(network))
    for setting, wanted in _SETTINGS.values():
        setting.write_text(wanted(setting.read_text()))


def _remember_settings(lab: LabName) -> None:
    """Write down the former values, unless an interrupted start of this lab already did."""
    for name, (setting, _wanted) in _SETTINGS.items():
        former = _REGISTRY / name
        if not (former.exists() and (_REGISTRY / lab.id).exists()):
            former.write_text(setting.read_text())


def _unregister(lab: LabName) -> None:
    if _others(lab):
        (_REGISTRY / lab.id).unlink(missing_ok=True)
    elif (_REGISTRY / lab.id).exists():
        for name, (setting, _wanted) in _SETTINGS.items():
            if (_REGISTRY / name).exists():  # a lab of an older version wrote down less
                setting.write_text((_REGISTRY / name).read_text())
        shutil.rmtree(_REGISTRY)


def _others(lab: LabName) -> list[str]:
    """Return the other labs of this machine; entries whose bridge is gone are leftovers and count for nothing."""
    names = [path.name for path in _REGISTRY.glob("[0-9a-f]" * 6)]
    return [name for name in names if name != lab.id and _exists(LabName(name).bridge)]
