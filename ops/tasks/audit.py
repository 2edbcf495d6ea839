"""Whether the logbook is what it claims to be, here and for somebody who comes from outside."""

from datetime import UTC, datetime
from pathlib import Path

from invoke import Collection, Context

from ops import terminal
from ops.change.session import Session
from ops.errors import BadInput, Failed
from ops.logbook.export import Exported, Span, export
from ops.logbook.verify import Audit
from ops.logbook.verify import audit as verify
from ops.tasks import pages
from ops.tasks.changes import day
from ops.tasks.command import command
from ops.tasks.work import INVENTORY, at_work


@command(
    help={
        "since": "show only what is wrong with entries since this day, e.g. 2026-11-01; all are verified",
        "cold": "read everything anew, whatever an earlier audit on this machine found good",
        "json": "print what was found as JSON",
        "inventory": INVENTORY,
    },
)
def audit(
    c: Context, since: str = "", cold: bool = False, json: bool = False, inventory: str = "inventory/lab"
) -> None:
    """Verify the whole logbook: signatures, keys, approvals, plans against what was applied, nothing missing or changed.

    Example: invoke audit --json
    """
    terminal.quiet(json)
    first = day(since)
    with at_work(Path(inventory)) as session, terminal.progress("Verifying the logbook"):
        found = verified(session, first, cold=cold)
    if json:
        terminal.data(found.model_dump(mode="json"))
    report(found)


@command(
    help={
        "since": "first day whose changes are laid open, e.g. 2026-01-01",
        "until": "last day, e.g. 2026-03-31; today by default",
        "to": "file to write; logbook-SINCE-UNTIL.tar.gz in this folder by default",
        "inventory": INVENTORY,
    },
)
def export_audit(c: Context, since: str, until: str = "", to: str = "", inventory: str = "inventory/lab") -> None:
    """Write one archive for an auditor: records, history, receipts, who may sign, PDFs to read, and how to verify it without us.

    Example: invoke audit.export --since 2026-01-01 --until 2026-03-31
    """
    span = days(since, until)
    path = Path(to or f"logbook-{span.since:%Y-%m-%d}-{span.until:%Y-%m-%d}.tar.gz")
    with at_work(Path(inventory)) as session, terminal.progress("Verifying and exporting the logbook"):
        found, lacking = verified(session, None, cold=True), pages.lacking()
        show = pages.without if lacking else pages.on_paper(session, f"{span.since:%Y-%m-%d}", found)
        written = export(session.logbook, session.operators, span, found.findings, path, show)
    if lacking:
        terminal.warn(f"There are no PDFs in it: libraries are missing. Next: {lacking}")
    report_export(written)


def verified(session: Session, since: datetime | None, *, cold: bool) -> Audit:
    """Return what an audit of the session's logbook finds, by the rules of its inventory."""
    rules = {str(category): str(rule) for category, rule in session.inventory.policy.approval.items()}
    return verify(session.logbook, session.operators, rules=rules, since=since, cold=cold)


def days(since: str, until: str) -> Span:
    """Return the span from *since* to *until*, today where that is empty.

    Raises:
        BadInput: one is no day, or they are the wrong way round.
    """
    first, last = day(since), day(until) or day(f"{datetime.now(UTC):%Y-%m-%d}")
    if first is None or last is None or first > last:
        raise BadInput(f"{since!r} to {until!r} is no span of time", next_step="--since 2026-01-01 --until 2026-03-31")
    return Span(since=first, until=last)


def report_export(written: Exported) -> None:
    """Say what was written.

    Raises:
        Failed: the audit before it found something; it stands in the archive.
    """
    terminal.say(f"{written.path}: {written.changes} changes, the history of {written.commits} commits, verify.py.")
    if written.findings:
        raise Failed(f"the audit has {written.findings} findings; they are in the archive", next_step="invoke audit")


def report(found: Audit) -> None:
    """Say what the audit found.

    Raises:
        Failed: it found something, or could not compare with the off-host repository.
    """
    if not found.good:
        rows = [(finding.commit[:12], finding.path, finding.what) for finding in found.findings]
        terminal.table("Found", ("commit", "path", "what"), rows)
        raise Failed(
            f"the logbook has {len(rows)} findings{before(found)}", next_step="look at each commit with git show"
        )
    if found.remote not in ("checked", "none"):
        raise Failed(
            f"nothing was found in {found.commits} commits here, but the off-host repository was {found.remote}",
            next_step="run it again when its host answers",
        )
    terminal.say(
        f"{found.changes} changes in {found.commits} signed commits, {found.off_host} of them received off-host "
        f"({found.remote}): nothing missing, nothing changed{before(found)}. {found.judged} commits were read this time."
    )


def before(found: Audit) -> str:
    """Return how many findings are from before the day that was asked for, in words; nothing if none."""
    return f", {found.earlier} more from before" if found.earlier else ""


namespace = Collection("audit")
namespace.add_task(audit, name="audit", default=True)
namespace.add_task(export_audit, name="export")
