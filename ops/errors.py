"""What can go wrong, as data: what happened, where, what was left as it was, what to do next, and the exit code.

Exit codes of every command: 0 done and verified, or nothing to do, proven; 1 failed or a gate closed; 2 bad usage or
input; 3 waits for a person (question, approval); 4 refused (freeze, lock, stale approval).
"""

from typing import ClassVar


class OpsError(Exception):
    """A foreseeable fault that the command line prints without a traceback.

    Args:
        what: what happened, one sentence without a full stop.
        host: the host it happened on, empty where it concerns none.
        left: what was left as it was.
        next_step: what the reader can do now, usually a command.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, host: str = "", left: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what, self.host, self.left, self.next_step = what, host, left, next_step


class Failed(OpsError):
    """Something was tried and did not work, or a gate closed."""


class BadInput(OpsError):
    """Usage, inventory or arguments that cannot be meant; nothing was touched."""

    exit_code = 2


class Waiting(OpsError):
    """A person has to answer first: the question on the terminal, or an approval."""

    exit_code = 3


class Refused(OpsError):
    """A rule forbids it: a freeze, a lock, an approval of another digest, a wrong office."""

    exit_code = 4
