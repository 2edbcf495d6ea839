"""The logbook's server on real hosts: over SSH, with the permissions that the role gives, on both releases."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.lab import Lab
from ops.logbook.operators import Operators
from ops.logbook.repository import Logbook, Signer
from ops.logbook.verify import audit
from tests.unit.logbook_world import ID, change, file_bytes, path

ROOT = Path(__file__).parents[2]
PLAYBOOK = ROOT / "playbooks" / "logbook.yml"


class Server:
    """The host that keeps the logbook, and how its operators reach it."""

    def __init__(self, lab: Lab, host: str) -> None:
        self.lab, self.host = lab, host
        entries = [
            {"name": name, "office": "administration", "keys": [{"file": f"{name}.pub"}]} for name in ("anna", "bert")
        ]
        self.operators = Operators.parse(entries, lab.keys)

    def set_up(self, *arguments: str) -> str:
        """Run the playbook and return what it printed."""
        programs = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        command = ["ansible-playbook", "-i", str(ROOT / "inventory" / "lab"), "-e", f"logbook_host={self.host}"]
        done = subprocess.run(
            [*command, "-l", self.host, *arguments, str(PLAYBOOK)],
            capture_output=True,
            text=True,
            timeout=240,
            cwd=ROOT,
            env={**os.environ, **programs, "BORDBUCH_SPOOLS": str(self.lab.state / "spool-logbook")},
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ssh(self, who: str) -> list[str]:
        return [
            "ssh",
            "-F",
            str(self.lab.ssh_config),
            "-i",
            str(self.lab.keys / who),
            "-o",
            "BatchMode=yes",
            "-o",
            "ControlPath=none",
        ]

    def attempt(self, who: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ssh as the account with the key of *who* alone."""
        command = [*self.ssh(who), "-o", "IdentitiesOnly=yes", "-l", "logbook", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, input="")

    def clone(self, who: str, folder: Path) -> Logbook:
        signer, remote = Signer(who, self.lab.keys / who), f"logbook@{self.host}:logbook.git"
        return Logbook.open(folder, remote, signer, self.operators.allowed_signers(), shlex.join(self.ssh(who)))

    def as_account(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run *script* on the host as the account itself: more than any key may."""
        return self.lab.run_on(
            self.host,
            ["setpriv", "--reuid=logbook", "--regid=logbook", "--clear-groups", "sh", "-c", script],
            check=False,
        )


@pytest.fixture(scope="module", params=["app1", "backup1"])
def server(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Server]:
    lab.reset([request.param])
    served = Server(lab, request.param)
    served.set_up("--check")
    served.set_up()
    yield served
    lab.reset([request.param])


def test_a_second_run_changes_nothing(server: Server) -> None:
    assert "changed=0" in server.set_up()


def test_two_operators_record_and_an_audit_is_good(server: Server, tmp_path: Path) -> None:
    phases = change(category="normal", by="bert")
    anna, bert = server.clone("anna", tmp_path / "anna"), server.clone("bert", tmp_path / "bert")
    anna.add({path("plan.json"): file_bytes(phases["plan.json"])}, f"{ID}: plan")
    assert anna.push().state == "pushed"
    assert bert.push().state == "nothing"
    bert.add({path("approval.json"): file_bytes(phases["approval.json"])}, f"{ID}: approved by bert")
    assert bert.push().state == "pushed"
    assert [line.split()[1] for line in (anna.remote.receipts() or "").splitlines()] == ["anna", "bert"]
    result = audit(bert, server.operators)
    assert (result.findings, result.remote, result.off_host) == ((), "checked", 2)


@pytest.mark.parametrize(
    "command", ["sh", "id", "", "cat receipts", "git-upload-pack '/etc'", "git-upload-archive logbook.git"]
)
def test_a_key_opens_nothing_else(server: Server, command: str) -> None:
    done = server.attempt("anna", server.host, command)
    assert (done.returncode, done.stdout) == (1, "")
    assert "It may do nothing else" in done.stderr


def test_a_key_opens_no_terminal_no_file_transfer_and_no_way_on(server: Server) -> None:
    terminal = server.attempt("anna", "-tt", server.host)
    assert (terminal.returncode, terminal.stdout) == (255, "")
    assert "PTY allocation request failed" in terminal.stderr
    assert server.attempt("anna", "-s", server.host, "sftp").returncode == 1
    onward = server.attempt("anna", "-W", "localhost:22", server.host)
    assert (onward.returncode != 0, "administratively prohibited" in onward.stderr) == (True, True)


def test_no_other_key_opens_it(server: Server) -> None:
    assert "Permission denied" in server.attempt("lab", server.host, "receipts").stderr


@pytest.mark.parametrize(
    "script",
    [
        "echo x >> /srv/logbook/logbook.git/hooks/pre-receive",
        "rm /srv/logbook/logbook.git/hooks/pre-receive",
        "echo x >> /srv/logbook/logbook.git/config",
        "mkdir /srv/logbook/logbook.git/refs/tags",
        "mkdir -p /srv/logbook/logbook.git/info",
        "echo x >> /srv/logbook/.ssh/authorized_keys",
        "echo x >> /srv/logbook/allowed_signers",
        "mv /srv/logbook/receipts /srv/logbook/gone",
        "rm /srv/logbook/receipts",
        "echo x >> /usr/local/lib/bordbuch/logbook-shell",
    ],
)
def test_the_account_itself_cannot_change_the_rules(server: Server, script: str) -> None:
    done = server.as_account(f"umask 0; {script}")
    assert (done.returncode != 0, any(word in done.stderr for word in ("denied", "not permitted"))) == (True, True), (
        done
    )


def test_receipts_are_only_appended_to_or_the_run_says_that_they_are_not(server: Server) -> None:
    said = server.set_up()
    flags = server.lab.run_on(server.host, ["lsattr", "/srv/logbook/receipts"], check=False).stdout.split()
    assert ("a" in flags[0] if flags else False) != ("not append-only here" in said)
