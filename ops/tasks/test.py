"""The tests of this repository, as one command."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoke import Context

from ops import terminal
from ops.errors import Failed
from ops.lab.packages import ensure_packages
from ops.playbook import TIED
from ops.tasks.command import command

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SHELL = ("inv", ".ci/run", "ops/lab/boot.sh")
DEPLOY = "tests/faults/test_deploy.py"
RECOVERY = ("tests/site/test_howtos.py", "tests/site/test_places.py", "tests/site/test_rebuild.py")
"""What is too long for CI, and comes after the site's own tests of backups, which it follows on hosts of the other release."""
BACKUPS = ("tests/site/test_backup.py", "tests/site/test_recovery.py")
PACKAGES = ("tests/faults/test_packages.py", "tests/faults/test_sources.py")
LIMIT_SECONDS = 7200
"""Of one step: the longest, `recovery`, takes an hour and a quarter."""
LANES = 2
"""Steps that run at the same time: on two cores a scenario alone leaves a third of them idle (measured), as it waits for hosts."""
REPEATED_LINES = 100
"""Of what a step that did not pass printed, at the end again: hours of output of others may stand between."""


@dataclass(frozen=True)
class Step:
    """One program that must exit 0; ``quick`` ones need no host, ``slow`` ones run with ``--all`` only."""

    name: str
    argv: tuple[str, ...]
    kind: str = "quick"


CHECKS = (
    Step("ruff", ("ruff", "check", ".")),
    Step("format", ("ruff", "format", "--check", "ops", "playbooks", "roles", "tests", "tasks.py")),
    Step("types", ("mypy",)),
    Step("arrows", ("lint-imports",)),
    Step("shell", ("shellcheck", *SHELL)),
    Step("yaml", ("yamllint", "--strict", ".")),
    Step("ansible", ("ansible-lint", "--offline"), "host"),
)
TESTS = (
    Step("unit", ("pytest", "-q", "-n2", "tests/unit")),
    Step("site", ("pytest", "-q", "tests/site", *(f"--ignore={path}" for path in RECOVERY)), "slow"),
    Step("recovery", ("pytest", "-q", "--database-release=bookworm", *BACKUPS, *RECOVERY), "recovery"),
    Step("packages", ("pytest", "-q", *PACKAGES), "host"),
    Step("faults", ("pytest", "-q", "tests/faults", *(f"--ignore={path}" for path in (DEPLOY, *PACKAGES))), "host"),
    Step("deploy", ("pytest", "-q", DEPLOY), "slow"),
    Step("lab", ("pytest", "-q", "tests/lab"), "host"),
    Step("browser", ("pytest", "-q", "tests/browser"), "host"),
)
"""The longest first, so that both lanes end at about the same time."""


@command(
    help={
        "quick": "only what needs no lab host: two to three minutes",
        "all": "the slow ones too: the site, and Molecule for every role, as CI runs it",
        "recovery": "with the database on Debian 12: backups, restores, how-tos, all hosts gone; of the others only the quick ones",
    }
)
def test(c: Context, quick: bool = False, all: bool = False, recovery: bool = False) -> None:
    """Run what a change must pass: linters, types, unit tests, and the tests on lab hosts.

    Example: invoke test --quick
    """
    kinds = kinds_of(quick=quick, slow=all, recovery=recovery)
    if kinds != {"quick"}:
        ensure_packages()
    conclude(kinds)


def kinds_of(*, quick: bool, slow: bool, recovery: bool) -> set[str]:
    """Return which kinds of steps are asked for; *quick* goes before the others."""
    if quick:
        return {"quick"}
    if recovery and not slow:
        return {"quick", "recovery"}
    return {"quick", "host", *(["slow"] if slow else []), *(["recovery"] if recovery else [])}


def conclude(kinds: set[str]) -> None:
    """Run every step of *kinds* and say how it ended.

    Raises:
        Failed: one did not pass; the end of what it printed is said again, last.
    """
    began = time.monotonic()
    failed = run_checks([step for step in CHECKS if step.kind in kinds])
    steps = [step for step in [*TESTS, *molecule_steps()] if step.kind in kinds]
    failed |= run_in_lanes(steps[:1]) | run_in_lanes(steps[1:])
    seconds = time.monotonic() - began
    for name, said in failed.items():
        terminal.say(f"--- {name} did not pass; the end of what it printed:\n{said}")
    if failed:
        raise Failed(f"{', '.join(failed)} did not pass ({seconds:.0f} s)", next_step="read what it printed above")
    terminal.say(f"All passed in {seconds:.0f} s.")


def molecule_steps() -> Iterator[Step]:
    """Yield the Molecule scenario of each role; that a bare host can be foretold shows the site's deploy for all roles."""
    for role in sorted(path.parent.parent for path in ROOT.glob("roles/*/molecule/default")):
        yield Step(f"molecule {role.name}", ("invoke", "molecule", role.name, "--no-check"), "slow")


def run_checks(steps: list[Step]) -> dict[str, str]:
    """Run *steps* two at a time, print what those that fail say, and return it by name."""
    with terminal.progress("Linters and types"), ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run_quietly, steps))
    failed = {step.name: said for step, said in zip(steps, results, strict=True) if said is not None}
    for name, said in failed.items():
        terminal.say(f"--- {name}\n{said}")
    return failed


def run_quietly(step: Step) -> str | None:
    """Run *step* without a word and return what it said, None if it exited 0."""
    done = subprocess.run(**_call(step), text=True, capture_output=True, timeout=LIMIT_SECONDS, check=False)
    return f"{done.stdout}{done.stderr}" if done.returncode else None


def run_in_lanes(steps: list[Step]) -> dict[str, str]:
    """Run *steps*, some at the same time, and return the end of what those that fail printed, by name."""
    with ThreadPoolExecutor(LANES) as pool:
        try:
            results = list(pool.map(run_shown, steps))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C no further step begins
            raise
    return {step.name: said for step, said in zip(steps, results, strict=True) if said is not None}


def run_shown(step: Step) -> str | None:
    """Run *step*, its lines on the screen behind its name, and return the end of them, None if it exited 0."""
    began, name = time.monotonic(), step.name.removeprefix("molecule ")
    tail: deque[bytes] = deque(maxlen=REPEATED_LINES)
    with subprocess.Popen(**_call(step), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        limit = threading.Timer(LIMIT_SECONDS, process.terminate)
        limit.start()
        try:
            for line in process.stdout or ():
                tail.append(line)
                sys.stdout.buffer.write(f"{name:>14} | ".encode() + line)
                sys.stdout.flush()
        finally:
            limit.cancel()
    terminal.say(
        f"--- {step.name}: {'did not pass' if process.returncode else 'passed'}, {time.monotonic() - began:.0f} s"
    )
    return b"".join(tail).decode(errors="replace") if process.returncode else None


def _call(step: Step) -> dict[str, Any]:
    """Return how to start *step*: from the root of the checkout, with the environment's programs first in PATH."""
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "BORDBUCH_LAB": f"{os.environ.get('BORDBUCH_LAB', '.lab')}-{step.name.partition(' ')[0]}",  # steps share no hosts
    }
    program = shutil.which(step.argv[0], path=environment["PATH"]) or step.argv[0]
    return {"args": [*TIED, program, *step.argv[1:]], "cwd": ROOT, "env": environment, "stdin": subprocess.DEVNULL}
