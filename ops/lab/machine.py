"""The part of the lab that needs root on the machine: it starts and ends hosts and makes and removes the network."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from ops.errors import BadInput, Failed
from ops.lab import cgroup, image, network
from ops.lab.files import Files, Guest
from ops.lab.mirror import Mirror, read_mirror
from ops.lab.names import LabName, give_addresses
from ops.lab.overlay import Surroundings, hosts_file, make_overlay
from ops.lab.packages import ensure_packages

_BOOT = Path(__file__).with_name("boot.sh")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
OUTSIDE = "backup"
"""Hosts whose name begins with this have a second place, which outlives their disk."""

KEEPER = "_keeper"
"""The control group of the process that ends the lab with its owner; no host name begins like that."""


class Machine:
    """The machine's side of the lab in the folder *state*."""

    def __init__(self, state: Path) -> None:
        self.files, self.lab = Files(state), LabName.of(state)

    def start(self, images: Path, hosts: Mapping[str, str]) -> None:
        """Start each of *hosts* (name → release) that does not run; one that ran before keeps its disk.

        Raises:
            BadInput: a host exists with another release.
            Failed: an image, the network or a host could not be made.
        """
        ensure_packages()
        with self._alone():
            known = self.files.read()
            refuse_other_release(known, hosts)
            mirror = read_mirror()
            self.files.write_mirror(mirror)
            paths = _images(images, set(hosts.values()), mirror)
            guests = self._remember(known, hosts)
            self._boot([guests[name] for name in hosts if not self._runs(name)], paths)

    def reset(self, images: Path, names: Sequence[str], outside: bool) -> None:
        """End the hosts *names* and start them again from their image, with new host keys; the others go on.

        Args:
            images: where images are kept.
            names: of the hosts.
            outside: whether what is outside of their disks goes, too.

        Raises:
            BadInput: a name is none of the lab's.
        """
        with self._alone():
            guests = self._known(names)
            rubbish = [self._discard(guest) for guest in guests]
            if outside:
                shutil.rmtree(self.files.outside, ignore_errors=True)  # there is none without a backup host
            paths = _images(images, {guest.release for guest in guests}, self.files.read_mirror())
            self._boot(guests, paths)
        for path in rubbish:
            shutil.rmtree(path, ignore_errors=True)

    def stop(self) -> None:
        """End every host and remove processes, groups, network, disks; also what an interrupted start left."""
        with self._alone():
            cgroup.kill(self.lab.cgroup)
            cgroup.remove(self.lab.cgroup)
            for guest in self.files.read().values():
                self._unplug(guest)
            network.remove_network(self.lab)
            self._forget()

    def cut(self, name: str, cut: bool) -> None:
        """Take the host from the network, or put it back."""
        network.set_port(self.lab.port(self._known([name])[0].address), up=not cut)

    def freeze(self, name: str, frozen: bool) -> None:
        """Stop every process of the host where it stands, or let them go on."""
        self._known([name])
        cgroup.freeze(self._group(name), frozen)

    def kill(self, name: str) -> None:
        """Switch the host off as if its power failed; its disk stays."""
        guest = self._known([name])[0]
        cgroup.kill(self._group(name))
        self._unplug(guest)

    def _group(self, name: str) -> str:
        return f"{self.lab.cgroup}/{name}"

    def _runs(self, name: str) -> bool:
        return cgroup.is_populated(self._group(name))

    def _known(self, names: Sequence[str]) -> list[Guest]:
        known = self.files.read()
        for name in names:
            if name not in known:
                raise BadInput(f"the lab has no host {name!r}", next_step="invoke lab.list")
        return [known[name] for name in names]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no second command change this lab meanwhile. The lock is on the folder, so that no file is left."""
        self.files.state.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.files.state, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _remember(self, known: Mapping[str, Guest], hosts: Mapping[str, str]) -> dict[str, Guest]:
        """Make the network, give each new host an address in it, and write that down before anything runs."""
        net = network.ensure_network(self.lab)
        wanted = {**{guest.name: guest.release for guest in known.values()}, **hosts}
        given: dict[str, IPv4Address] = {guest.name: guest.address for guest in known.values() if guest.address in net}
        addresses = give_addresses(net, wanted, given)
        guests = {name: Guest(name, release, addresses[name]) for name, release in wanted.items()}
        self.files.write(guests)
        return guests

    def _boot(self, guests: Sequence[Guest], images: Mapping[str, Path]) -> None:
        everyone = self.files.read()
        around = self._surroundings(everyone)
        for guest in guests:
            self._unplug(guest)
            if not self.files.host(guest.name).exists():
                make_overlay(self.files.host(guest.name), images[guest.release], guest, around)
            self._link_outside(guest)
            self._write_hosts(guest, everyone)
        self.files.write_ssh(everyone)
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._launch, guests))

    def _link_outside(self, guest: Guest) -> None:
        link = self.files.host(guest.name) / "outside"
        if guest.name.startswith(OUTSIDE):
            for part in ("lower", "upper", "work", "root"):
                (self.files.outside / guest.name / part).mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(self.files.outside / guest.name)

    def _write_hosts(self, guest: Guest, everyone: Mapping[str, Guest]) -> None:
        """Name all hosts to a host that is off; one that runs is told over SSH."""
        (self.files.host(guest.name) / "upper/etc/hosts").write_text(hosts_file(everyone))

    def _surroundings(self, guests: Mapping[str, Guest]) -> Surroundings:
        net = network.ensure_network(self.lab)
        admin_key = (self.files.keys / "lab.pub").read_text()
        return Surroundings(net, guests, self.files.read_mirror(), admin_key, network.default_mtu())

    def _launch(self, guest: Guest) -> None:
        """Start the supervisor of one host, detached; it holds the image's lock as long as it lives."""
        folder = self.files.host(guest.name)
        # A group that was killed once also kills what the guest's systemd clones into it: never use it again.
        cgroup.remove(self._group(guest.name))
        entrances = [str(path) for path in cgroup.make(self._group(guest.name))]
        arguments = ["--", self.lab.bridge, self.lab.machine(guest.address), guest.name]
        image_lock = (folder / "lower").resolve().with_name("in-use")
        with image_lock.open() as lock, (folder / "console").open("ab") as console:
            fcntl.flock(lock, fcntl.LOCK_SH)
            subprocess.run(
                ["setsid", "--fork", "/bin/sh", str(_BOOT), "outer", *entrances, *arguments],
                cwd=folder, env={"PATH": _PATH}, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                pass_fds=[lock.fileno()], check=True, timeout=10,
            )  # fmt: skip
        self._wait_for_supervisor(guest.name)

    def _wait_for_supervisor(self, name: str, limit: float = 5) -> None:
        deadline = time.monotonic() + limit
        while not self._runs(name):
            if time.monotonic() > deadline:
                console = self.files.host(name) / "console"
                raise Failed("the host's supervisor did not start", host=name, next_step=f"see {console}")
            time.sleep(0.005)

    def _discard(self, guest: Guest) -> Path:
        """End a host and put its disk aside, so that removing it does not delay the new one."""
        self.kill(guest.name)
        rubbish = self.files.host(f".{guest.name}.old")
        shutil.rmtree(rubbish, ignore_errors=True)
        if self.files.host(guest.name).exists():
            self.files.host(guest.name).rename(rubbish)
        return rubbish

    def _unplug(self, guest: Guest) -> None:
        """Remove the port of a dead host: the kernel does so too, but later, and the next boot needs the name."""
        port = self.lab.port(guest.address)
        if not self._runs(guest.name) and Path(f"/sys/class/net/{port}").exists():
            subprocess.run(["ip", "link", "delete", port], capture_output=True, check=False, timeout=10)

    def _forget(self) -> None:
        shutil.rmtree(self.files.state / "hosts", ignore_errors=True)
        shutil.rmtree(self.files.outside, ignore_errors=True)  # there is none without a backup host
        for path in (self.files.memory, self.files.mirror, self.files.ssh_config, self.files.known_hosts):
            path.unlink(missing_ok=True)


def refuse_other_release(known: Mapping[str, Guest], hosts: Mapping[str, str]) -> None:
    """Refuse to take a host of one release for one of another.

    Raises:
        BadInput: with the host.
    """
    for name, release in hosts.items():
        if name in known and known[name].release != release:
            raise BadInput(
                f"it is there as {known[name].release}, not {release}", host=name, left="the lab was left as it is",
                next_step="invoke lab.down, then lab.up again",
            )  # fmt: skip


def _images(images: Path, releases: set[str], mirror: Mirror) -> dict[str, Path]:
    with ThreadPoolExecutor() as pool:
        built = pool.map(lambda release: image.ensure_image(images, release, mirror), sorted(releases))
        return dict(zip(sorted(releases), built, strict=True))
