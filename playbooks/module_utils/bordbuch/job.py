"""One change on one host: what was before it, its unit, its result. The files below /var/lib/bordbuch are the truth."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.bordbuch import effects, health, lock, state, unit
from ansible.module_utils.bordbuch.staged import ARCHIVES, wrong_files

_INST = re.compile(r"^Inst (?P<name>[^\s:]+)\S* (?:\[[^\]]+\] )?\((?P<version>\S+) .*?\[(?P<arch>\w+)\]\)", re.M)
_REMOVE = re.compile(r"^(?:Remv|Purg) (\S+)", re.M)


def folder(change: str) -> Path:
    """Return where the host keeps what belongs to *change*."""
    return state.CHANGES / change


def unit_name(change: str) -> str:
    """Return the name of the transient unit of *change*."""
    return f"bordbuch-{change}.service"


def standing(change: str) -> str:
    """Return how the unit of *change* stands.

    ``running``; ``done``: a result is there; ``lost``: it ended without one; ``none``: it was never started.
    """
    if (folder(change) / "result.json").exists():
        return "done"
    form = ["systemctl", "show", "-p", "LoadState,ActiveState", "--value", unit_name(change)]
    for _attempt in range(10):  # systemctl fails for a moment while PID 1 re-executes
        answer = state.run(form)
        if answer.returncode == 0:
            break
        time.sleep(0.5)
    words = answer.stdout.split()
    if "activating" in words or "active" in words:
        return "running"
    return "lost" if (folder(change) / "job.json").exists() else "none"


def concluded(change: str, rows: list[dict[str, Any]]) -> bool:
    """Return whether *change* was begun here and all of *rows* came, though the host went down before the result was written.

    The result that is missing is then written from what is seen.
    """
    known = state.packages()
    came = all(present(known, f"{row['name']}:{row['architecture']}") == row["to_version"] for row in rows)
    if standing(change) != "lost" or not came or state.unfinished(known) or state.leftovers():
        return False
    seen = {"exit_code": 0, "restarted": [], "still_on_old_files": unit.on_old_files(), "configuration_files_left": []}
    state.write_durably(folder(change) / "result.json", seen)
    return True


def differences(rows: list[dict[str, Any]], known: dict[str, dict[str, str]]) -> list[str]:
    """Return what makes this host another than the one that was planned for; empty if nothing does."""
    versions = [(f"{row['name']}:{row['architecture']}", row["from_version"]) for row in rows]
    wrong = [
        f"{key} is {present(known, key) or 'not installed'}, planned from {version or 'not installed'}"
        for key, version in versions
        if present(known, key) != version
    ]
    unfinished = [f"{package['name']} is {package['detail']}, not installed" for package in state.unfinished(known)]
    leftover = [f"dpkg was interrupted: /var/lib/dpkg/updates/{name}" for name in state.leftovers()]
    held = [f"{key} is on hold" for key, _version in versions if key in state.holds(known)]
    return wrong + unfinished + leftover + held


def present(known: dict[str, dict[str, str]], key: str) -> str | None:
    """Return the version of ``name:arch`` that is fully installed, None if it is not."""
    package = known.get(key)
    return package["version"] if package and package["status"][1:] == "i " else None


def simulated(place: Path, rows: list[dict[str, Any]]) -> list[str]:
    """Return how apt, asked now, would do another thing with the approved files than was approved; empty if it would not.

    *place* is a folder that may hold an empty one.
    """
    command = unit.apt_command(paths(rows), going(rows), 30, unit.empty_lists(place), simulate=True)
    answer = state.run(command, 120)
    if answer.returncode:
        return [f"apt refuses: {' '.join(answer.stderr.split())[-300:]}"]
    would = {(match["name"], match["arch"], match["version"]) for match in _INST.finditer(answer.stdout)}
    approved = {(row["name"], row["architecture"], row["to_version"]) for row in rows if row["to_version"]}
    removed = set(_REMOVE.findall(answer.stdout))
    native = f":{state.native()}"  # apt names the architecture of foreign packages only
    agreed = {name.removesuffix(":all").removesuffix(native) for name in going(rows)}
    return (
        [f"apt would remove {name}" for name in sorted(removed - agreed)]
        + [f"apt would not remove {name}" for name in sorted(agreed - removed)]
        + [f"apt would also install {name} {version}" for name, _arch, version in sorted(would - approved)]
        + [f"apt would not install {name} {version}" for name, _arch, version in sorted(approved - would)]
    )


def paths(rows: list[dict[str, Any]]) -> list[str]:
    """Return the files in the cache that *rows* name."""
    return [str(ARCHIVES / str(row["file"])) for row in rows if row["to_version"]]


def going(rows: list[dict[str, Any]]) -> list[str]:
    """Return the ``name:arch`` of what *rows* take away."""
    return [f"{row['name']}:{row['architecture']}" for row in rows if not row["to_version"]]


def planned(rows: list[dict[str, Any]]) -> dict[str, str | None]:
    """Return ``name:arch`` → version that *rows* bring, None where it goes."""
    return {f"{row['name']}:{row['architecture']}": row["to_version"] for row in rows}


def after_failure(change: str) -> dict[str, str]:
    """Return ``name:arch`` → state of what *change* was to bring, after package work that failed."""
    known, wanted = state.packages(), (state.read(folder(change) / "job.json") or {}).get("planned", {})
    states = {}
    for key, version in wanted.items():  # type: ignore[attr-defined]  # a mapping
        whole = present(known, key)
        come = "installed" if version else "removed"
        states[key] = come if whole == version else "missing" if whole or key not in known else "failed"
    return states


def objections(place: Path, rows: list[dict[str, Any]], known: dict[str, dict[str, str]]) -> list[str]:
    """Return why *rows* must not be applied to this host as it is now; the cheap questions first."""
    return differences(rows, known) or wrong_files(rows) or simulated(place, rows)


def remember(
    change: str, rows: list[dict[str, Any]], known: dict[str, dict[str, str]], same: list[dict[str, Any]]
) -> None:
    """Write down, once, what the gate compares with after the change of the packages in *rows*.

    *same* are commands (name, command) whose output must not change.
    """
    path = folder(change) / "before.json"
    if not path.exists():
        before = {
            "boot_id": state.boot_id(),
            "kernel": state.kernel_running(),
            "failed_units": state.failed_units(),
            "held": state.holds(known),
            "automatic": state.automatic(known),
            "services": effects.services_of_packages([(row["name"], row["architecture"]) for row in rows]),
            "installed": {key: package["version"] for key, package in known.items() if package["status"][1] == "i"},
            "same": health.outputs(same),
        }
        state.write_durably(path, before)


def launch(change: str, rows: list[dict[str, Any]], options: dict[str, Any]) -> None:
    """Start the unit of *change*.

    Raises:
        OSError: systemd refused.
    """
    program = folder(change) / "unit.py"
    source = sys.modules[unit.__name__].__loader__.get_source(unit.__name__)  # type: ignore[union-attr]  # of the module's archive
    program.write_text(source)
    state.write_durably(
        folder(change) / "job.json", {"paths": paths(rows), "going": going(rows), "planned": planned(rows), **options}
    )
    properties = ["Type=oneshot", *(f"Before={other}" for other in unit.QUIET)]
    answer = state.run(
        [
            *("systemd-run", "--no-block", "--quiet", f"--unit={unit_name(change)}", "--remain-after-exit"),
            *(f"--property={line}" for line in properties),
            *("--", "/usr/bin/python3", "-I", str(program), str(folder(change))),
        ]
    )
    if answer.returncode:
        raise OSError(f"systemd-run: {answer.stderr.strip()}")


def reboot_reasons(still_on_old_files: list[str]) -> list[str]:
    """Return why this host needs a reboot, from facts and never from a flag file: the kernel, and what only a reboot renews."""
    running, newest = state.kernel_running(), state.kernel_newest()
    kernel = [f"runs kernel {running}, newest is {newest}"] if newest not in ("", running) else []
    return kernel + [f"{name} runs on old files" for name in still_on_old_files if name in effects.REBOOT_ONLY]


def release(change: str) -> dict[str, object] | None:
    """Free the host's lock and end the unit that only keeps the result; leave both where package work still runs.

    Returns who held the lock, None where nothing was freed. An empty *change* frees whoever's lock it is.
    """
    of = change or str((lock.holder() or {}).get("change", ""))
    if of and standing(of) == "running":
        return None
    if change:
        state.run(["systemctl", "stop", unit_name(change)])
    return lock.free(change or None)
