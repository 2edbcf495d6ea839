"""A small site for tests: lab hosts with an archive of our own, an inventory, a logbook, and the command line as a user has it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ops.lab import Lab
from tests.archive import scenarios
from tests.archive.scenarios import Scenario
from tests.archive.server import Archive

ROOT = Path(__file__).resolve().parents[2]
INVOKE = Path(sys.executable).with_name("invoke")


@dataclass
class Site:
    """Hosts (name → release) of the lab, the archive they use, and a folder with inventory and logbook of this test alone."""

    lab: Lab
    archive: Archive
    folder: Path
    hosts: dict[str, str]
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"

    def configure(self, **variables: Any) -> None:
        """Write the inventory: the lab's own, limited to the hosts of this site, with *variables* for all."""
        shared = self.inventory / "group_vars" / "all"
        shared.mkdir(parents=True, exist_ok=True)
        for path in (ROOT / "inventory/lab/group_vars/all").iterdir():
            shutil.copy(path, shared)
        program = self.inventory / "hosts"
        program.write_text(f"#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m ops.lab.listing {' '.join(self.hosts)}\n")
        program.chmod(0o755)
        settings = {"logbook_path": str(self.folder / "logbook"), "logbook_remote": "", "logbook_host": "", **variables}
        (shared / "test.yml").write_text(yaml.safe_dump(settings))

    def arrange(self, scenario: Scenario) -> None:
        """Give fresh hosts the start of *scenario*."""
        self.lab.reset(self.hosts)
        scenarios.arrange(self.archive, self.lab.ssh_config, self.hosts, scenario)

    def environment(self, operator: str) -> dict[str, str]:
        spools = self.folder / "by-hand"
        return {
            **os.environ,
            "PATH": f"{INVOKE.parent}{os.pathsep}{os.environ['PATH']}",
            "BORDBUCH_OPERATOR": operator,
            "BORDBUCH_SPOOLS": str(spools),
        }

    def begin(self, *words: str, operator: str = "anna") -> subprocess.Popen[str]:
        """Start ``invoke WORDS`` on this site's inventory, without a terminal."""
        process = subprocess.Popen(
            [str(INVOKE), *words, "--inventory", str(self.inventory)],
            cwd=ROOT,
            env=self.environment(operator),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.running.append(process)
        return process

    def invoke(self, *words: str, code: int = 0, operator: str = "anna") -> str:
        """Run ``invoke WORDS`` to its end, expect its exit code, and return what it printed."""
        process = self.begin(*words, operator=operator)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == code, f"exit code {process.returncode}, expected {code}:\n{output}"
        assert "Traceback" not in output
        return output

    def by_hand(self, playbook: str, *words: str, code: int = 0) -> str:
        """Run ``ansible-playbook`` as a person would, without any command of ours."""
        done = subprocess.run(
            ["ansible-playbook", "-i", str(self.inventory), *words, str(ROOT / "playbooks" / playbook)],
            cwd=self.folder,
            env=self.environment("anna"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def plan(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Return the plan that ``invoke patch.plan --json`` prints."""
        output = self.invoke("patch.plan", "--json", *words, code=code)
        found: dict[str, Any] = json.loads(output[output.index("\n{\n") if not output.startswith("{") else 0 :])
        return found

    def open_change(self) -> str:
        """Return the id of the one change that has no record."""
        folders = {path.parent for path in self.folder.glob("logbook/changes/*/*/*/plan.json")}
        (found,) = [folder.name for folder in folders if not (folder / "record.json").exists()]
        return found

    def clone(self, name: str) -> "Site":
        """Return the same hosts as another operator's laptop sees them: an inventory and a logbook of its own."""
        other = Site(self.lab, self.archive, self.folder / name, self.hosts, self.running)
        other.configure(patch_reboot="never")
        return other

    def write_host_variables(self, host: str, **variables: Any) -> None:
        """Give one host *variables* of its own."""
        folder = self.inventory / "host_vars"
        folder.mkdir(exist_ok=True)
        (folder / f"{host}.yml").write_text(yaml.safe_dump(variables))

    def record(self) -> dict[str, Any]:
        """Return the newest record of the logbook."""
        return max(self.records(), key=lambda record: str(record["ended"]))

    def records(self) -> list[dict[str, Any]]:
        """Return all records of the logbook."""
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("logbook/changes/*/*/*/record.json"))]

    def recorded_plan(self) -> dict[str, Any]:
        """Return the plan of the newest change in the logbook."""
        paths = sorted(self.folder.glob("logbook/changes/*/*/*/plan.json"))
        found: dict[str, Any] = json.loads(paths[-1].read_text())
        return found

    def run_on(self, host: str, script: str) -> str:
        """Run a shell *script* on *host* and return what it printed."""
        return self.lab.run_on(host, ["sh", "-c", script]).stdout.strip()

    def version(self, host: str, package: str) -> str:
        """Return the installed version of *package* on *host*."""
        return self.run_on(host, f"dpkg-query -W -f '${{Version}}' {package}")

    def close(self) -> None:
        """End what still runs, and what the test did to hosts."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.communicate(timeout=30)
        for host in self.hosts:
            self.lab.mend(host)
            self.lab.thaw(host)


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until *condition* holds, at most *seconds*."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not come to that in time"
        time.sleep(0.1)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a controller as a crash would, and wait until it is gone."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
