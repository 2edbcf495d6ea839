"""The copy of the passphrase for the safe: what drills open the repository with, written to a file and nowhere else."""

import os
from pathlib import Path

from ops import terminal
from ops.change.collect import run_playbook
from ops.change.session import Session
from ops.errors import BadInput, Failed


def write(session: Session, file: Path, reason: str) -> None:
    """Fetch the copy into *file*, which only its owner reads, as a recorded change.

    Raises:
        BadInput: the file is there already, or its folder is not.
        Failed: the host did not give it; nothing is left of the file.
    """
    target = file.expanduser().absolute()
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise BadInput(f"{target} cannot be made: {error.strerror}", left="nothing was fetched") from None
    record, why_not = run_playbook(session, "backup_escrow.yml", f"escrow copy: {reason}", escrow_to=str(target))
    if record.outcome != "verified":
        target.unlink()
        raise Failed(f"the copy was not fetched ({why_not})", left="nothing was written", next_step="invoke deploy")
    terminal.say(
        f"{target} has what opens the repository. Print it, put it into the safe, and remove the file: shred -u {target}"
    )
    terminal.say(f"Record {record.id}: {record.outcome}. Each drill proves that this copy still opens the repository.")
