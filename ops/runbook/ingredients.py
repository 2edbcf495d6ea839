"""What a site is made from besides the logbook, as one digest: whoever compares two sites need not read their pages."""

import hashlib
from pathlib import Path

from ops.logbook.canonical import digest
from ops.runbook.site import ASSETS, HERE, Job, version_of

PATTERNS = ("playbooks/**/*.yml", "playbooks/library/*.py", "roles/*/tasks/*.yml", "roles/*/handlers/*.yml")
"""What runbooks are unfolded from, below the checkout."""


def basis(job: Job) -> str:
    """Return a digest of programs, playbooks, roles, inventory and day: pages say what has run out, and what soon will."""
    texts = [HERE / "assets" / name for name in ASSETS]
    texts += [path for pattern in PATTERNS for path in sorted(job.root.glob(pattern))]
    return digest([version_of(job), job.inventory.digest, f"{job.now:%Y-%m-%d}", [_sum(path) for path in texts]])


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
