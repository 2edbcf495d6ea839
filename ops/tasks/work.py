"""What every command that works on an inventory does first."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops import terminal
from ops.change.collect import collect
from ops.change.session import Session, open_session

INVENTORY = "the inventory's folder, inventory/lab by default"


@contextmanager
def at_work(inventory: Path) -> Iterator[Session]:
    """Yield the session of *inventory*: its records pushed, what was run by hand meanwhile recorded; push again at the end."""
    session = open_session(inventory)
    for record in collect(session):
        terminal.say(f"Recorded {record.command}: {record.outcome} ({record.id})")
    session.logbook.push()
    try:
        yield session
    finally:
        session.logbook.push()
