"""Rebuilding the lab's site from nothing, to prove that a site whose hosts are all gone comes back."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from invoke import Context

from ops import terminal
from ops.backup import restore
from ops.backup.look import look
from ops.change.session import ROOT
from ops.deploy import procedure as deploying
from ops.errors import BadInput, Waiting
from ops.lab import Lab
from ops.logbook.model import Record
from ops.tasks import verify
from ops.tasks.command import command
from ops.tasks.deploy import package_for_lab
from ops.tasks.patch import REASON, required
from ops.tasks.work import at_work
from ops.verify import verify as run_checks

LAB = ROOT / "inventory" / "lab"
COLUMNS = ("step", "took")
Result = TypeVar("Result")


@command(help={"reason": REASON, "yes": "answer the question with the number of hosts"})
def rebuild(c: Context, reason: str = "prove that the site comes back", yes: bool = False) -> None:
    """Destroy all hosts of the lab and bring the site back from what is outside of them: roles, restore, checks, timed.

    What is outside: this repository, the secrets, the logbook's clone, and the second place with the backups and the lock ledger.
    In the lab only; for a real site see docs/howto/everything-is-gone.md. Exits 1 if a step fails.

    Example: invoke rebuild --yes
    """
    rebuild_site(required(reason), yes)


def rebuild_site(because: str, yes: bool) -> None:
    """Destroy the hosts, bring the site back, and say how long each step took."""
    steps = Steps()
    refuse_without_backup()
    hosts = [host.name for host in Lab.here().hosts()]
    terminal.say(f"All of {', '.join(hosts)} goes, disks and all. What is not in the second place is lost.")
    if not yes and not terminal.ask_number("To destroy them, type the number of hosts", len(hosts)):
        raise Waiting("not confirmed", left="nothing was touched", next_step="run it again when you are ready")
    steps.take("new hosts", lambda: Lab.here().reset(hosts))
    steps.take("logbook, database, backups", lambda: deploy("backup:database", because))
    restored = steps.take("restore, and lock again", lambda: bring_back(because))
    steps.take("application and proxy", lambda: deploy("application", because))
    steps.take("checks", check)
    terminal.table("Rebuilt", COLUMNS, steps.rows())
    for host in restored.hosts.values():
        terminal.say("; ".join(f"{check.name}: {check.detail}" for check in host.checks if check.detail))


class Steps:
    """What was done, and how long each took."""

    def __init__(self) -> None:
        self.took: list[tuple[str, float]] = []

    def take(self, name: str, act: Callable[[], Result]) -> Result:
        """Do one step and return what it gives."""
        began = time.monotonic()
        terminal.say(f"{datetime.now(UTC):%H:%M:%S} {name}")
        result = act()
        self.took.append((name, time.monotonic() - began))
        return result

    def rows(self) -> list[tuple[str, str]]:
        """Return one row per step, and the sum."""
        rows = [(name, f"{seconds:.0f} s") for name, seconds in self.took]
        return [*rows, ("together", f"{sum(seconds for _name, seconds in self.took):.0f} s")]


def refuse_without_backup() -> None:
    """Raise ``BadInput`` where the second place has no backup to come back from."""
    with at_work(LAB, hosts=True) as session:
        repository = look(session).repository
    if not any(place.number > 1 and place.backups for place in (repository.places if repository else ())):
        raise BadInput(
            "the second place has no backup", left="nothing was touched", next_step="invoke deploy, then invoke backup"
        )


def deploy(limit: str, reason: str) -> None:
    """Bring the hosts *limit* to what the roles say."""
    with at_work(LAB, hosts=True) as session:
        package_for_lab(session)
        deploying.deploy(session, deploying.Wish(limit, reason=f"rebuild: {reason}", yes=True))


def bring_back(reason: str) -> Record:
    """Restore the newest there is, and return its record."""
    with at_work(LAB, hosts=True) as session:
        return restore.restore(session, restore.Wish(reason=f"rebuild: {reason}", yes=True))


def check() -> None:
    """Check the hosts as `invoke verify` does."""
    with at_work(LAB, hosts=True) as session:
        hosts = session.inventory.select("")
    verify.conclude(run_checks(LAB, hosts, lambda _check: None))
