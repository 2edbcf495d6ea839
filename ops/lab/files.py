"""The files of a lab's state folder: what they are called, and what the lab remembers of itself."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from pathlib import Path

from ops.lab.mirror import Mirror

OPERATORS = ("anna", "bert")
"""The lab's operators: one key pair each, to sign commits and to push to the logbook."""


@dataclass(frozen=True)
class Guest:
    """A host as the lab remembers it."""

    name: str
    release: str
    address: IPv4Address


@dataclass(frozen=True)
class Files:
    """The paths below one state folder."""

    state: Path

    @property
    def keys(self) -> Path:
        """Key pairs: ``lab`` (root on the hosts) and one per operator."""
        return self.state / "keys"

    @property
    def ssh_config(self) -> Path:
        """How the hosts are reached."""
        return self.state / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys, made here before they booted."""
        return self.state / "known_hosts"

    @property
    def every_host_key(self) -> Path:
        """All host keys that this lab's hosts have had: a host that is reset gets a new one."""
        return self.state / "host_keys"

    @property
    def control(self) -> Path:
        """Sockets of SSH connections that Ansible keeps open."""
        return self.state / "cp"

    @property
    def memory(self) -> Path:
        """What the lab remembers of its hosts."""
        return self.state / "lab.json"

    @property
    def mirror(self) -> Path:
        """What the machine's package sources were when the lab was started."""
        return self.state / "mirror.json"

    def host(self, name: str) -> Path:
        """Return the folder of one host: overlay, link to its image, console."""
        return self.state / "hosts" / name

    @property
    def outside(self) -> Path:
        """What outlives the disks of hosts, by host."""
        return self.state / "outside"

    def read(self) -> dict[str, Guest]:
        """Return the hosts the lab remembers, in the order of their addresses."""
        if not self.memory.exists():
            return {}
        rows = json.loads(self.memory.read_text())
        return {row["name"]: Guest(row["name"], row["release"], IPv4Address(row["address"])) for row in rows}

    def write(self, guests: Mapping[str, Guest]) -> None:
        """Remember *guests*."""
        ordered = sorted(guests.values(), key=lambda guest: guest.address)
        _replace(self.memory, json.dumps([{**asdict(guest), "address": str(guest.address)} for guest in ordered]))

    def read_mirror(self) -> Mirror:
        """Return the mirror that `write_mirror` wrote."""
        return Mirror(**json.loads(self.mirror.read_text()))

    def write_mirror(self, mirror: Mirror) -> None:
        """Remember *mirror*, for hosts that are made anew while the lab is up."""
        _replace(self.mirror, json.dumps(asdict(mirror)))

    def write_ssh(self, guests: Mapping[str, Guest]) -> None:
        """Write ``ssh_config`` and ``known_hosts`` for *guests*."""
        _replace(self.known_hosts, "".join(self._known(guest) for guest in guests.values()))
        _replace(self.ssh_config, "".join(self._block(guest) for guest in guests.values()))

        had = self.host_keys(tuple(guests))
        new = {(name, key) for name in guests if (key := self._key(name)) not in had[name]}
        with self.every_host_key.open("a", encoding="utf-8") as file:
            file.writelines(f"{name} {key}\n" for name, key in sorted(new))

    def host_keys(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Return the public keys that each of *names* has and had, the newest last: what a host signed stays good."""
        lines = self.every_host_key.read_text(encoding="utf-8").splitlines() if self.every_host_key.exists() else []
        kept = [line.split(" ", 1) for line in lines]
        return {name: [key for host, key in kept if host == name] for name in names}

    def _known(self, guest: Guest) -> str:
        return f"{guest.name},{guest.address} {self._key(guest.name)}\n"

    def _key(self, name: str) -> str:
        return " ".join((self.host(name) / "host_key.pub").read_text().split()[:2])

    def _block(self, guest: Guest) -> str:
        return f"""\
Host {guest.name}
    HostName {guest.address}
    User root
    IdentityFile "{self.keys / "lab"}"
    IdentitiesOnly yes
    UserKnownHostsFile "{self.known_hosts}"
    GlobalKnownHostsFile none
    StrictHostKeyChecking yes
    PasswordAuthentication no
    ConnectTimeout 5
    ServerAliveInterval 5
    ServerAliveCountMax 3

"""


def _replace(path: Path, text: str) -> None:
    """Write aside and rename, so that a reader or a kill never meets half a file."""
    aside = path.with_name(path.name + ".new")
    aside.write_text(text)
    aside.replace(path)
