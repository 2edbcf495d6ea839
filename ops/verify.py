"""Verifying hosts: the suite in ``tests/host`` against any inventory, read-only, with the result as data."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ops.errors import BadInput, Failed
from ops.logbook.model import Model

ROOT = Path(__file__).resolve().parents[1]
SUITE = ROOT / "tests" / "host"

_CONNECTION = (
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_ssh_private_key_file",
    "ansible_private_key_file",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_become",
    "ansible_become_user",
)
_EXPECTATIONS = (
    "operators",
    "automatic_updates",
    "inventory_dir",
    "inventory_hostname",
    "archive_host",
    "pages_host",
    "ca_host",
    "mail_relay_host",
)
EXPRESSIONS = {
    **{name: f"{name} | default(none)" for name in (*_CONNECTION, *_EXPECTATIONS)},
    # By other names: the rules themselves may need facts of other hosts, and the plain inventory has no groups.
    "firewalled": "firewall_rules is defined",
    "in_groups": "group_names",
}
"""What the checks need of each host, by name."""

_STRICT = (
    "-o StrictHostKeyChecking=yes -o BatchMode=yes -o ServerAliveInterval=5 -o ServerAliveCountMax=3"
    " -o ControlMaster=auto -o ControlPersist=15s"
)
"""ssh takes the first value it reads, so these hold whatever the inventory says."""

_SECONDS_A_HOST = 120
"""The most that all checks of one host may take."""


class Check(Model):
    """One check of one host. ``reached`` is false where the host did not answer."""

    host: str
    check: str
    passed: bool
    reached: bool = True
    seen: str = ""


def verify(inventory: Path, hosts: tuple[str, ...], report: Callable[[Check], None]) -> list[Check]:
    """Run every check on *hosts* of *inventory*; hand each result to *report* as it comes, and return all.

    Raises:
        BadInput: the inventory's variables cannot be resolved.
        Failed: the checks could not be run at all, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="bordbuch-") as folder:
        plain = Path(folder, "inventory.json")
        plain.write_text(json.dumps(as_inventory(resolve(inventory, hosts), Path(folder))), encoding="utf-8")
        checks = list(_run(plain, Path(folder, "results"), report, _SECONDS_A_HOST * len(hosts)))
    if {check.host for check in checks} != set(hosts):
        raise Failed("not every host was checked", next_step="run pytest on tests/host to see why")
    return checks


def resolve(
    inventory: Path, hosts: Iterable[str], expressions: Mapping[str, str] = EXPRESSIONS
) -> dict[str, dict[str, Any]]:
    """Return what Ansible itself makes of *expressions* (by name), by host; no host is contacted.

    Raises:
        BadInput: they cannot be resolved.
    """
    names = ", ".join(f"'{name}': {expression}" for name, expression in expressions.items())
    with tempfile.TemporaryDirectory(prefix="bordbuch-") as tree:
        message = json.dumps({"msg": f"{{{{ {{{names}}} }}}}"})
        pattern = ",".join(hosts)
        command = [_program("ansible"), "-i", str(inventory), pattern, "-m", "ansible.builtin.debug", "-a", message]
        done = subprocess.run(
            [*command, "--tree", tree],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise BadInput(f"the inventory {inventory} cannot be resolved: {done.stderr.strip()[-400:]}")
        return {path.name: json.loads(path.read_text(encoding="utf-8"))["msg"] for path in Path(tree).iterdir()}


def as_inventory(variables: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, Any]:
    """Return an inventory of plain values with strict connections, whose masters' sockets stand in *folder*."""
    return {"all": {"hosts": {host: _strict(values, folder) for host, values in variables.items()}}}


def _strict(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    given = {name: value for name, value in values.items() if value is not None}
    arguments = f"{_STRICT} -o ControlPath={folder}/%C {given.get('ansible_ssh_common_args', '')}".strip()
    return {**given, "ansible_ssh_common_args": arguments}


def _run(plain: Path, results: Path, report: Callable[[Check], None], seconds: int) -> Iterator[Check]:
    command = [_program("pytest"), str(SUITE), "-q", "-c", str(SUITE / "pytest.ini"), f"--rootdir={ROOT}"]
    command += ["--hosts=ansible://all", f"--ansible-inventory={plain}", f"--results={results}"]
    log = results.with_suffix(".log")
    results.touch()
    with results.open(encoding="utf-8") as lines, log.open("w") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=ROOT, env=_environment()
        )
        yield from _follow(process, lines, report, seconds)
    if process.returncode not in (0, 1):
        raise Failed(f"the checks could not be run: {log.read_text(encoding='utf-8').strip()[-400:]}")


def _follow(
    process: "subprocess.Popen[bytes]", lines: Iterable[str], report: Callable[[Check], None], seconds: int
) -> Iterator[Check]:
    for _half_second in range(2 * seconds):
        ended = _wait(process)
        for text in lines:
            check = Check.model_validate_json(text)
            report(check)
            yield check
        if ended:
            return
    process.kill()
    raise Failed(f"the checks took longer than {seconds} s", left="the hosts were only read")


def _wait(process: "subprocess.Popen[bytes]") -> bool:
    """Wait half a second for *process*; return whether it has ended."""
    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        return False
    return True


def _environment() -> dict[str, str]:
    """Return ours, with the environment's programs in PATH: testinfra finds ansible-inventory by name only."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
