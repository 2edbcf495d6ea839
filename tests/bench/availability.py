"""What a patch costs those who use the site meanwhile: ``python -m tests.bench.availability [--rounds 2]``.

On a lab with the whole site, 20 requests a second are sent from one host to another, every fifth a POST. Meanwhile
``invoke patch`` brings rebuilt versions of PostgreSQL, OpenSSL's library and HAProxy, and the application is restarted.
Targets: no request fails, none is carried out twice.
"""

import argparse
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ops.lab import Lab
from tests.archive.hosts import use_script
from tests.archive.keys import keyring
from tests.archive.package import Package, rebuilt
from tests.archive.server import Archive, archive
from tests.archive.suite import Suite

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("load.py")
APPLICATION, DATABASE, SENDER = "app1", "db1", "backup1"
RATE = 20
QUIET_SECONDS = 5
LIMIT_SECONDS = 1800
PATTERNS = ("libssl3*", "haproxy", "postgresql-[0-9]*")
STEPS = (0.1, 0.3, 1.0, 3.0, 10.0, 20.0, 30.0)
FETCH = """
file=/var/cache/apt/archives/$1_$2_$(dpkg --print-architecture).deb
cd "$(mktemp -d)" && chmod 755 .
[ -e "$file" ] && cp "$file" . || apt-get -qq download "$1=$2" >&2
base64 -w0 ./*.deb
"""
COUNTED = "SELECT key, count(*) FROM standin_execution GROUP BY key"
Result = dict[str, Any]


def main() -> None:
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    lab = Lab((ROOT / given.lab).resolve())
    with ExitStack() as stack:
        if not lab.hosts():
            stack.callback(lab.down)
            invoke(lab, "deploy", "--yes")
        keys = stack.enter_context(keyring())
        served = stack.enter_context(archive(str(lab.gateway), keys, keys.make("archive")))
        for number in range(1, given.rounds + 1):
            print(f"\nround {number}")
            report(*measured(lab, served))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.availability", description="Requests to the site while it is patched."
    )
    parser.add_argument(
        "--lab",
        default=".lab-bench",
        help="state of the lab; one that is up has the site already, and is kept",
    )
    parser.add_argument("--rounds", type=int, default=2, help="how often it is measured (2)")
    return parser.parse_args()


def measured(lab: Lab, served: Archive) -> tuple[list[Result], dict[str, int], dict[str, Any]]:
    """Return what became of the requests, how often each POST was carried out, and the record of the patch."""
    offer(lab, served)
    proxy, server = main_process(lab, APPLICATION, "haproxy"), main_process(lab, DATABASE, "postgresql@*")
    with load(lab) as results:
        time.sleep(QUIET_SECONDS)
        invoke(lab, "patch", "--yes", "--reason", "benchmark of availability")
        lab.run_on(APPLICATION, ["systemctl", "restart", "liquidfeedback.service"], limit=120)
        time.sleep(QUIET_SECONDS)
    assert main_process(lab, APPLICATION, "haproxy") == proxy, "the proxy was restarted"
    assert main_process(lab, DATABASE, "postgresql@*") != server, "the database was not restarted: nothing was measured"
    record = max(json.loads(invoke(lab, "changes", "--json")), key=lambda one: str(one["ended"]))
    return results, executions(lab), record


def main_process(lab: Lab, host: str, unit: str) -> str:
    return lab.run_on(host, ["systemctl", "show", "-p", "MainPID", "--value", f"{unit}.service"]).stdout.strip()


