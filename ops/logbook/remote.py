"""The logbook's other end: a bare repository where operators can neither rewrite nor delete, and its receipts."""

import shlex
import subprocess
from dataclasses import dataclass
from typing import Literal

from ops.logbook.git import Git
from ops.logbook.model import Model

MAIN = "refs/heads/main"
REMOTE = "refs/remotes/origin/main"


class Push(Model):
    """How sending ended.

    ``pushed`` and ``nothing`` are good; ``local`` has no remote. ``unreachable``, ``refused`` (by the server, or since
    an entry contradicts one that is there), ``waits`` (for another operator) and ``rewritten`` say the reason.
    """

    state: Literal["pushed", "nothing", "local", "unreachable", "refused", "waits", "overtaken", "rewritten"]
    count: int = 0
    reason: str = ""

    @property
    def off_host(self) -> bool:
        """Whether all entries of this clone are off-host now."""
        return self.state in ("pushed", "nothing")


@dataclass(frozen=True)
class Remote:
    """The remote of one clone: its address (``user@host:path``, empty for none) and how SSH reaches it."""

    git: Git
    address: str
    ssh_command: str

    def settings(self) -> dict[str, str]:
        """Return the clone's settings for it; without ``+`` in the refspec a rewritten history is not taken over."""
        if not self.address:
            return {}
        return {"remote.origin.url": self.address, "remote.origin.fetch": f"{MAIN}:{REMOTE}"}

    def head(self) -> str:
        """Return the newest commit that the remote is known to have, empty if none."""
        return self.git.attempt("rev-parse", "--verify", "--quiet", REMOTE).text

    def fetch(self) -> Push:
        """Fetch what the remote has; the result is ``nothing``, ``unreachable`` or ``rewritten``."""
        refspec = f"{MAIN}:{REMOTE}"
        done = self.git.attempt("fetch", "--no-tags", "--no-auto-gc", "origin", refspec, limit_seconds=90)
        if done.code == 0 or "couldn't find remote ref" in done.err:
            return Push(state="nothing")
        if "[rejected]" in done.err or "non-fast-forward" in done.err:
            return Push(state="rewritten", reason=f"{self.address} does not continue the history that was seen there")
        return Push(state="unreachable", reason=_last(done.err))

    def push(self, commit: str, count: int) -> Push:
        """Send the history up to *commit*, of which *count* commits are new there."""
        done = self.git.attempt("push", "--porcelain", "--no-verify", "origin", f"{commit}:{MAIN}", limit_seconds=120)
        if done.code == 0:
            return Push(state="pushed", count=count)
        if "[rejected]" in done.text or "but expected" in done.err:
            return Push(state="overtaken", reason="another laptop pushed at the same time")
        if "[remote rejected]" in done.text:
            return Push(state="refused", reason=_words(done.err) or done.text)
        return Push(state="unreachable", reason=_last(done.err))

    def refs(self) -> dict[str, str] | None:
        """Return the refs that the remote has now, None where it does not answer."""
        done = self.git.attempt("ls-remote", "--quiet", "origin", limit_seconds=90)
        rows = (line.split("\t") for line in done.text.splitlines())
        return {ref: commit for commit, ref in rows} if done.code == 0 else None

    def receipts(self) -> str | None:
        """Return the text of the server's receipts, None where it does not answer."""
        where, _, _path = self.address.partition(":")
        command = [*shlex.split(self.ssh_command), where, "receipts"]
        try:
            done = subprocess.run(command, check=False, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _words(text: str) -> str:
    said = (line.removeprefix("remote:").strip() for line in text.splitlines() if line.startswith("remote:"))
    return "; ".join(line for line in said if line)


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    general = ("fatal: Could not read", "Please make sure", "and the repository")
    useful = [line for line in lines if not line.startswith(general)]
    return (useful or lines or ["no answer"])[-1]
