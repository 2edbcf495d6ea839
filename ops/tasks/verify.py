"""Whether hosts are as the inventory says."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from invoke import Context

from ops import terminal
from ops.errors import Failed
from ops.inventory import load
from ops.tasks.command import command
from ops.tasks.work import INVENTORY
from ops.verify import Check
from ops.verify import verify as run_checks


@command(
    help={
        "inventory": INVENTORY,
        "limit": "only these hosts or groups, e.g. db1 or 'all:!database'",
        "json": "print the checks as JSON",
    },
)
def verify(c: Context, inventory: str = "inventory/lab", limit: str = "", json: bool = False) -> None:
    """Check over SSH whether hosts are as the inventory says; nothing is changed.

    Looks at sshd, failed units, automatic updates, operators' accounts and sudo, package sources and states, time and
    journal. Exits 1 if a check fails or a host does not answer.

    Example: invoke verify --inventory inventory/example --limit db1
    """
    terminal.quiet(json)
    hosts = load(Path(inventory)).select(limit)
    with terminal.progress(f"Checking {len(hosts)} hosts") as step:
        checks = run_checks(Path(inventory), hosts, lambda check: step.update(f"{check.host}: {check.check}"))
    if json:
        terminal.data([check.model_dump() for check in checks])
    show(checks)
    conclude(checks)


def show(checks: list[Check]) -> None:
    """Print a line for each host, then what was found."""
    terminal.table("Hosts", ["Host", "Passed", "Failed"], rows(checks))
    for check in checks:
        if not check.passed and check.reached:
            terminal.say(f"{check.host}: not so: {check.check}. {check.seen}")


def rows(checks: Iterable[Check]) -> Iterator[tuple[str, str, str]]:
    """Yield host, number of checks passed and failed; or that the host did not answer."""
    by_host: dict[str, list[Check]] = {}
    for check in checks:
        by_host.setdefault(check.host, []).append(check)
    for host, own in by_host.items():
        passed = sum(check.passed for check in own)
        reached = all(check.reached for check in own)
        yield host, str(passed), str(len(own) - passed) if reached else "did not answer"


def conclude(checks: list[Check]) -> None:
    """Say that all is well, or refuse to.

    Raises:
        Failed: a check failed or a host did not answer.
    """
    wrong = sorted({check.host for check in checks if not check.passed})
    if wrong:
        raise Failed(
            f"not as the inventory says: {', '.join(wrong)}",
            left="the hosts were only read",
            next_step="ansible-playbook -i INVENTORY playbooks/site.yml brings them there",
        )
    terminal.say(f"All {len(checks)} checks passed.")