def invoke(lab: Lab, *words: str) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("invoke"), *words],
        cwd=ROOT, env={**os.environ, "BORDBUCH_LAB": str(lab.state)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def offer(lab: Lab, served: Archive) -> None:
    """Let the hosts have one source, in which what they run is offered as a security update, and nothing else."""
    by_release: dict[str, dict[str, Package]] = {}
    for host in lab.hosts():
        by_release.setdefault(host.release, {}).update(packages(lab, host.name))
    for release, found in by_release.items():
        served.publish(Suite(release), Suite(release, tuple(found.values()), security=True))
    for host in lab.hosts():
        lab.run_on(host.name, ["sh", "-e"], given=use_script(served.url, host.release, [served.key]))


def packages(lab: Lab, host: str) -> Mapping[str, Package]:
    """Return the next versions of what *host* has installed, by name."""
    form = "${db:Status-Abbrev}${Package}=${Version}\n"
    installed = lab.run_on(host, ["dpkg-query", "-W", "-f", form, *PATTERNS], check=False)  # 1: a pattern fits nothing
    wanted = [line.removeprefix("ii ") for line in installed.stdout.splitlines() if line.startswith("ii ")]
    found = {}
    for name, version in (one.split("=", 1) for one in wanted):
        content = base64.b64decode(lab.run_on(host, ["sh", "-ec", FETCH, "sh", name, version], limit=300).stdout)
        found[name] = rebuilt(content, "+bench1")
    return found


@contextmanager
def load(lab: Lab) -> Iterator[list[Result]]:
    """Send requests while the block runs; the list that is yielded is filled at its end."""
    results: list[Result] = []
    path = "/root/availability-load.py"
    lab.run_on(SENDER, ["sh", "-c", f"cat >{path}"], given=PROGRAM.read_text(encoding="utf-8"))
    command = [
        "ssh",
        "-F",
        str(lab.ssh_config),
        SENDER,
        f"python3 {path} {APPLICATION} /etc/ssl/bordbuch/ca.crt {RATE}",
    ]
    sender = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield results
        results += json.loads(sender.communicate(timeout=300)[0])
    finally:
        sender.kill()


def executions(lab: Lab) -> dict[str, int]:
    """Return how often each POST was carried out, by its key."""
    psql = ["runuser", "-u", "postgres", "--", "psql", "-XAtqd", "liquidfeedback", "-F", " ", "-c", COUNTED]
    rows = (line.split() for line in lab.run_on(DATABASE, psql).stdout.splitlines())
    return {key: int(count) for key, count in rows}


def report(results: list[Result], ran: Mapping[str, int], record: Mapping[str, Any]) -> None:
    """Print the figures and what the record says."""
    posts = [result["key"] for result in results if result["key"]]
    failed = [result for result in results if result["status"] != 200]
    twice = [key for key in posts if ran.get(key, 0) > 1]
    lost = [
        result["key"] for result in results if result["status"] == 200 and result["key"] and not ran.get(result["key"])
    ]
    longest = max(results, key=lambda result: float(result["seconds"]))
    print(f"{len(results)} requests in {max(result['at'] for result in results):.0f} s, {len(posts)} of them POST\n")
    for name, value in (
        ("failed", len(failed)),
        ("carried out twice", len(twice)),
        ("answered, not carried out", len(lost)),
    ):
        print(f"{name}: {value}, target 0: {'met' if not value else 'MISSED'}")
    print(f"longest wait: {longest['seconds']:.1f} s, of a request sent {longest['at']:.0f} s after the first\n")
    for line in [*histogram([float(result["seconds"]) for result in results]), "", *told(record)]:
        print(line)
    for result in failed[:10]:
        print(f"failed: {result}")


def histogram(waits: list[float]) -> list[str]:
    """Return how many requests waited how long, as a table."""
    rows = ["| answered after | requests |", "|---|---|"]
    for low, high in zip((0.0, *STEPS), (*STEPS, float("inf")), strict=True):
        count = sum(low <= wait < high for wait in waits)
        rows.append(f"| {f'{low:g} to {high:g} s' if high < float('inf') else f'{low:g} s and more'} | {count} |")
    return rows


def told(record: Mapping[str, Any]) -> list[str]:
    """Return what the record of the patch says of each host: packages, what was restarted, how long requests waited."""
    lines = [f"{record['id']}: {record['outcome']}, window {record['seconds'].get('window')} s"]
    for name, host in record["hosts"].items():
        brought = ", ".join(f"{package['name']} {package['state']}" for package in host["packages"])
        lines.append(f"{name}: {brought}; restarted {', '.join(host['restarted']) or 'nothing'}")
        lines += [f"{name}: {check['name']}: {check['detail']}" for check in host["checks"] if check["detail"]]
    return lines


if __name__ == "__main__":
    main()
