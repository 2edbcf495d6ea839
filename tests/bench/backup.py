"""Backup, restore and drill against plain copies: ``python -m tests.bench.backup [--rounds 2] [--scale 135]``.

On a lab with the site's database and backups: a cluster of 2 GB is backed up by pgBackRest, compressed and encrypted, and
restored, against ``pg_basebackup`` to the same host and ``tar`` back through ssh. One per cent of the rows is changed, and what
an incremental backup takes is compared with a full one. A site of 9,000 members is drilled. Who comes first changes from round
to round.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ops.errors import OpsError
from ops.lab import Lab
from ops.tasks.command import message
from tests.bench import figures
from tests.bench.availability import invoke
from tests.bench.copies import DATABASE, Copies, cold, quiet
from tests.bench.figures import Drilled, Measured, Target
from tests.bench.meter import CORES, metered
from tests.site.conftest import MEMBERS

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    given = arguments()
    if os.geteuid():
        sys.exit("run it as root: it empties the machine's file cache before each measurement")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    lab = Lab((ROOT / given.lab).resolve())
    try:
        with ExitStack() as stack:
            if not lab.hosts():
                stack.callback(lab.down)
                lab.up(owner=os.getpid())
                say("deploying")
                invoke(lab, "deploy", "--yes", *([] if given.drill else ["--limit", "backup:database"]))
            report(given, *measured(lab, given))
    except OpsError as fault:
        sys.exit(message(fault))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.backup",
        description="Backup and restore against plain copies, an incremental backup after a small change, and a drill.",
    )
    parser.add_argument(
        "--lab",
        default=".lab-bench",
        help="state of the lab; one that is up has the site already, and is kept with the backups that are made",
    )
    parser.add_argument("--rounds", type=int, default=2, help="how often each is measured (2)")
    parser.add_argument("--scale", type=int, default=135, help="of pgbench: 135 makes 2 GB")
    parser.add_argument("--copies", action="store_true", help="only backup and restore")
    parser.add_argument("--drill", action="store_true", help="only the drill, which needs the whole site")
    parser.add_argument(
        "--json", action="store_true", help="print the figures as JSON; what is going on to standard error"
    )
    given = parser.parse_args()
    if given.rounds < 1 or given.scale < 1 or given.rounds > 100:
        parser.error("rounds are 1 to 100, as each changes another hundredth of the rows; the scale is 1 or more")
    if given.copies == given.drill:
        given.copies = given.drill = True
    return given


def measured(lab: Lab, given: argparse.Namespace) -> tuple[list[str], list[Measured], list[Drilled]]:
    """Return what the figures depend on, and the figures. The drill comes first: it restores all that there is."""
    described: list[str] = []
    drilled = drills(lab, given.rounds) if given.drill else []
    copied: list[Measured] = []
    if given.copies:
        copies = Copies(lab, given.scale)
        say("making the database")
        with quiet(lab), copies.made():
            described = copies.described()
            copied = rounds(copies, given.rounds)
    return described, copied, drilled


def rounds(copies: Copies, count: int) -> list[Measured]:
    done = []
    for number in range(1, count + 1):
        for pair in ((copies.full, copies.base), (copies.restore, copies.copy_back)):
            done += [told(step) for step in (pair if number % 2 else pair[::-1])]
        copies.change(number)
        done.append(told(copies.incremental))
    return done


def told(step: Callable[[], Measured]) -> Measured:
    one = step()
    say(one.line())
    return one


def drills(lab: Lab, count: int) -> list[Drilled]:
    """Return *count* drills of the site's database with 9,000 members."""
    say("backing up 9,000 members")
    psql = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "liquidfeedback"]
    argv = ["env", "-C", "/", *psql]
    lab.run_on(DATABASE, argv, given=MEMBERS)
    members = int(lab.run_on(DATABASE, argv, given="SELECT count(*) FROM member").stdout)
    invoke(lab, "backup", "--full", "--yes", "--reason", "benchmark")
    done = []
    for _number in range(count):
        cold()
        with metered(lab) as reading:
            said = invoke(lab, "drill", "--reason", "benchmark")
        assert "Verdict pass" in said, said
        record = max(json.loads(invoke(lab, "drill.history", "--json")), key=lambda one: str(one["ended"]))
        done.append(Drilled(reading, record["seconds"]["drill"], members))
        say(done[-1].line())
    return done


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def report(given: argparse.Namespace, described: list[str], copied: list[Measured], drilled: list[Drilled]) -> None:
    """Print the figures, as JSON or to be pasted into docs/benchmarks.md."""
    targets = [
        *(figures.copies_targets(copied) if copied else ()),
        *(figures.drill_targets(drilled) if drilled else ()),
    ]
    head = [f"{CORES} cores, {given.rounds} rounds", *described]
    if given.json:
        print(json.dumps({"about": head, **figures.as_data(copied, drilled, targets)}, indent=2))
        return
    for block in blocks(head, copied, drilled, targets):
        print("\n".join(["", *block]))


def blocks(head: list[str], copied: list[Measured], drilled: list[Drilled], targets: list[Target]) -> list[list[str]]:
    tables = [figures.copies_table(copied)] if copied else []
    tables += [figures.drill_table(drilled)] if drilled else []
    return [head, *tables, figures.targets_table(targets)]


if __name__ == "__main__":
    main()
