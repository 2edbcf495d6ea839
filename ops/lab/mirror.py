"""Asks the machine where its Debian comes from."""

from dataclasses import dataclass
from pathlib import Path

from ops.lab import sources
from ops.lab.system import run


@dataclass(frozen=True)
class Mirror:
    """The machine's Debian archives (suite kind → address), its proxy and its name servers."""

    archives: dict[str, str]
    proxy: str
    resolver: str


def read_mirror() -> Mirror:
    """Return what the machine itself uses; its package lists are fetched when there are none yet.

    Raises:
        BadInput: it has no Debian archive.
        Failed: APT could not be asked.
    """
    targets = sources.parse_targets(_targets())
    if not any(target.origin == "Debian" for target in targets):
        run(["apt-get", "update", "-qq"], limit=300)
        targets = sources.parse_targets(_targets())
    archives = sources.debian_sources(targets, _codename())
    return Mirror(archives, _proxy(), sources.guest_resolver(_resolver()))


def _targets() -> str:
    return run(["apt-get", "indextargets", "--format", sources.TARGET_FORMAT, "Created-By: Packages"])


def _codename() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return values.get("VERSION_CODENAME", "").strip('"')


def _proxy() -> str:
    shell = run(["apt-config", "shell", "PROXY", "Acquire::http::Proxy"])
    return shell.partition("=")[2].strip().strip("'")


def _resolver() -> str:
    # systemd-resolved's stub is on a loopback address; its list of real servers lies beside it.
    real = Path("/run/systemd/resolve/resolv.conf")
    return (real if real.exists() else Path("/etc/resolv.conf")).read_text()
