"""Whether the logbook is what it claims to be."""

from pathlib import Path

from invoke import Context

from ops import terminal
from ops.errors import Failed
from ops.logbook.verify import Audit
from ops.logbook.verify import audit as verify
from ops.tasks.command import command
from ops.tasks.work import INVENTORY, at_work


@command(help={"json": "print what was found as JSON", "inventory": INVENTORY})
def audit(c: Context, json: bool = False, inventory: str = "inventory/lab") -> None:
    """Verify the whole logbook: signatures, keys, approvals, plans against what was applied, nothing missing or changed.

    Example: invoke audit --json
    """
    terminal.quiet(json)
    with at_work(Path(inventory)) as session, terminal.progress("Verifying the logbook"):
        rules = {str(category): str(rule) for category, rule in session.inventory.policy.approval.items()}
        found = verify(session.logbook, session.operators, rules=rules)
    if json:
        terminal.data(found.model_dump(mode="json"))
    report(found)


def report(found: Audit) -> None:
    """Say what the audit found.

    Raises:
        Failed: it found something, or could not compare with the off-host repository.
    """
    if not found.good:
        rows = [(finding.commit[:12], finding.path, finding.what) for finding in found.findings]
        terminal.table("Found", ("commit", "path", "what"), rows)
        raise Failed(f"the logbook has {len(rows)} findings", next_step="look at each commit with git show")
    if found.remote not in ("checked", "none"):
        raise Failed(
            f"nothing was found in {found.commits} commits here, but the off-host repository was {found.remote}",
            next_step="run it again when its host answers",
        )
    terminal.say(
        f"{found.changes} changes in {found.commits} signed commits, {found.off_host} of them received off-host "
        f"({found.remote}): nothing missing, nothing changed."
    )
