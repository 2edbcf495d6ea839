"""Our patch against what everybody does: ``python -m tests.bench.patch [--hosts 6] [--rounds 2]``.

Compares, alternating, on fresh bookworm hosts of the lab with today's pending updates,
(a) ``ssh HOST apt-get update && apt-get dist-upgrade`` on all hosts at once, and
(b) ``invoke patch --yes``, all hosts in one wave, no reboot, its logbook local.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from ops.lab import Lab
from ops.lab.listing import listing
from playbooks.module_utils.bordbuch import unit
from tests.bench.follow import Follower
from tests.bench.meter import Reading, metered
from tests.bench.report import Run, report

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 1800
OPTIONS = ("Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold", "APT::Install-Recommends=false")
SETTINGS = {
    "patch_selection": "all",  # what dist-upgrade takes
    "patch_reboot": "never",
    "patch_waves": ["100%"],
    "patch_last_groups": [],
    "patch_approval": {"standard": "policy", "normal": "operator", "emergency": "operator-within-24h"},
    "ansible_user": "root",
    "ansible_python_interpreter": "/usr/bin/python3",
}


def main() -> None:
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    names = [f"app{number}" for number in range(1, given.hosts + 1)]
    lab = Lab(ROOT / ".lab-bench")
    lab.down()
    try:
        lab.up(dict.fromkeys(names, "bookworm"), owner=os.getpid())
        report(
            f"python -m tests.bench.patch --hosts {given.hosts} --rounds {given.rounds}",
            names,
            rounds(lab, given.rounds),
        )
    finally:
        lab.down()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.patch", description="Our patch against parallel ssh.")
    parser.add_argument("--hosts", type=int, default=6, help="how many bookworm hosts (6)")
    parser.add_argument("--rounds", type=int, default=2, help="how often each is measured (2)")
    return parser.parse_args()


def rounds(lab: Lab, count: int) -> list[Run]:
    """Return the runs of *count* rounds; who comes first changes from round to round."""
    runs = []
    for number in range(count):
        for measure in (by_ssh, by_us) if number % 2 == 0 else (by_us, by_ssh):
            lab.reset()
            runs.append(measure(lab))
            print(runs[-1].line(), flush=True)
    return runs


def by_ssh(lab: Lab) -> Run:
    before = versions(lab)
    with metered(lab) as reading:
        running = [
            subprocess.Popen(
                ["ssh", "-F", str(lab.ssh_config), host.name, upgrade()],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for host in lab.hosts()
        ]  # fmt: skip
        said = [process.communicate(timeout=LIMIT_SECONDS)[0] for process in running]
    for process, output in zip(running, said, strict=True):
        assert process.returncode == 0, output
    return Run("ssh", reading, {}, before, versions(lab))


def upgrade() -> str:
    """Return the shell command of (a), with the environment and options that our own package work has: no needrestart."""
    options = " ".join(f"-o {option}" for option in OPTIONS)
    environment = " ".join(f"{name}={value}" for name, value in unit.ENVIRONMENT.items())
    return f"export {environment}; apt-get -q update && apt-get -q -y {options} dist-upgrade"


def by_us(lab: Lab) -> Run:
    folder = fresh_folder(lab)
    before = versions(lab)
    with Follower(folder / "spool") as follower, metered(lab) as reading:
        began = time.monotonic()
        done = subprocess.run(
            [Path(sys.executable).with_name("invoke"), "patch", "--yes", "--inventory", folder / "inventory"],
            cwd=ROOT, env=environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return Run("invoke patch", reading, phases(follower, began, reading, staging(lab)), before, versions(lab))


def fresh_folder(lab: Lab) -> Path:
    """Return a folder with an inventory as in production, a file, and no logbook yet."""
    folder = lab.state / "site"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "inventory").mkdir(parents=True)
    names = [host.name for host in lab.hosts()]
    keys = {"anna": (lab.keys / "anna.pub").read_text().strip()}
    shared: dict[str, Any] = listing(dict.fromkeys(names, ""), lab.state, keys)["all"]["vars"]
    shared |= SETTINGS | {"logbook_path": str(folder / "logbook"), "logbook_remote": "", "logbook_host": ""}
    hosts = {"all": {"hosts": {name: {} for name in names}, "vars": shared}}
    (folder / "inventory" / "hosts.yml").write_text(yaml.safe_dump(hosts))
    return folder


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "BORDBUCH_OPERATOR": "anna", "BORDBUCH_SPOOLS": str(folder / "by-hand")}


def versions(lab: Lab) -> dict[str, set[str]]:
    """Return, by host, each installed package with its version."""
    return {host.name: set(lab.run_on(host.name, ["dpkg-query", "-W"]).stdout.splitlines()) for host in lab.hosts()}


def staging(lab: Lab) -> float:
    """Return the seconds from the first package file's first byte to the last one's last, by the files on the hosts' disks."""
    files = [
        path
        for host in lab.hosts()
        for path in (lab.files.host(host.name) / "upper/var/cache/apt/archives").glob("*.deb")
    ]
    said = subprocess.run(["stat", "-c", "%.9W %.9Z", *files], capture_output=True, text=True, timeout=60, check=True)
    times = [[float(word) for word in line.split()] for line in said.stdout.splitlines()]
    return max(last for _first, last in times) - min(first for first, _last in times)


def phases(follower: Follower, began: float, reading: Reading, stage: float) -> dict[str, float]:
    """Return the seconds of each phase; together they are all of the time."""
    asked, answered = follower.times("task", "patch_facts")[0], follower.times("result", "patch_facts")[-1]
    touched, worked = follower.times("task", "patch_start")[0], follower.times("result", "patch_wait")[-1]
    gated = follower.times("end")[-1]
    return {
        "start": asked - began,
        "plan": answered - asked - stage,
        "stage": stage,
        "sign": touched - answered,
        "window": worked - touched,
        "verify": gated - worked,
        "record": began + reading.clock - gated,
    }


if __name__ == "__main__":
    main()
