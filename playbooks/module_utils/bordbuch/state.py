"""The state of a host as plain data: packages, units, kernel, boot. Only reads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

GIVEN = Path("/etc/bordbuch/given-facts.json")
"""The one point where facts can be given that a lab host shares with its machine (kernel_running, clock_offset_seconds)."""

CHANGES = Path("/var/lib/bordbuch/changes")


def run(argv: list[str], seconds: float = 60, **options: object) -> subprocess.CompletedProcess[str]:
    """Run *argv* without a shell in the C.UTF-8 locale and return it finished, whatever its exit code.

    Raises:
        subprocess.TimeoutExpired: it took longer than *seconds*.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(  # type: ignore[call-overload, no-any-return]  # options are passed on as they are
        argv,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=seconds,
        env=environment,
        check=False,
        **options,
    )


def given() -> dict[str, object]:
    """Return the facts that are given instead of read, usually none."""
    return json.loads(GIVEN.read_text()) if GIVEN.exists() else {}


def boot_id() -> str:
    """Return the kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def kernel_running() -> str:
    """Return the release of the running kernel."""
    return str(given().get("kernel_running", os.uname().release))


def kernel_newest() -> str:
    """Return the release of the newest kernel that is installed in /boot, empty where the host brings none (a container)."""
    releases = [path.name.removeprefix("vmlinuz-") for path in Path("/boot").glob("vmlinuz-*")]
    return max(releases, key=_natural, default="")


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def clock_offset(controller_epoch: float) -> int:
    """Return this host's clock minus the controller's, in whole seconds."""
    return int(given().get("clock_offset_seconds", round(time.time() - controller_epoch)))  # type: ignore[call-overload]  # a number


def failed_units() -> list[str]:
    """Return the names of the systemd units that have failed, sorted; asked again while systemd re-executes itself."""
    for _attempt in range(10):
        answer = run(["systemctl", "list-units", "--failed", "--output=json", "--no-pager"])
        if answer.returncode == 0:
            return sorted(unit["unit"] for unit in json.loads(answer.stdout or "[]"))
        time.sleep(0.5)
    raise OSError(f"systemctl does not answer: {answer.stderr.strip()}")


def packages() -> dict[str, dict[str, str]]:
    """Return ``name:arch`` → name, architecture, version and status (three letters, as ``dpkg -l`` shows) of all known."""
    form = "${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\n"
    rows = (line.split("\t") for line in run(["dpkg-query", "-W", "-f", form]).stdout.splitlines())
    return {
        f"{name}:{architecture}": {"name": name, "architecture": architecture, "version": version, "status": status}
        for status, name, architecture, version in rows
    }


def unfinished(known: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    """Return those of *known* that are neither installed nor properly gone, with their status."""
    return [
        {"name": key, "detail": package["status"].strip()}
        for key, package in sorted(known.items())
        if package["status"][1] not in "inc" or package["status"][2] != " "
    ]


def holds(known: dict[str, dict[str, str]]) -> list[str]:
    """Return the ``name:arch`` of what is on hold."""
    return sorted(key for key, package in known.items() if package["status"][0] == "h")


def leftovers() -> list[str]:
    """Return what a killed dpkg left in its updates folder; any blocks every install while simulations look healthy."""
    folder = Path("/var/lib/dpkg/updates")
    return sorted(path.name for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def native() -> str:
    """Return the architecture of this host, as dpkg names it."""
    return run(["dpkg", "--print-architecture"]).stdout.strip()


def automatic(known: dict[str, dict[str, str]]) -> list[str]:
    """Return the installed ``name:arch`` that apt holds for automatically installed (the rest is manual)."""
    path = Path("/var/lib/apt/extended_states")
    stanzas = path.read_text().split("\n\n") if path.exists() else []
    fields = (dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line) for stanza in stanzas)
    marked = {f"{field['Package']}:{field['Architecture']}" for field in fields if field.get("Auto-Installed") == "1"}
    own = native()
    return sorted(
        key
        for key, package in known.items()
        if package["status"][1] == "i" and {key, f"{package['name']}:{own}"} & marked
    )


def left_configuration() -> list[str]:
    """Return the packaged versions of configuration files that dpkg and ucf laid beside locally changed ones."""
    found = (Path("/etc").rglob(pattern) for pattern in ("*.dpkg-dist", "*.dpkg-new", "*.ucf-dist"))
    return sorted(str(path) for paths in found for path in paths)


def write_durably(path: Path, value: object) -> None:
    """Write *value* as JSON so that a reader sees the old file or the whole new one, also after a crash; mode 0600."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(value, file, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read(path: Path) -> dict[str, object] | None:
    """Return the JSON object at *path*, None where there is none."""
    return json.loads(path.read_text()) if path.exists() else None
