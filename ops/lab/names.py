"""Pure: what a lab and its parts are called, and which addresses they have, derived from the state folder's path."""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from ops.errors import BadInput, Failed

RELEASES = ("bookworm", "trixie")
_HOST = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
_FIRST_HOST = 11
_LAST_HOST = 250


@dataclass(frozen=True)
class LabName:
    """The names of one lab's parts. ``id`` is six hexadecimal digits, the same for the same state folder."""

    id: str

    @classmethod
    def of(cls, state: Path) -> "LabName":
        """Return the name of the lab whose state folder is *state* (absolute)."""
        return cls(hashlib.sha256(str(state).encode()).hexdigest()[:6])

    @property
    def bridge(self) -> str:
        """The network bridge (at most 15 characters)."""
        return f"bb-{self.id}"

    @property
    def table(self) -> str:
        """The nftables table."""
        return f"bordbuch_{self.id}"

    @property
    def cgroup(self) -> str:
        """The control group above those of the hosts."""
        return f"bordbuch-{self.id}"

    def machine(self, address: IPv4Address) -> str:
        """The name nspawn gives the host with *address*: short, so that the bridge port's name is not cut off."""
        return f"{self.id}-{address.packed[-1]}"

    def port(self, address: IPv4Address) -> str:
        """The bridge port of the host with *address*, as nspawn names it."""
        return f"vb-{self.machine(address)}"


def candidate_networks(lab: LabName) -> Iterator[IPv4Network]:
    """Yield private /24 networks, always in the same order for the same lab, between 10.64.0.0 and 10.191.255.255."""
    start = int(lab.id, 16)
    for step in range(128 * 256):
        number = (start + step * 257) % (128 * 256)
        yield ipaddress.IPv4Network((0x0A400000 + (number << 8), 24))


def free_network(lab: LabName, taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return the first candidate that overlaps nothing in *taken* (routes and name servers of the machine).

    Raises:
        Failed: every candidate is taken.
    """
    busy = [network for network in taken if network.prefixlen > 0]
    for candidate in candidate_networks(lab):
        if not any(candidate.overlaps(network) for network in busy):
            return candidate
    raise Failed(
        "no free private /24 network is left on this machine",
        next_step="see the routes between 10.64.0.0 and 10.191.255.255",
    )


def gateway(network: IPv4Network) -> IPv4Address:
    """Return the machine's own address on the bridge."""
    return network[1]


def give_addresses(
    network: IPv4Network, wanted: Iterable[str], given: Mapping[str, IPv4Address]
) -> dict[str, IPv4Address]:
    """Return an address for each wanted host, in order; those already *given* keep theirs.

    Raises:
        BadInput: more hosts than addresses.
    """
    result = {name: given[name] for name in wanted if name in given}
    free = iter(n for n in range(_FIRST_HOST, _LAST_HOST + 1) if network[n] not in given.values())
    for name in wanted:
        if name not in result:
            result[name] = network[_next(free)]
    return result


def _next(free: Iterator[int]) -> int:
    number = next(free, None)
    if number is None:
        raise BadInput(f"a lab has room for {_LAST_HOST - _FIRST_HOST + 1} hosts")
    return number


def parse_hosts(text: str) -> dict[str, str]:
    """Return host → release from ``app1=bookworm,db1=trixie``.

    Raises:
        BadInput: a part is not NAME=RELEASE, a name twice, or what `check_hosts` refuses.
    """
    hosts: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, release = part.strip().partition("=")
        if not equals or name in hosts:
            raise BadInput(f"{part!r} is not NAME=RELEASE, or {name!r} stands there twice")
        hosts[name] = release
    check_hosts(hosts)
    return hosts


def check_hosts(hosts: Mapping[str, str]) -> None:
    """Refuse what cannot be the hosts of a lab.

    Raises:
        BadInput: no host, a name that is no host name, or a release the lab does not know.
    """
    if not hosts:
        raise BadInput("a lab needs at least one host", next_step="name them as NAME=RELEASE")
    for name, release in hosts.items():
        if not _HOST.fullmatch(name):
            raise BadInput(f"{name!r} is no host name: small letters, digits and hyphens, beginning with a letter")
        if release not in RELEASES:
            raise BadInput(f"{release!r} is no release of the lab", host=name, next_step=f"use {' or '.join(RELEASES)}")


def default_hosts(database_release: str = "trixie") -> dict[str, str]:
    """Return the three default hosts: database and backup of one release, the application of the other.

    Raises:
        BadInput: the release is not known.
    """
    other = {"trixie": "bookworm", "bookworm": "trixie"}.get(database_release, "")
    hosts = {"app1": other, "db1": database_release, "backup1": database_release}
    check_hosts(hosts if other else {"db1": database_release})
    return hosts
