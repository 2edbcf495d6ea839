"""How the hosts stand."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from invoke import Context

from ops import terminal
from ops.change.look import open_lines
from ops.change.session import ROOT, Session, open_session
from ops.status import show
from ops.status.ask import answers, ask
from ops.status.facts import Status
from ops.status.watch import watch as redraw
from ops.tasks.command import command
from ops.tasks.work import INVENTORY


@command(
    help={
        "json": "print everything that was read as JSON",
        "watch": "ask and draw again every few seconds, until Ctrl-C",
        "inventory": INVENTORY,
    }
)
def status(c: Context, json: bool = False, watch: bool = False, inventory: str = "inventory/lab") -> None:
    """Show how the hosts stand, on one screen: updates, reboots, units, services, database, mail, certificates, backup.

    Each host is asked once, at the same time; nothing is changed and nothing refreshed, so that pending updates are those of
    the lists that a host has. A host that does not answer stands in the last rows. Exits 0 whatever is seen.

    Example: invoke status --watch
    """
    terminal.quiet(json)
    with terminal.progress("Asking the hosts"):
        session, seen = first(Path(inventory) if Path(inventory).exists() else ROOT / inventory)
    if watch:
        redraw(seen, lambda: again(session))
    elif json:
        terminal.data(seen.model_dump(mode="json"))
    else:
        display(seen)


def first(inventory: Path) -> tuple[Session, Status]:
    """Open the session of *inventory* while its hosts are asked, since Ansible reads it by itself, and return both."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, inventory, lambda _event: None, quick=True)
        session = open_session(inventory)
        return session, with_open(session, answers(session.inventory.hosts, asked.result()))


def again(session: Session) -> Status:
    """Ask the hosts of *session* and return how they stand."""
    events = ask(session.inventory.path, lambda _event: None, quick=True)
    return with_open(session, answers(session.inventory.hosts, events))


def with_open(session: Session, seen: Status) -> Status:
    """Return *seen* with what the logbook says is open."""
    return seen.model_copy(update={"open": tuple(open_lines(session))})


def display(seen: Status) -> None:
    """Print the hosts and what holds for the site."""
    terminal.table("Hosts", *show.filled(show.COLUMNS, show.rows(seen)))
    for line in show.lines(seen):
        terminal.say(line)
