"""Runbooks, change log and audit pages as a site that opens without a server."""

from pathlib import Path

from invoke import Collection, Context

from ops import terminal
from ops.change.session import Session
from ops.errors import BadInput, Failed
from ops.logbook.verify import Audit
from ops.logbook.verify import audit as verify
from ops.publish import procedure
from ops.runbook.language import LANGUAGES
from ops.runbook.serve import server
from ops.runbook.site import Built
from ops.runbook.tracker import fetch
from ops.tasks import pages
from ops.tasks.changes import day
from ops.tasks.command import command
from ops.tasks.patch import REASON, required
from ops.tasks.work import INVENTORY, at_work

PORT = 8000


@command(
    help={
        "serve": "serve the pages on this machine afterwards, until Ctrl-C",
        "port": "of 127.0.0.1, with --serve",
        "lang": "de, en, or both: then each page has a button that switches",
        "since": "leave out changes before this day, e.g. 2026-11-01",
        "to": "the folder, site in the checkout by default",
        "pdf": "make PDFs, too: of the pages that auditors print, and of each month with all its changes",
        "audit": "verify the logbook first, and say on the pages what was found",
        "tracker": "data of Debian's security tracker (JSON): a file, or the address that it is fetched from now",
        "inventory": INVENTORY,
    },
)
def runbook(
    c: Context,
    serve: bool = False,
    port: int = PORT,
    lang: str = "both",
    since: str = "",
    to: str = "",
    pdf: bool = False,
    audit: bool = False,
    tracker: str = "",
    inventory: str = "inventory/lab",
) -> None:
    """Make runbooks, change log and audit pages from logbook, playbooks and inventory: a site that opens from its folder.

    Only what is new is read and written. Every other command brings the site up to date, too, once it is there.

    Example: invoke runbook --serve
    """
    first = f"{day(since):%Y-%m-%d}" if since else ""
    folder, chosen = Path(to) if to else pages.FOLDER, languages(lang)
    with at_work(Path(inventory)) as session, terminal.progress("Making the pages"):
        lacking = pages.lacking() if pdf else ""
        options = {"languages": chosen, "since": first, "tracker": tracker_file(session, tracker)}
        more = {"audit": found(session) if audit else None, "pdf": pdf and not lacking}
        built = pages.make(session, folder, {**options, **more})
    report(built, folder, lacking)
    if serve:
        run_server(folder, port)


def tracker_file(session: Session, given: str) -> Path | None:
    """Return the file with the tracker's data, fetched where an address is *given*; it is kept beside the logbook's clone."""
    if "://" in given:
        return fetch(given, session.spools.with_name("tracker.json"))
    return Path(given) if given else None


def report(built: Built, folder: Path, lacking: str) -> None:
    """Say what was made, and what to do where PDFs could not be.

    Raises:
        Failed: PDFs were asked for, and libraries are *lacking*.
    """
    made = f"{built.written} pages written, {built.printed} PDFs made"
    terminal.say(f"{built.changes} changes, {built.read} of them read now; {made}.")
    terminal.say(f"Open {folder.resolve() / 'index.html'}")
    if lacking:
        raise Failed("no PDF was made: libraries are missing", left="the pages are there", next_step=lacking)


@command(help={"reason": REASON, "yes": "answer the question with the number of hosts", "inventory": INVENTORY})
def publish(
    c: Context, reason: str = "as the logbook has it", yes: bool = False, inventory: str = "inventory/lab"
) -> None:
    """Put the site on its host, where each office reads it with its login: verify the logbook, show what is new, ask, record it.

    Makes it anew in a folder of its own, so that nothing else can get there. Where only its own publications were recorded since,
    nothing is done. Exits 1 if it is not live, and then what was live before is live again; 3 if nobody answers the question.

    Example: invoke runbook.publish --reason 'for the audit of November'
    """
    with at_work(Path(inventory), hosts=True) as session:
        wish = procedure.Wish(required(reason), yes)
        procedure.publish(session, lambda: pages.apart(session, {"audit": found(session)}), wish)


def languages(lang: str) -> tuple[str, ...]:
    """Return the languages that *lang* asks for.

    Raises:
        BadInput: it is none of de, en, both.
    """
    if lang not in (*LANGUAGES, "both"):
        raise BadInput(
            f"{lang!r} is no language of the pages", left="nothing was written", next_step="use de, en or both"
        )
    return LANGUAGES if lang == "both" else (lang,)


def found(session: Session) -> Audit:
    """Return what an audit of the logbook finds now."""
    rules = {str(category): str(rule) for category, rule in session.inventory.policy.approval.items()}
    return verify(session.logbook, session.operators, rules=rules)


def run_server(folder: Path, port: int) -> None:
    """Serve *folder* until Ctrl-C."""
    with server(folder, port) as serving:
        terminal.say(f"http://127.0.0.1:{serving.server_port}/ until Ctrl-C")
        serving.serve_forever()


namespace = Collection("runbook", publish)
namespace.add_task(runbook, name="runbook", default=True)
