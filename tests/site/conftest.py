"""A whole site on lab hosts of its own, deployed once for all tests by the command that a user types."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
INVOKE = Path(sys.executable).with_name("invoke")


class Deployed:
    """The site's lab, and the command line on it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.environment = {
            **os.environ,
            "BORDBUCH_LAB": str(lab.state),
            "PATH": f"{INVOKE.parent}{os.pathsep}{os.environ['PATH']}",
        }

    def invoke(self, *words: str, code: int = 0, seconds: float = 900) -> str:
        """Run ``invoke WORDS`` without a terminal, expect its exit code, and return what it printed, complaints last."""
        done = subprocess.run(
            [str(INVOKE), *words], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"exit code {done.returncode}, expected {code}:\n{done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    def run_on(self, host: str, script: str) -> str:
        """Run a shell *script* on *host* and return what it printed."""
        return self.lab.run_on(host, ["sh", "-ec", script]).stdout.strip()


@pytest.fixture(scope="session")
def site(lab: Lab) -> Deployed:
    """The site, deployed on the fresh hosts of this test run."""
    deployed = Deployed(lab)
    deployed.invoke("deploy", "--yes", seconds=1500)
    return deployed
