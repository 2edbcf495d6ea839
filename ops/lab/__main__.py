"""The lab without Invoke, for Molecule's playbooks: ``python -m ops.lab up --hosts app1=bookworm``, ``down``."""

import argparse
import sys
from pathlib import Path

from ops.errors import OpsError
from ops.lab.keeper import keep
from ops.lab.lab import Lab
from ops.lab.machine import Machine
from ops.lab.names import parse_hosts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops.lab", description="Disposable Debian hosts on this machine.")
    parser.add_argument("--state", type=Path, help="state folder (default: .lab, or $BORDBUCH_LAB)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="start hosts and wait for them")
    up.add_argument("--hosts", help="app1=bookworm,db1=trixie (default: the hosts that are there, else three)")
    up.add_argument("--owner", type=int, help="process id; the lab ends when that process is gone")
    reset = verbs.add_parser("reset", help="fresh disks and host keys")
    reset.add_argument("names", nargs="*", help="hosts (default: all)")
    verbs.add_parser("down", help="end the lab and leave nothing")
    keeper = verbs.add_parser("keep", help="wait for the owner, then end the lab (started by up --owner)")
    keeper.add_argument("owner", type=int)
    return parser


def _act(given: argparse.Namespace, lab: Lab) -> None:
    if given.verb == "up":
        lab.up(parse_hosts(given.hosts) if given.hosts else None, owner=given.owner)
    elif given.verb == "reset":
        lab.reset(given.names or None)
    elif given.verb == "keep":
        keep(Machine(lab.state), given.owner)
    else:
        lab.down()


def main() -> None:
    """Do what the arguments say; a fault is a line on standard error and an exit code."""
    given = _parser().parse_args()
    try:
        _act(given, Lab(given.state) if given.state else Lab.here())
    except OpsError as error:
        sys.exit(f"{error.host + ': ' if error.host else ''}{error.what}")


if __name__ == "__main__":
    main()
