"""What the lab needs from Debian on the machine itself; missing packages are installed, and that is said first."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from ops import terminal
from ops.errors import BadInput, Failed
from ops.lab.sources import KEYRING
from ops.lab.system import run

_PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "git": "git",
    "unshare": "util-linux",
    KEYRING: "debian-archive-keyring",
}
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing_packages(programs: Mapping[str, str], *, has: Callable[[str], bool] | None = None) -> list[str]:
    """Return the Debian packages that the machine lacks, of *programs* (program → package).

    Args:
        programs: what is needed; a name with a slash is a file.
        has: whether a program or file is there; by default the machine is asked.
    """
    is_there = has or _is_there
    return [package for program, package in programs.items() if not is_there(program)]


def ensure_packages(*more: tuple[str, str]) -> None:
    """Install what is missing of the lab's needs and of *more* (program, package).

    Raises:
        BadInput: the machine has no apt-get.
        Failed: apt-get could not install it.
    """
    missing = missing_packages({**_PROGRAMS, **dict(more)})
    if not missing:
        return
    if shutil.which("apt-get", path=_SEARCH) is None:
        raise BadInput(f"the lab needs {', '.join(missing)}, and this machine has no apt-get to install them")
    terminal.warn(f"Installing from Debian what the lab needs: {' '.join(missing)}")
    with terminal.progress("Installing from Debian"):
        _install(missing)


def _is_there(name: str) -> bool:
    return Path(name).exists() if "/" in name else shutil.which(name, path=_SEARCH) is not None


def _install(packages: list[str]) -> None:
    try:
        run(["apt-get", "update", "-qq"], limit=300)
        options = ["-qq", "-y", "--no-install-recommends"]
        run(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", *options, *packages], limit=900)
    except Failed as error:
        raise Failed(error.what, left="no lab was started", next_step="see that apt-get works here") from error
