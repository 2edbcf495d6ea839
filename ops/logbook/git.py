"""Git as a subprocess: the one place where it is started, apart from whatever the user or the machine configured."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.errors import Failed

LEFT = "the logbook is as it was"
KEPT = ("PATH", "HOME", "SSH_AUTH_SOCK", "TZ")
"""What git may see of the user's environment: where programs, known hosts and the agent are."""

FIXED = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C.UTF-8",
    "LANGUAGE": "",
}


@dataclass(frozen=True)
class Done:
    """How a git command ended: its exit code and what it printed."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """What it printed, without the blanks around."""
        return self.out.decode(errors="replace").strip()


@dataclass(frozen=True)
class Git:
    """Git in one work tree, with settings that hold for each command."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def attempt(
        self, *arguments: str, stdin: bytes = b"", limit_seconds: int = 60, extra: Mapping[str, str] | None = None
    ) -> Done:
        """Run git with *arguments* and return how it ended, whatever that is.

        Args:
            arguments: of git.
            stdin: what it reads.
            limit_seconds: how long it may take.
            extra: environment for this command only.

        Raises:
            Failed: it did not end in time.
        """
        settings = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        command = ["git", "-C", str(self.folder), *settings, *arguments]
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment = {**kept, **FIXED, **self.environment, **(extra or {})}
        try:
            done = subprocess.run(
                command, check=False, input=stdin, capture_output=True, timeout=limit_seconds, env=environment
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"git {arguments[0]} did not end within {limit_seconds} s", left=LEFT) from None
        return Done(done.returncode, done.stdout, done.stderr.decode(errors="replace").strip())

    def run(
        self, *arguments: str, stdin: bytes = b"", limit_seconds: int = 60, extra: Mapping[str, str] | None = None
    ) -> Done:
        """Run git with *arguments* as ``attempt`` does.

        Raises:
            Failed: it ended with another code than 0, or not in time.
        """
        done = self.attempt(*arguments, stdin=stdin, limit_seconds=limit_seconds, extra=extra)
        if done.code:
            raise Failed(f"git {arguments[0]} failed in {self.folder}: {done.err[-400:]}", left=LEFT)
        return done
