"""Testing roles on lab hosts."""

import os
import subprocess
import sys
import time
from pathlib import Path

from invoke import Context

from ops import terminal
from ops.errors import BadInput, Failed
from ops.playbook import TIED
from ops.tasks.command import command

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 2400
"""Two scenarios may run at the same time, each on a busy machine."""


@command(
    positional=["role"],
    help={
        "role": "name of the role, e.g. base, or all",
        "keep": "leave the hosts running, to look at them with `molecule login`",
        "check": "with --no-check, the run in check mode on bare hosts is left out",
    },
)
def molecule(c: Context, role: str, keep: bool = False, check: bool = True) -> None:
    """Test a role with Molecule on lab hosts of both releases, from a bare host to a second run that changes nothing.

    Example: invoke molecule base
    """
    for name in chosen(role):
        seconds = test(ROOT / "roles" / name, keep, check)
        terminal.say(f"Role {name}: passed in {seconds:.0f} s")


def chosen(role: str) -> list[str]:
    """Return the names of the roles to test: *role*, or for ``all`` those that have a scenario.

    Raises:
        BadInput: there is no such role with a scenario.
    """
    known = sorted(path.parents[2].name for path in ROOT.glob("roles/*/molecule/default/molecule.yml"))
    if role != "all" and role not in known:
        raise BadInput(f"no role with a scenario is named {role!r}", next_step=f"use one of: {', '.join(known)}")
    return known if role == "all" else [role]


def test(role: Path, keep: bool, check: bool) -> float:
    """Run the scenario of *role*, its output on the screen, and return how long it took, in seconds.

    Args:
        role: its folder.
        keep: leave the hosts running.
        check: begin with a run in check mode.

    Raises:
        Failed: the scenario did not pass.
    """
    command = [*TIED, str(tools() / "molecule"), "test", *(["--destroy=never"] if keep else [])]
    # Molecule finds ansible-playbook and pytest by name only. Its hosts end with this process, however that ends.
    environment = {
        **os.environ,
        "PATH": f"{tools()}{os.pathsep}{os.environ['PATH']}",
        **({} if keep else {"BORDBUCH_LAB_OWNER": str(os.getpid())}),
        **({} if check else {"BORDBUCH_MOLECULE_CHECK": "syntax"}),
    }
    began = time.monotonic()
    done = subprocess.run(command, check=False, cwd=role, env=environment, timeout=_SECONDS, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Failed(f"the scenario of role {role.name} did not pass", next_step="what failed stands above")
    return time.monotonic() - began


def tools() -> Path:
    """Return the folder of the environment's programs."""
    return Path(sys.executable).parent
