"""Capture cases from lab hosts of both releases, by hand:

    python -m tests.cases.capture                  all situations (about 15 minutes)
    python -m tests.cases.capture NAME…            some of them
    python -m tests.cases.capture --expectations   no lab: plan, outcome and page anew from the facts and events

It boots a lab of its own (state folder .lab-cases, or what BORDBUCH_LAB names) and ends it. After either, read
``git diff tests/cases``: it shows what a change of the code, or of Debian, has changed, and a person decides whether
that was meant.
"""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ops import inventory as inventories
from ops.lab import Lab
from ops.logbook.model import Event, Plan
from ops.patch import apply, prepare
from ops.patch.plan import make_plan
from ops.playbook import Playbook
from tests.archive.keys import keyring
from tests.archive.server import archive
from tests.cases.case import EXPECTED, GIVEN, HERE, RESUMED, Case, folders, lines, start, text
from tests.cases.fixed import Fixed
from tests.cases.situations import RELEASES, SITUATIONS, Situation
from tests.faults.site import Site
from tests.unit import factories


def main(words: list[str]) -> None:
    """Do what the command line says."""
    if words == ["--expectations"]:
        for folder in folders():
            expect(folder)
        return
    unknown = set(words) - set(SITUATIONS)
    if unknown:
        sys.exit(f"no situation is named {', '.join(sorted(unknown))}; there are: {', '.join(SITUATIONS)}")
    os.environ.setdefault("BORDBUCH_LAB", ".lab-cases")
    with running_lab() as lab:
        failed = [name for name in words or SITUATIONS if not captured(lab, name)]
    if failed:
        sys.exit(f"not captured: {', '.join(failed)}")


def captured(lab: Lab, name: str) -> bool:
    """Capture the situation *name* and return whether that went well; the others are captured all the same."""
    print(name, flush=True)
    try:
        with site(lab, SITUATIONS[name]) as here:
            capture(here, SITUATIONS[name], HERE / name)
    except Exception:
        traceback.print_exc()
        return False
    return True


def expect(folder: Path) -> None:
    """Write what is expected of the case in *folder*, as the code has it now."""
    for name, content in Case.read(folder).expectations().items():
        (folder / name).write_text(content, encoding="utf-8")


@contextmanager
def running_lab() -> Iterator[Lab]:
    """Give a lab of both releases that ends with this."""
    lab = Lab.here()
    lab.up(RELEASES, owner=os.getpid())
    try:
        yield lab
    finally:
        lab.down()


@contextmanager
def site(lab: Lab, situation: Situation) -> Iterator[Site]:
    """Give hosts that are set up for *situation*, with their archive and inventory."""
    releases = {host: RELEASES[host] for host in situation.hosts}
    with (
        tempfile.TemporaryDirectory(prefix="case-") as folder,
        keyring() as keys,
        archive(str(lab.gateway), keys, keys.make("archive", subkey=True)) as served,
    ):
        here = Site(lab, served, Path(folder), releases)
        here.configure(**{"patch_reboot": "never", **situation.variables})
        here.arrange(situation.scenario)
        try:
            yield here
        finally:
            here.close()


def capture(here: Site, situation: Situation, folder: Path) -> None:
    """Plan and run on the hosts of *here*, and write the case to *folder*."""
    fixed = Fixed(here)
    situation.before_plan(here)
    plan, told = planned(here)
    situation.before_run(here)
    hosts = [host for wave in plan.actions.waves for host in wave]
    runs = [run(here, situation, plan, 1, hosts)]
    if situation.before_resume:
        situation.before_resume(here)
        runs.append(run(here, situation, plan, 2, apply.unfinished_hosts(plan, map(Event.model_validate, runs[0]))))
    given = {
        "facts.json": text({host: fixed.facts(facts) if facts else None for host, facts in told.items()}),
        "inventory.json": text(fixed.value(listing(here))),
        **{(GIVEN[2], RESUMED)[n]: lines(fixed.events(n + 1, found)) for n, found in enumerate(runs)},
    }
    write(folder, given)
    assert Case.read(folder).plan().digest == plan.digest, f"{folder.name}: a replacement has changed the plan"


def write(folder: Path, given: dict[str, str]) -> None:
    """Write what is *given* in a case, and what is expected of it."""
    folder.mkdir(exist_ok=True)
    for name in (*GIVEN, RESUMED, *EXPECTED):
        (folder / name).unlink(missing_ok=True)
    for name, content in given.items():
        (folder / name).write_text(content, encoding="utf-8")
    expect(folder)


def planned(here: Site) -> tuple[Plan, dict[str, dict[str, Any] | None]]:
    """Return the plan for the hosts as they are, and what each of them told."""
    spool = here.folder / "spool-plan"
    events = Playbook("patch_plan.yml", here.inventory, spool, {}).run(lambda _event: None)
    inventory = inventories.load(here.inventory)
    facts, silent = prepare.answers(here.hosts, events)
    answers = {event.host: event for event in events if event.type == "result" and event.action == prepare.FACTS}
    told = {host: None if host in silent else answers[host].data for host in here.hosts}
    return make_plan(factories.request(), inventory, inventory.policy.selection, facts, silent), told


def run(here: Site, situation: Situation, plan: Plan, number: int, hosts: list[str]) -> list[dict[str, Any]]:
    """Carry out run *number* of *plan* on *hosts* and return its events as they were spooled."""
    spool = here.folder / f"spool-{number}"
    variables = apply.variables(plan, start(plan, number), hosts)

    def report(event: Event) -> None:
        if number == 1:
            situation.meanwhile(here, event)

    Playbook("patch.yml", here.inventory, spool, variables).run(report)
    spooled = (spool / "events.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in spooled.splitlines()]


def listing(here: Site) -> dict[str, Any]:
    """Return the inventory as ``ansible-inventory --list`` prints it."""
    program = Path(sys.executable).with_name("ansible-inventory")
    command = [str(program), "-i", str(here.inventory), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, stdin=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
