"""Bringing hosts to what the roles say, and seeing where they differ."""

from pathlib import Path

from invoke import Context

from ops import inventory as inventories
from ops import terminal
from ops.change.session import ROOT, Session
from ops.deploy import procedure
from ops.deploy.foresee import Foreseen
from ops.deploy.procedure import Wish
from ops.deploy.show import as_data
from ops.lab import Lab
from ops.tasks.command import command
from ops.tasks.package import build_sample
from ops.tasks.patch import LIMIT, REASON, required
from ops.tasks.work import INVENTORY, at_work

TAGS = "only a role or a part of one, e.g. base or base:sshd"


@command(
    help={
        "limit": LIMIT,
        "tags": TAGS,
        "check": "show what would change and change nothing",
        "reason": REASON,
        "yes": "answer the question with the number of hosts",
        "json": "print the plan as JSON with --check, else the record",
        "inventory": INVENTORY,
    },
)
def deploy(
    c: Context,
    limit: str = "",
    tags: str = "",
    check: bool = False,
    reason: str = "as the roles say",
    yes: bool = False,
    json: bool = False,
    inventory: str = "inventory/lab",
) -> None:
    """Bring hosts to what the roles say: show what would change, ask, change it, check the hosts, record it.

    The plan is a check run of playbooks/site.yml. A file's difference is shown if everybody on its host may read the file. The
    first host is the canary: if anything fails there, the others are not touched. Exits 1 if a host fails or does not answer,
    3 if nobody answers the question, 4 in a freeze or if another change holds a host.

    Example: invoke deploy --limit db1 --tags base:sshd
    """
    with at_work(Path(inventory), hosts=True) as session:
        terminal.quiet(json)
        wish = Wish(limit, tags, required(reason), yes, json)
        package_for_lab(session)
        if check:
            _before, plan = procedure.planned(session.inventory, wish)
            show(plan, json)
            procedure.conclude(plan)
        else:
            procedure.deploy(session, wish)


@command(help={"limit": LIMIT, "tags": TAGS, "json": "print the differences as JSON", "inventory": INVENTORY})
def drift(c: Context, limit: str = "", tags: str = "", json: bool = False, inventory: str = "inventory/lab") -> None:
    """Show which hosts differ from the roles, and where.

    A check run of playbooks/site.yml: nothing is changed. Exits 1 if a host differs or does not answer.

    Example: invoke drift --limit database
    """
    terminal.quiet(json)
    path = Path(inventory) if Path(inventory).exists() else ROOT / inventory
    _before, plan = procedure.planned(inventories.load(path), Wish(limit, tags))
    show(plan, json)
    procedure.drifted(plan)


def package_for_lab(session: Session) -> None:
    """Build the stand-in's package for the lab's hosts that run it, if it is not there yet: drills do, too."""
    if session.inventory.path.resolve() != ROOT / "inventory" / "lab":
        return
    hosts = [host for group in ("application", "backup") for host in session.inventory.groups.get(group, ())]
    wanted = sorted({host.release for host in Lab.here().hosts() if host.name in hosts})
    if wanted:
        build_sample(wanted)


def show(plan: Foreseen, json: bool) -> None:
    """Print *plan* as JSON if that is asked for."""
    if json:
        terminal.data(as_data(plan))
