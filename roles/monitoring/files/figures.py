#!/usr/bin/python3
"""Write the figures of this host that node-exporter does not have, as a textfile for it.

A time is written as it is and not as an age, so that it stays right while nobody writes. A figure that cannot be read shows
itself as ``bordbuch_figure_failed`` and takes no other away. Which figures there are says the configuration.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

CONFIGURATION = Path("/etc/bordbuch/figures.json")
TEXTFILE = Path("/var/lib/prometheus/node-exporter/bordbuch.prom")
STATE = Path("/var/lib/bordbuch")
ARCHIVING = Path("/var/lib/bordbuch-archiving/seen.json")
WATCH = Path("/var/lib/bordbuch-watch/seen.json")
GIVEN = Path("/etc/bordbuch/given-facts.json")
"""Facts that are given instead of read: a lab host has the kernel of its machine."""

OLDEST_LOOK = 3600
"""Seconds after which what somebody else has noted is known no longer; they look each quarter of an hour at least."""

VOTE_COUNT = "SELECT extract(epoch FROM calculated) FROM member_count"

HELP = {
    "figure_failed": "Whether the figure could not be read at the last attempt.",
    "security_updates": "Installed packages of which a security archive in the package lists has a newer version.",
    "reboot_needed": "Whether the running kernel is not the newest in /boot.",
    "patch_ended_timestamp_seconds": "When the last patch that succeeded ended.",
    "units_failed": "Number of units that have failed.",
    "unit_failed": "A unit that has failed.",
    "certificate_ends_timestamp_seconds": "Until when the certificate is valid.",
    "vote_count_timestamp_seconds": "When the last vote count began.",
    "mail_queued": "Mails that wait in the queue.",
    "backup_ended_timestamp_seconds": "When the last backup that succeeded ended.",
    "drill_ended_timestamp_seconds": "When the last restore drill that succeeded ended.",
    "archive_ready_files": "WAL files that wait to be archived.",
    "archive_failing": "Whether archiving fails and a WAL file has waited for five minutes.",
    "pitr_broken": "Whether WAL has a gap since the newest full backup, so that point-in-time recovery is broken.",
}

Sample = tuple[str, dict[str, str], float]
"""Metric without the prefix, labels, value."""


def main() -> None:
    """Read all figures and put the textfile into its place in one step."""
    samples = list(read_all(json.loads(CONFIGURATION.read_text())))
    aside = TEXTFILE.with_suffix(".new")
    aside.write_text(render(samples))
    aside.chmod(0o644)
    aside.replace(TEXTFILE)


def read_all(configuration: dict[str, Any]) -> Iterator[Sample]:
    """Yield the samples of all figures that *configuration* asks for, and for each figure whether it failed."""
    for name, figure in figures(configuration).items():
        try:
            samples = list(figure())
        except Exception as error:  # whatever it is, the others are still to be read
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            yield "figure_failed", {"figure": name}, 1
        else:
            yield "figure_failed", {"figure": name}, 0
            yield from samples


def figures(configuration: dict[str, Any]) -> dict[str, Callable[[], Iterable[Sample]]]:
    """Return, by name, the figures that this host has."""
    every: dict[str, Callable[[], Iterable[Sample]]] = {
        "security_updates": security_updates,
        "reboot": reboot,
        "patch": patch,
        "units": units,
        **{f"certificate {path}": partial(certificate, path) for path in configuration["certificates"]},
        "vote_count": partial(vote_count, configuration["database"]),
        "mail": mail,
        "backup": partial(stamp, "backup"),
        "drill": partial(stamp, "drill"),
        "pitr": pitr,
        "archiving": archiving,
    }
    optional = {
        "vote_count": "database",
        "mail": "mail_queue",
        "backup": "backup",
        "drill": "drill",
        "pitr": "backup",
        "archiving": "archiving",
    }
    return {name: figure for name, figure in every.items() if name not in optional or configuration[optional[name]]}


def security_updates() -> Iterator[Sample]:
    """Count packages, also those on hold, by the package lists as they are: nothing is refreshed."""
    import apt_pkg  # Debian's python3-apt; only this figure needs it

    apt_pkg.init()
    packages = apt_pkg.Cache(None).packages
    yield "security_updates", {}, sum(1 for package in packages if package.current_ver and has_security_update(package))


def has_security_update(package: Any) -> bool:
    """Return whether a security archive, known by its Release file, offers a newer version than is installed."""
    import apt_pkg

    return any(
        apt_pkg.version_compare(version.ver_str, package.current_ver.ver_str) > 0
        and any(
            file.label == "Debian-Security" or (file.archive or "").endswith("-security")
            for file, _ in version.file_list
        )
        for version in package.version_list
    )


def reboot() -> Iterator[Sample]:
    """Compare kernels; a host that has none of its own (a container) never needs a reboot."""
    given = json.loads(GIVEN.read_text()) if GIVEN.exists() else {}
    running = given.get("kernel_running", os.uname().release)
    installed = [path.name.removeprefix("vmlinuz-") for path in Path("/boot").glob("vmlinuz-*")]
    yield "reboot_needed", {}, float(max(installed, key=by_number, default=running) != running)


def by_number(text: str) -> list[tuple[int, str]]:
    """Return a key by which 6.1.0-10 comes after 6.1.0-9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def patch() -> Iterator[Sample]:
    """Find the newest result of a patch; a host that was never patched has no such figure."""
    results = (json.loads(path.read_text()) for path in STATE.glob("changes/*/result.json"))
    ended = [result["ended"] for result in results if result["exit_code"] == 0]
    if ended:
        yield "patch_ended_timestamp_seconds", {}, max(ended)


