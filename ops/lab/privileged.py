"""The door to the part that needs root: called here when this is root, through sudo when it is not."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ops import errors
from ops.lab.keeper import start_keeper
from ops.lab.machine import Machine

_ROOT = Path(__file__).parents[2]
_LIMIT = 1800
"""Seconds; two images built on a slow line take minutes."""


def _start(machine: Machine, given: Mapping[str, Any]) -> None:
    if given["owner"]:
        start_keeper(machine, given["owner"])
    machine.start(Path(given["images"]), given["hosts"])


_VERBS: dict[str, Callable[[Machine, Mapping[str, Any]], None]] = {
    "start": _start,
    "stop": lambda machine, _: machine.stop(),
    "reset": lambda machine, given: machine.reset(Path(given["images"]), given["names"], given["outside"]),
    "cut": lambda machine, given: machine.cut(given["name"], given["on"]),
    "freeze": lambda machine, given: machine.freeze(given["name"], given["on"]),
    "kill": lambda machine, given: machine.kill(given["name"]),
}
_FAULT = ("what", "host", "left", "next_step")


def call(state: Path, verb: str, **given: Any) -> None:
    """Do *verb* (start, stop, reset, cut, freeze, kill) with root's rights on the lab in *state*.

    Raises:
        OpsError: as the verb does; Refused where neither root nor sudo is to be had.
    """
    if os.geteuid() == 0:
        _VERBS[verb](Machine(state), given)
    else:
        _through_sudo(state, verb, given)


def _through_sudo(state: Path, verb: str, given: Mapping[str, Any]) -> None:
    if shutil.which("sudo") is None:
        raise errors.Refused(
            "the lab needs root on this machine, and there is no sudo", left="nothing was started or changed",
            next_step="run it as root, or have sudo installed and allowed",
        )  # fmt: skip
    other_side = [sys.executable, "-c", "from ops.lab.privileged import main; main()"]
    argv = ["sudo", "--", "env", f"PYTHONPATH={_ROOT}", *other_side, str(state), verb, json.dumps(given)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=_LIMIT, check=False)
    if done.returncode:
        raise _told(done.stdout)


def _told(text: str) -> errors.OpsError:
    """Return the fault that the other side printed; sudo's own refusals stand on the screen already."""
    if not text.startswith("{"):
        return errors.Refused("sudo did not let the lab act as root", left="nothing was changed")
    fault = json.loads(text)
    kind: type[errors.OpsError] = getattr(errors, fault.pop("kind"))
    return kind(fault.pop("what"), **fault)


def main() -> None:
    """Be the other side of sudo: do the verb, print a fault as JSON."""
    state, verb, given = sys.argv[1:]
    try:
        _VERBS[verb](Machine(Path(state)), json.loads(given))
    except errors.OpsError as error:
        print(json.dumps({"kind": type(error).__name__, **{name: getattr(error, name) for name in _FAULT}}))
        sys.exit(error.exit_code)
