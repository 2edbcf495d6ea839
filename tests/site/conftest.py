"""A whole site on lab hosts of its own, deployed once for all tests by the command that a user types."""

import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import pytest

from ops.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
INVOKE = Path(sys.executable).with_name("invoke")


MEMBERS = """
    INSERT INTO member (activated, last_activity, active, name, login)
        SELECT now(), now(), TRUE, 'Planted Name ' || n, 'planted' || n FROM generate_series(1, 9000) AS n ON CONFLICT DO NOTHING;
    INSERT INTO session (ident, member_id) SELECT 'session' || id, id FROM member WHERE name LIKE 'Planted%' ON CONFLICT DO NOTHING;
    INSERT INTO token (token, member_id) SELECT 'token' || id, id FROM member WHERE name LIKE 'Planted%' ON CONFLICT DO NOTHING
"""


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

    @cached_property
    def postgresql_version(self) -> str:
        """PostgreSQL's major version on db1: Debian 12 has 15, Debian 13 has 17."""
        return self.run_on("db1", "ls /etc/postgresql")


@pytest.fixture(scope="session")
def site(lab: Lab) -> Deployed:
    """The site, deployed on the fresh hosts of this test run."""
    deployed = Deployed(lab)
    deployed.invoke("deploy", "--yes", seconds=2400)  # seven minutes on a quiet machine
    return deployed


def sql(site: Deployed, statement: str) -> str:
    script = f"runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d liquidfeedback <<'SQL'\n{statement};\nSQL"
    return site.run_on("db1", script)


@pytest.fixture(scope="session")
def backed_up(site: Deployed) -> Deployed:
    """The site with 9,000 members and one backup in each repository."""
    sql(site, MEMBERS)
    said = site.invoke("backup", "--yes")
    assert "backup in repository 1" in said
    assert "backup in repository 2" in said
    return site
