"""What the lab needs from Debian on the machine itself; missing packages are installed, and that is said first."""

import shutil
from collections.abc import Callable
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
}
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing_packages(
    has_program: Callable[[str], bool] = lambda name: shutil.which(name, path=_SEARCH) is not None,
    has_keyring: bool | None = None,
) -> list[str]:
    """Return the Debian packages that the lab needs and the machine lacks."""
    keyring = Path(KEYRING).exists() if has_keyring is None else has_keyring
    missing = [package for program, package in _PROGRAMS.items() if not has_program(program)]
    return missing + ([] if keyring else ["debian-archive-keyring"])


def ensure_packages() -> None:
    """Install what is missing.

    Raises:
        BadInput: the machine has no apt-get.
        Failed: apt-get could not install it.
    """
    missing = missing_packages()
    if not missing:
        return
    if shutil.which("apt-get", path=_SEARCH) is None:
        raise BadInput(f"the lab needs {', '.join(missing)}, and this machine has no apt-get to install them")
    terminal.warn(f"Installing from Debian what the lab needs: {' '.join(missing)}")
    with terminal.progress("Installing from Debian"):
        _install(missing)


def _install(packages: list[str]) -> None:
    try:
        run(["apt-get", "update", "-qq"], limit=300)
        run(
            ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qq", "-y", "--no-install-recommends"]
            + packages,
            limit=900,
        )
    except Failed as error:
        raise Failed(error.what, left="no lab was started", next_step="see that apt-get works here, then again") from error
