"""The site of runbooks, made for the session of a command."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ops import terminal
from ops.change.session import ROOT, Session
from ops.errors import OpsError
from ops.logbook.export import Show, Shown
from ops.logbook.verify import Audit
from ops.publish.procedure import Site
from ops.runbook import pdf
from ops.runbook.ingredients import basis
from ops.runbook.site import Built, Job, again, build

FOLDER = ROOT / "site"


def make(session: Session, folder: Path, options: Mapping[str, Any]) -> Built:
    """Make the site of *session* in *folder*; *options* are fields of `Job`."""
    return build(job(session, folder, options))


def job(session: Session, folder: Path, options: Mapping[str, Any]) -> Job:
    """Return what the site of *session* in *folder* is to be made from; *options* are fields of `Job`."""
    return Job(folder, ROOT, session.logbook, session.inventory, session.operators, **options)


def apart(session: Session, options: Mapping[str, Any]) -> Site:
    """Make the site of *session* in a folder beside the logbook, where nobody keeps anything, and return what it is."""
    made_from = job(session, session.spools.with_name("published"), options)
    head = session.logbook.head()
    build(made_from)
    return Site(made_from.folder, head, basis(made_from))


def lacking() -> str:
    """Return what to do so that PDFs can be made here, empty if they can."""
    packages = pdf.missing()
    return f"{pdf.INSTALL} {' '.join(packages)}" if packages else ""


def on_paper(session: Session, since: str, audit: Audit) -> Show:
    """Return what makes the pages of an export as PDF, of just what goes along in it, and as of then."""

    def show(shown: Shown) -> dict[str, bytes]:
        with TemporaryDirectory() as temporary:
            folder = Path(temporary) / "site"
            of = {"tip": shown.tip, "only": frozenset(shown.changes), "now": shown.received}
            make(session, folder, {**of, "since": since, "audit": audit, "pdf": True})
            found = sorted(folder.rglob("*.pdf"))
            return {flat(path.relative_to(folder)): path.read_bytes() for path in found}

    return show


def without(_shown: Shown) -> dict[str, bytes]:
    """Return no pages."""
    return {}


def flat(path: Path) -> str:
    """Return the name in an export of the PDF at *path* in a site: ``changes-2026-11-1-de.pdf``."""
    return path.as_posix().replace("/changes-", "-").replace("/index", "").replace("/", "-")


def refresh(session: Session) -> None:
    """Bring the site up to date where one was made of this inventory; a command never fails for it."""
    try:
        options = again(FOLDER, session.inventory, session.logbook.head())
        if options is not None:
            make(session, FOLDER, options)
    except (OpsError, OSError) as error:
        terminal.warn(f"The pages in {FOLDER.name}/ are not up to date: {error}. Next: invoke runbook")
