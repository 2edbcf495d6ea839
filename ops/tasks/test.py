"""The tests of this repository, as one command."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

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
LIMIT_SECONDS = 4800


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
    Step("lab", ("pytest", "-q", "tests/lab"), "host"),
    Step("faults", ("pytest", "-q", "-n2", "--dist=worksteal", "tests/faults", f"--ignore={DEPLOY}"), "host"),
    Step("deploy", ("pytest", "-q", DEPLOY), "slow"),
    Step("site", ("pytest", "-q", "tests/site"), "slow"),
)


@command(
    help={
        "quick": "only what needs no lab host, under a minute",
        "all": "the slow ones too: Molecule for every role, as CI runs it",
    }
)
def test(c: Context, quick: bool = False, all: bool = False) -> None:
    """Run what a change must pass: linters, types, unit tests, and the tests on lab hosts.

    Example: invoke test --quick
    """
    kinds = {"quick"} if quick else {"quick", "host", *(["slow"] if all else [])}
    if not quick:
        ensure_packages()
    began = time.monotonic()
    failed = [*run_checks([step for step in CHECKS if step.kind in kinds])]
    failed += [step.name for step in [*TESTS, *molecule_steps()] if step.kind in kinds and not passes(step)]
    seconds = time.monotonic() - began
    if failed:
        raise Failed(f"{', '.join(failed)} did not pass ({seconds:.0f} s)", next_step="read what it printed above")
    terminal.say(f"All passed in {seconds:.0f} s.")


def molecule_steps() -> Iterator[Step]:
    """Yield the Molecule scenario of each role."""
    for role in sorted(path.parent.parent for path in ROOT.glob("roles/*/molecule/default")):
        yield Step(f"molecule {role.name}", ("invoke", "molecule", role.name), "slow")


def run_checks(steps: list[Step]) -> list[str]:
    """Run *steps* two at a time, print what those that fail say, and return their names."""
    with terminal.progress("Linters and types"), ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda step: execute(step, capture=True), steps))
    for step, done in zip(steps, results, strict=True):
        if done.returncode:
            terminal.say(f"--- {step.name}\n{done.stdout}{done.stderr}")
    return [step.name for step, done in zip(steps, results, strict=True) if done.returncode]


def passes(step: Step) -> bool:
    """Run *step* with its output on the screen and return whether it exited 0."""
    terminal.say(f"--- {step.name}")
    return execute(step, capture=False).returncode == 0


def execute(step: Step, *, capture: bool) -> subprocess.CompletedProcess[str]:
    """Run *step* from the root of the checkout with the environment's programs first in PATH."""
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }
    program = shutil.which(step.argv[0], path=environment["PATH"]) or step.argv[0]
    return subprocess.run(
        [*TIED, program, *step.argv[1:]],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=capture,
        stdin=subprocess.DEVNULL,
        timeout=LIMIT_SECONDS,
        check=False,
    )