def units() -> Iterator[Sample]:
    """Ask systemd for failed units, each of which is named."""
    failed = json.loads(output("systemctl", "list-units", "--failed", "--output=json", "--no-pager"))
    yield "units_failed", {}, len(failed)
    yield from (("unit_failed", {"unit": unit["unit"]}, 1) for unit in failed)


def certificate(path: str) -> Iterator[Sample]:
    """Read until when the certificate at *path* is valid."""
    ends = output("openssl", "x509", "-noout", "-enddate", "-in", path).strip().removeprefix("notAfter=")
    yield "certificate_ends_timestamp_seconds", {"path": path}, ssl.cert_time_to_seconds(ends)


def vote_count(database: str) -> Iterator[Sample]:
    """Ask the database for the last vote count; none is there before the first one."""
    rows = output("psql", "--no-psqlrc", "--no-password", "-At", "-d", database, "-c", VOTE_COUNT).split()
    yield from (("vote_count_timestamp_seconds", {}, float(row)) for row in rows)


def mail() -> Iterator[Sample]:
    """Count the queue: Postfix prints one JSON object for each mail."""
    yield "mail_queued", {}, len(output("postqueue", "-j").splitlines())


def stamp(kind: str) -> Iterator[Sample]:
    """Read when the last *kind* ended; without a stamp there is no such figure, which an alert of its own sees."""
    path = STATE / kind / "last.json"
    if path.exists():
        yield f"{kind}_ended_timestamp_seconds", {}, json.loads(path.read_text())["ended"]


def pitr() -> Iterator[Sample]:
    """Read what the watch on the repositories has noted: of each, whether WAL has a gap."""
    for number, gap in fresh(WATCH)["repositories"].items():
        yield "pitr_broken", {"repository": number}, bool(gap)


def archiving() -> Iterator[Sample]:
    """Read what the watch on archiving has noted."""
    seen = fresh(ARCHIVING)
    yield "archive_ready_files", {}, seen["ready"]
    yield "archive_failing", {}, seen["failing"]


def fresh(path: Path) -> dict[str, Any]:
    """Return the note at *path*; an old one is no longer true, and one that is missing is no good news."""
    seen: dict[str, Any] = json.loads(path.read_text())
    if (age := time.time() - seen["looked"]) > OLDEST_LOOK:
        raise OSError(f"{path} was written {age:.0f} s ago: whoever writes it looks no longer")
    return seen


def output(*command: str) -> str:
    """Return what *command* prints; an exit code is an error."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "5"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30, env=environment)
    if done.returncode:
        raise OSError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def render(samples: Iterable[Sample]) -> str:
    """Return *samples* in Prometheus' text format: all of one metric together, below what it means."""
    found = list(samples)
    return "".join(block(name, [one for one in found if one[0] == name]) for name in HELP)


def block(name: str, samples: list[Sample]) -> str:
    """Return the lines of one metric; none where it has no sample."""
    head = f"# HELP bordbuch_{name} {HELP[name]}\n# TYPE bordbuch_{name} gauge\n"
    lines = [f"bordbuch_{name}{braces(labels)} {value:.0f}\n" for _, labels, value in samples]
    return head + "".join(lines) if lines else ""


def braces(labels: dict[str, str]) -> str:
    """Return *labels* as Prometheus reads them."""
    inside = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


if __name__ == "__main__":
    main()
