"""Running the machine's own programs: argument lists, always with a time limit, always with a reason when they fail."""

import subprocess
from collections.abc import Sequence

from ops.errors import Failed


def run(argv: Sequence[str], *, given: str | None = None, limit: float = 60) -> str:
    """Run a program and return its standard output.

    Args:
        argv: program and arguments.
        given: its standard input.
        limit: seconds.

    Raises:
        Failed: it is missing, takes longer, or exits with another code than 0.
    """
    try:
        done = subprocess.run(argv, input=given, capture_output=True, text=True, timeout=limit, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{argv[0]} did not run: {error}") from error
    if done.returncode:
        raise Failed(f"{' '.join(argv)} ended with {done.returncode}: {_last_lines(done.stderr or done.stdout)}")
    return done.stdout


def _last_lines(text: str, count: int = 5) -> str:
    return " / ".join(text.strip().splitlines()[-count:])
