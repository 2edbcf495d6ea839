"""Disposable Debian hosts on this machine: started, reached over SSH, broken on purpose, and gone without a trace."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Literal

from ops import terminal
from ops.errors import BadInput, Failed
from ops.lab import cgroup, image, privileged, remote
from ops.lab.files import OPERATORS, Files
from ops.lab.keys import ensure_pair
from ops.lab.machine import refuse_other_release
from ops.lab.names import LabName, check_hosts, default_hosts, gateway
from ops.lab.overlay import hosts_file

_CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Host:
    """A host of the lab as it is now."""

    name: str
    release: str
    address: IPv4Address
    state: Literal["running", "frozen", "off"]


class Lab:
    """The lab whose state folder is *state*; several run side by side, told apart by that path."""

    def __init__(self, state: Path) -> None:
        self.state = state.absolute()
        self.files, self.name = Files(self.state), LabName.of(self.state)

    @classmethod
    def here(cls) -> "Lab":
        """Return the lab of this checkout: ``.lab``, or what ``BORDBUCH_LAB`` names instead."""
        return cls(_CHECKOUT / os.environ.get("BORDBUCH_LAB", ".lab"))

    @property
    def ssh_config(self) -> Path:
        """The file for ``ssh -F`` (there while the lab is up)."""
        return self.files.ssh_config

    @property
    def keys(self) -> Path:
        """The folder of key pairs: lab, anna, bert. They survive `down`."""
        return self.files.keys

    @property
    def gateway(self) -> IPv4Address:
        """The machine's own address on the lab's network, where tests serve things to the hosts.

        Raises:
            BadInput: the lab is down.
        """
        for guest in self.files.read().values():
            return gateway(IPv4Network((guest.address, 24), strict=False))
        raise BadInput("the lab is down", next_step="invoke lab.up")

    def hosts(self) -> tuple[Host, ...]:
        """Return the lab's hosts; none when it is down."""
        guests = self.files.read().values()
        return tuple(Host(guest.name, guest.release, guest.address, self._state(guest.name)) for guest in guests)

    def up(self, hosts: Mapping[str, str] | None = None, *, owner: int | None = None) -> bool:
        """Start *hosts* (name → release; None: the hosts that are there, else the default three) and wait for them.

        Args:
            hosts: hosts already running stay as they are; one that is off boots with the disk it had.
            owner: a process id; when that process is gone the lab ends by itself.

        Returns:
            False when all of them ran already.

        Raises:
            BadInput: a name or release that cannot be, or a host that is there with another release.
            Failed: a host could not be started or did not become ready.
        """
        wanted = dict(hosts) if hosts is not None else self._default()
        check_hosts(wanted)
        refuse_other_release(self.files.read(), wanted)
        running = {host.name for host in self.hosts() if host.state != "off"}
        missing = [name for name in wanted if name not in running]
        if missing:
            self._start(wanted, missing, running, owner)
        return bool(missing)

    def down(self) -> None:
        """End the lab and remove all it left on the machine, also after a kill; keys and logbook stay."""
        remote.close_connections(self.files.control, "exit")
        privileged.call(self.state, "stop")

    def reset(self, names: Iterable[str] | None = None) -> None:
        """Give the hosts *names* (None: all) a fresh disk and new host keys, and wait for them; the others go on.

        What lies outside of the disks (``/srv/second`` of a backup host) goes only if no names are given.

        Raises:
            BadInput: a name is none of the lab's, or the lab is down.
        """
        chosen = [host.name for host in self.hosts()] if names is None else list(names)
        if not chosen:
            raise BadInput("there is no host to reset", next_step="invoke lab.up")
        remote.close_connections(self.files.control, "stop")
        privileged.call(self.state, "reset", images=str(image.folder()), names=chosen, outside=names is None)
        self.wait(chosen)

    def wait(self, names: Iterable[str], limit: float = 90) -> None:
        """Wait until systemd on each of *names* says that it runs, at most *limit* seconds.

        Raises:
            Failed: a host is not ready by then, or has failed units.
        """
        addresses = {host.name: host.address for host in self.hosts()}
        with ThreadPoolExecutor(max_workers=16) as pool:
            list(pool.map(lambda name: remote.wait_ready(self, name, addresses[name], limit), names))

    def is_on(self, name: str) -> bool:
        """Whether the host's supervisor lives."""
        return self._state(name) != "off"

    def run_on(
        self, name: str, argv: Sequence[str], *, given: str | None = None, limit: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on a host over SSH as root.

        Args:
            name: the host.
            argv: program and arguments; each arrives as it is.
            given: standard input.
            limit: seconds.
            check: raise when it exits with another code than 0.

        Raises:
            Failed: no contact, took longer, or (with *check*) another exit code.
        """
        return remote.run_on(self.ssh_config, name, argv, given=given, limit=limit, check=check)

    def cut(self, name: str) -> None:
        """Take a host from the network until `mend` or its next reboot."""
        privileged.call(self.state, "cut", name=name, on=True)

    def mend(self, name: str) -> None:
        """Put a host back on the network."""
        privileged.call(self.state, "cut", name=name, on=False)

    def freeze(self, name: str) -> None:
        """Stop every process of a host where it stands until `thaw`."""
        privileged.call(self.state, "freeze", name=name, on=True)

    def thaw(self, name: str) -> None:
        """Let a frozen host go on."""
        privileged.call(self.state, "freeze", name=name, on=False)

    def kill(self, name: str) -> None:
        """Switch a host off as if its power failed.

        `up` boots it again with the disk it had, `reset` with a fresh one.
        """
        privileged.call(self.state, "kill", name=name)

    def fill(self, name: str, path: str, leave_bytes: int = 0) -> None:
        """Put a full file system in the place of the folder *path*, with its content; `drain` gives room again."""
        remote.fill(self, name, path, leave_bytes)

    def drain(self, name: str, path: str) -> None:
        """Give the file system that `fill` made room again (16 MiB and more)."""
        remote.drain(self, name, path)

    def _state(self, name: str) -> Literal["running", "frozen", "off"]:
        group = f"{self.name.cgroup}/{name}"
        if not cgroup.is_populated(group):
            return "off"
        return "frozen" if cgroup.is_frozen(group) else "running"

    def _default(self) -> dict[str, str]:
        return {guest.name: guest.release for guest in self.files.read().values()} or default_hosts()

    def _start(self, wanted: dict[str, str], missing: list[str], running: set[str], owner: int | None) -> None:
        self._make_keys()
        # Made here, since folders that sudo makes in somebody's home are not theirs.
        image.folder().mkdir(parents=True, exist_ok=True)
        with terminal.progress(f"Starting {len(missing)} lab hosts ({', '.join(missing)})"):
            privileged.call(self.state, "start", images=str(image.folder()), hosts=wanted, owner=owner)
            self.wait(missing)
            self._introduce(running)

    def _introduce(self, running: set[str]) -> None:
        """Tell the hosts that ran before of those that came."""
        text = hosts_file(self.files.read())
        for name in sorted(running):
            self.run_on(name, ["tee", "/etc/hosts"], given=text)

    def _make_keys(self) -> None:
        for path in (self.state, self.keys, self.files.control):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("lab", *OPERATORS):
            ensure_pair(self.keys / name)


def interactive_shell(lab: Lab, name: str) -> None:
    """Become an SSH session on the host *name*.

    Raises:
        BadInput: the lab has no such running host.
        Failed: ssh is not there.
    """
    if not any(host.name == name and host.state == "running" for host in lab.hosts()):
        raise BadInput(f"no host {name!r} runs in the lab", next_step="invoke lab.list")
    sys.stdout.flush()
    try:
        os.execvp("ssh", ["ssh", "-F", str(lab.ssh_config), name])
    except OSError as error:
        raise Failed(f"ssh did not start: {error}") from error
