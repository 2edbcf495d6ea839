"""What every command that works on an inventory does first and last."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ops import terminal
from ops.announce.announcer import Announcer
from ops.change.collect import collect, run_playbook
from ops.change.look import write_index
from ops.change.session import ROOT, Session, open_session
from ops.errors import Failed
from ops.lab import Lab
from ops.tasks.pages import refresh

INVENTORY = "the inventory's folder, inventory/lab by default"


@contextmanager
def at_work(inventory: Path, *, hosts: bool = False) -> Iterator[Session]:
    """Yield the session of *inventory*; what was done meanwhile is recorded and sent off-host, before and after.

    Args:
        inventory: the inventory's folder; one that is not found from here is looked for in this checkout.
        hosts: whether the hosts are needed; those of the lab are booted then.
    """
    path = inventory if inventory.exists() else ROOT / inventory
    lab = path.resolve() == ROOT / "inventory" / "lab"
    if lab and hosts:
        Lab.here().up()
    session = open_session(path)
    for record in collect(session):
        terminal.warn(f"Recorded {record.command}: {record.outcome} ({record.id})")
    if lab and hosts:
        prepare_lab(replace(session, announcer=Announcer()))  # a lab's own logbook is no news
    exchange(session)
    try:
        with terminal.when_a_question_waits(session.announcer.question):
            yield session
    finally:
        for line in session.announcer.settle():
            terminal.warn(f"{line[:1].upper()}{line[1:]}")
        if session.logbook.unpushed():
            exchange(session)
        if lab:
            write_index(session)
        refresh(session)


def prepare_lab(session: Session) -> None:
    """Set up the logbook on a lab host that has none yet, recorded like any other playbook.

    Raises:
        Failed: the playbook did not do it.
    """
    host = session.inventory.policy.logbook_host
    if host not in session.inventory.hosts or session.logbook.fetch().state != "unreachable":
        return
    with terminal.progress("Setting up the logbook on its host"):
        record, why_not = run_playbook(session, "logbook.yml", "set up the logbook of the lab", host)
    if record.outcome != "verified":
        raise Failed(f"the logbook could not be set up ({why_not})", next_step=f"invoke changes.show {record.id}")
    session.logbook.forget_remote()  # a lab's host is new: what an earlier one had received is gone with it


def exchange(session: Session) -> None:
    """Send what is not yet off-host and take over what others sent; say so where that does not work."""
    sent = session.logbook.push()
    waiting = session.logbook.unpushed()
    if waiting and not sent.off_host:
        terminal.warn(f"Not yet off-host: {waiting} entries ({sent.reason}). The next command tries again.")
