"""What is different on one host before it boots for the first time: its name, network, keys and package sources."""

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from ops.lab.files import Guest
from ops.lab.mirror import Mirror
from ops.lab.names import gateway
from ops.lab.sources import guest_proxy, guest_sources
from ops.lab.system import run

_UNITS = "/usr/lib/systemd/system"
_WANTS = "etc/systemd/system"


@dataclass(frozen=True)
class Surroundings:
    """What all hosts of a lab share."""

    network: IPv4Network
    guests: Mapping[str, Guest]
    mirror: Mirror
    admin_key: str
    mtu: int


def make_overlay(folder: Path, image: Path, guest: Guest, around: Surroundings) -> None:
    """Make *folder* of a new host: an overlay over *image*, a new host key, all that it boots with.

    It is made aside and renamed: a folder that exists is complete.
    """
    aside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    for name in ("upper", "work", "root"):
        (aside / name).mkdir(parents=True)
    (aside / "lower").symlink_to(image / "root")
    _write_host_key(aside)
    _write_files(aside / "upper", _files(guest, around))
    _enable(aside / "upper", "systemd-networkd.service", "multi-user.target.wants")
    _enable(aside / "upper", "systemd-networkd.socket", "sockets.target.wants")
    aside.rename(folder)


def hosts_file(guests: Mapping[str, Guest]) -> str:
    """Return ``/etc/hosts``: the machine itself and every host of the lab."""
    lines = ["127.0.0.1 localhost", "::1 localhost", *(f"{guest.address} {guest.name}" for guest in guests.values())]
    return "\n".join([*lines, ""])


def _files(guest: Guest, around: Surroundings) -> dict[str, str]:
    return {
        "etc/hostname": f"{guest.name}\n",
        "etc/hosts": hosts_file(around.guests),
        # With a machine id of its own a host does not take its first boot for one and re-enable what is switched off.
        "etc/machine-id": f"{secrets.token_hex(16)}\n",
        "etc/resolv.conf": around.mirror.resolver,
        "etc/default/locale": "LANG=C.UTF-8\n",
        "etc/locale.conf": "LANG=C.UTF-8\n",
        "etc/apt/sources.list.d/debian.sources": guest_sources(around.mirror.archives, guest.release),
        "etc/apt/apt.conf.d/90lab-proxy": guest_proxy(around.mirror.proxy, str(gateway(around.network))),
        "etc/systemd/network/10-lab.network": _network(guest, around),
        "root/.ssh/authorized_keys": around.admin_key,
    }


def _network(guest: Guest, around: Surroundings) -> str:
    return (
        f"[Match]\nName=host0\n[Link]\nMTUBytes={around.mtu}\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        f"Address={guest.address}/{around.network.prefixlen}\nGateway={gateway(around.network)}\n"
    )


def _write_files(upper: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        if text:
            (upper / path).parent.mkdir(parents=True, exist_ok=True)
            (upper / path).write_text(text)
    (upper / "root").chmod(0o700)
    (upper / "root/.ssh").chmod(0o700)


def _write_host_key(aside: Path) -> None:
    key = aside / "upper/etc/ssh/ssh_host_ed25519_key"
    key.parent.mkdir(parents=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab host", "-f", str(key)])
    shutil.copy(key.with_suffix(".pub"), aside / "host_key.pub")


def _enable(upper: Path, unit: str, wants: str) -> None:
    link = upper / _WANTS / wants / unit
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"{_UNITS}/{unit}")
