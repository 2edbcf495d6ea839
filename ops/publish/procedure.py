"""`invoke runbook.publish` from the command line to the record: what is new, the question, the playbook."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ops import terminal
from ops.change.collect import run_playbook
from ops.change.session import Session
from ops.errors import BadInput, Failed
from ops.logbook.files import split_path
from ops.logbook.model import Record
from ops.patch.procedure import confirm, refuse_frozen
from ops.playbook import Playbook, told
from ops.publish import parcel
from ops.publish.parcel import Difference, Made
from ops.request import make_request

LOOK, DO = "publish_look.yml", "publish.yml"
PLAY = "Publish the pages"
"""The play of the playbook, by which a record is known as one of a publication."""

HOWTO = "see docs/howto/publish-the-runbooks.md"
SHOWN = 12
"""How many files are named in the plan."""


@dataclass(frozen=True)
class Site:
    """A site that was made just now: where it is, the newest entry of the logbook in it, a digest of what else it was made from."""

    folder: Path
    head: str
    basis: str


@dataclass(frozen=True)
class Wish:
    """What was typed after ``invoke runbook.publish``."""

    reason: str
    yes: bool = False


def publish(session: Session, make: Callable[[], Site], wish: Wish) -> None:
    """Have the site made, say what is new in it, ask, put it live, record.

    Raises:
        BadInput: the inventory names no host for it, or something lies among the pages.
        Refused: a freeze; recorded.
        Waiting: the question is not answered.
        Failed: the host did not answer, or not as it should; what was live is live as before.
    """
    host = host_of(session)
    request = make_request("playbook", "standard", wish.reason, session.operator, session.inventory)
    refuse_frozen(session, request)
    live = look(session.inventory.path, host)
    with terminal.progress("Making the pages"):
        site = make()
    files = parcel.read(site.folder)
    made = parcel.listed(files, site.head, site.basis)
    if live and nothing_new(session, live, made):
        terminal.say(f"Nothing new to publish: {host} has all but the records of its own publications.")
        return
    difference = parcel.compare(live, made)
    archive = parcel.packed(files, made)
    show(host, difference, sum(map(len, files.values())), len(archive))
    confirm("To publish", 1, wish.yes)
    conclude(session, carry_out(session, host, archive, wish.reason), difference)


def host_of(session: Session) -> str:
    """Return the host that serves the pages.

    Raises:
        BadInput: the inventory names none.
    """
    host = session.inventory.policy.pages_host
    if host not in session.inventory.hosts:
        words = f"pages_host is {host}, which is no host" if host else "no pages_host is set"
        raise BadInput(f"{words} in {session.inventory.path}", left="nothing was published", next_step=HOWTO)
    return host


def look(inventory: Path, host: str) -> Made | None:
    """Return what is live on *host*, None if nothing is; changes nothing.

    Raises:
        Failed: it did not answer, or has no server of pages.
    """
    with terminal.progress(f"Asking {host} what is live"), tempfile.TemporaryDirectory(prefix="bordbuch-") as folder:
        seen, spool = Path(folder, parcel.LIST), Path(folder, "spool")
        events = Playbook(LOOK, inventory, spool, {"publish_on": host, "publish_seen": str(seen)}).run(lambda _e: None)
        bad = next((event for event in events if event.status in ("failed", "unreachable")), None)
        if bad:
            words = told(spool).get(host) or f"{bad.task}: {bad.status}"
            raise Failed(words, host=host, left="nothing was published", next_step=f"invoke deploy, or {HOWTO}")
        return read_list(seen)


def read_list(path: Path) -> Made | None:
    """Return the list that was fetched to *path*, None if there was none or one of another form: then all is new."""
    try:
        return Made.model_validate_json(path.read_bytes()) if path.exists() else None
    except ValidationError:
        return None


def nothing_new(session: Session, live: Made, made: Made) -> bool:
    """Return whether *made* has nothing over *live* but records of publications: each adds one, and would ask for the next."""
    if live.basis != made.basis or not session.logbook.continues(live.head, made.head):
        return False
    places = [split_path(path) for path in session.logbook.paths_since(live.head, made.head)]
    changes = {place[0] for place in places if place}
    return all(place for place in places) and all(is_publication(session, change) for change in changes)


def is_publication(session: Session, change: str) -> bool:
    """Return whether *change* published the pages, or tried to."""
    return any(event.play == PLAY for event in session.logbook.read(change).events)


def show(host: str, difference: Difference, size: int, packed: int) -> None:
    """Show which files are new, changed or gone, and how much goes over the wire."""
    named = [("new", path) for path in difference.new] + [("changed", path) for path in difference.changed]
    rows = [*named, *(("gone", path) for path in difference.gone)]
    terminal.table(f"Pages for {host}", ("what", "file"), rows[:SHOWN])
    if len(rows) > SHOWN:
        terminal.say(f"… {len(rows) - SHOWN} more files")
    terminal.say(
        f"{counted(difference)}; {size / 1e6:.1f} MB, {packed / 1e6:.1f} MB to send. "
        "Whoever has an office's login will read them."
    )


def counted(difference: Difference) -> str:
    """Return how many files are new, changed and gone, in words."""
    return f"{len(difference.new)} files new, {len(difference.changed)} changed, {len(difference.gone)} gone"


def carry_out(session: Session, host: str, archive: bytes, reason: str) -> tuple[Record, str]:
    """Bring *archive* to *host* and put it live, recorded, and return the record and why it failed, empty if it did not."""
    with (
        tempfile.TemporaryDirectory(prefix="bordbuch-") as folder,
        terminal.progress(f"Publishing the pages on {host}"),
    ):
        file = Path(folder, "pages.tar.gz")
        file.write_bytes(archive)
        words = f"publish the pages: {reason}"
        return run_playbook(session, DO, words, publish_on=host, publish_archive=str(file))


def conclude(session: Session, ended: tuple[Record, str], difference: Difference) -> None:
    """Say how it ended, and raise ``Failed`` where it did not end well."""
    record, why_not = ended
    session.logbook.push()
    if record.outcome != "verified":
        raise Failed(
            f"the pages were not published ({why_not})",
            left="what was live is live as before",
            next_step=f"invoke changes.show {record.id}; then invoke deploy --tags pages, and publish again",
        )
    terminal.say(f"Live: {counted(difference)}. Record {record.id}: {record.outcome}.")
