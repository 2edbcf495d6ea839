"""The package work itself: a program of its own that runs in a transient systemd unit on the host.

It needs neither the SSH session nor the controller: it installs exactly the files named
in ``job.json`` beside it, restarts services as the policy says, and writes ``result.json``. Standard library only.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

QUIET = ("apt-daily.service", "apt-daily-upgrade.service")
"""Units that do package work of their own: systemd lets them wait until this one has ended, and nothing is left to be undone."""

INSTEAD = Path("/etc/needrestart/restart.d")
"""needrestart's own place for programs that renew a service in another way than by a restart, as a proxy that is reloaded."""

NOT_KNOWN = "something unknown (needrestart is missing)"
"""Stands among the services on old files where nobody can tell which they are."""

ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "NEEDRESTART_SUSPEND": "1",
    "APT_LISTCHANGES_FRONTEND": "none",
    "UCF_FORCE_CONFFOLD": "1",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
}


def apt_command(paths: list[str], going: list[str], lock_seconds: int, lists: Path, *, simulate: bool) -> list[str]:
    """Return the command that installs exactly the package files *paths*: no other removal, no download, local files kept.

    apt is given no package lists, so that it can take nothing but these files; it is also ten times as fast that way.

    Args:
        paths: package files in apt's cache, of a newer or of an older version.
        going: what is taken away with its configuration, ``name:arch``; what a change had brought, when it is reverted.
        lists: a folder without lists.
        lock_seconds: how long apt waits for dpkg's lock.
        simulate: only say what would be done.
    """
    options = [
        "Dpkg::Options::=--force-confdef",
        "Dpkg::Options::=--force-confold",
        f"DPkg::Lock::Timeout={lock_seconds}",
        "APT::Install-Recommends=false",
        f"Dir::State::Lists={lists}",
        "Dir::Cache::pkgcache=",
        "Dir::Cache::srcpkgcache=",
    ]
    flags = ["-q", "-y", "--no-download", "--mark-auto", "--allow-downgrades", "--purge" if going else "--no-remove"]
    flags += ["--simulate"] if simulate else []
    words = (word for option in options for word in ("-o", option))
    return ["apt-get", *flags, *words, "install", *paths, *(f"{name}-" for name in going)]


def main(folder: Path) -> None:
    """Do the job in *folder* and leave its result there, whatever happens."""
    job = json.loads((folder / "job.json").read_text())
    result: dict[str, object] = {"exit_code": -1, "began": int(time.time())}
    try:
        result |= install(job, folder)
        if result["exit_code"] == 0:
            result |= restart(job["restart"], job["restart_except"])
    except (OSError, subprocess.SubprocessError) as error:
        result["complaint"] = str(error)
    finally:
        write(folder / "result.json", {**result, "ended": int(time.time())})


def install(job: dict[str, Any], folder: Path) -> dict[str, object]:
    """Run apt for *job*, its output in ``apt.log`` of *folder* (mode 0600).

    Returns exit code, complaint, and which packaged configuration was left beside a local one.
    """
    before = packaged_configuration()
    log, lists = folder / "apt.log", empty_lists(folder)
    command = apt_command(job["paths"], job["going"], job["lock_seconds"], lists, simulate=False)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as output:
        done = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=ENVIRONMENT, check=False
        )
    lines = log.read_text(errors="replace").splitlines()
    complaint = [line for line in lines if re.match(r"(E:|dpkg: error|W: .*lock)", line)]
    return {
        "exit_code": done.returncode,
        "complaint": " ".join(complaint)[-500:] if done.returncode else "",
        "configuration_files_left": sorted(packaged_configuration() - before),
    }


def empty_lists(folder: Path) -> Path:
    """Return a folder below *folder* that looks to apt like one that has no package lists."""
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    return folder / "lists"


def packaged_configuration() -> set[str]:
    """Return the packaged versions that lie beside locally changed configuration files now."""
    found = (path for folder, _dirs, files in os.walk("/etc") for path in (f"{folder}/{file}" for file in files))
    return {path for path in found if path.endswith((".dpkg-dist", ".dpkg-new", ".ucf-dist"))}


def restart(policy: str, exempt: list[str]) -> dict[str, object]:
    """Restart what runs on old files, if *policy* says ``when-needed``, except what *exempt* (shell patterns) matches.

    A service that was restarted counts as renewed, though a process in it may remain: the sessions of sshd end by themselves.
    """
    old = on_old_files()
    chosen = [
        unit
        for unit in old
        if policy == "when-needed" and not any(fnmatch.fnmatch(unit, p) for p in [*exempt, NOT_KNOWN])
    ]
    renewed = [unit for unit in chosen if call(renewal(unit)).returncode == 0]
    again = on_old_files() if chosen else old
    return {"restarted": renewed, "still_on_old_files": [unit for unit in again if unit not in renewed]}


def renewal(unit: str) -> list[str]:
    """Return the command that brings *unit*, as needrestart names it, onto new files: the one that needrestart would use."""
    if os.access(INSTEAD / unit, os.X_OK):
        return [str(INSTEAD / unit)]
    return ["systemctl", "daemon-reexec"] if unit == "systemd-manager" else ["systemctl", "try-restart", unit]


def on_old_files() -> list[str]:
    """Return the services that needrestart finds running on files that are no longer there; it is only asked, never acts."""
    if shutil.which("needrestart", path=ENVIRONMENT["PATH"]) is None:
        return [NOT_KNOWN]
    answer = call(["needrestart", "-b", "-r", "l"], NEEDRESTART_SUSPEND="")
    return sorted(re.findall(r"^NEEDRESTART-SVC: (\S+)$", answer.stdout, re.M))


def call(argv: list[str], seconds: int = 300, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run *argv* with nobody to answer questions and return it finished, whatever its exit code."""
    variables = {key: value for key, value in (ENVIRONMENT | environment).items() if value}
    return subprocess.run(
        argv, text=True, capture_output=True, stdin=subprocess.DEVNULL, env=variables, timeout=seconds, check=False
    )


def write(path: Path, value: dict[str, object]) -> None:
    """Write *value* so that a reader finds nothing or all of it, also after a power cut; mode 0600."""
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(value, file, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
