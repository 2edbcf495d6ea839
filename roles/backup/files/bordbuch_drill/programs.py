"""Programs and files: how they are run, ended, read and removed."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bordbuch_drill.model import Drill, Failed, settled

PORT = 54329
"""Of the throwaway server. It names the socket; nothing listens on a network."""

SUPERUSER = "postgres"

RESTORE_SECONDS = 4 * 3600
READ_SECONDS = 2 * 3600
STATEMENT_SECONDS = 600
SHORT_SECONDS = 60
COUNT_SECONDS = 900
"""Time limits of programs: restore and recovery, reading everything, a query, a question, a count of votes."""


@dataclass
class Done:
    """What a program left."""

    code: int
    out: str
    err: str


def program(drill: Drill, name: str) -> str:
    """Return a program of the PostgreSQL version in question: the one in PATH may be of another."""
    return str(drill.paths.postgresql / settled(drill).version / "bin" / name)


def environment(drill: Drill, database: str = "", user: str = SUPERUSER) -> dict[str, str]:
    """Return the variables of every program: none of ours, none that points anywhere but into the work folder."""
    work = str(drill.paths.work)
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": work, "TMPDIR": work}
    if not database:
        return variables
    return {
        **variables,
        "PGHOST": f"{work}/socket",
        "PGPORT": str(PORT),
        "PGUSER": user,
        "PGDATABASE": database,
        "PGCONNECT_TIMEOUT": "10",
        "PGSYSCONFDIR": work,
    }


def run(
    drill: Drill, command: Sequence[str], seconds: int, variables: Mapping[str, str] | None = None, text: str = ""
) -> Done:
    """Run *command*, which gets *text*, and return what it left. Whatever ends the waiting ends it, too.

    Raises:
        Failed: it is not there, or was not done in time.
    """
    pipe = subprocess.PIPE
    text_mode = {"encoding": "utf-8", "errors": "replace"}
    with opened(drill, command, variables, stdin=pipe, stdout=pipe, stderr=pipe, **text_mode) as process:
        try:
            out, err = process.communicate(text, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{Path(command[0]).name} was not done after {seconds} s.") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    return Done(process.returncode, out, err)


def start(
    drill: Drill, command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that goes on, with what it says in a file.

    Raises:
        Failed: it is not there.
    """
    with log.open("wb") as file:
        return opened(drill, command, variables, stdin=subprocess.DEVNULL, stdout=file, stderr=file)


def opened(
    drill: Drill, command: Sequence[str], variables: Mapping[str, str] | None, **streams: Any
) -> subprocess.Popen[Any]:
    """Open a program with a session of its own, so that all of it can be ended.

    Raises:
        Failed: it is not there.
    """
    environ = dict(variables or environment(drill))
    try:
        return subprocess.Popen(command, cwd="/", env=environ, start_new_session=True, **streams)
    except OSError as error:
        raise Failed(f"{command[0]} cannot be run: {error.strerror}.") from error


def said(log: Path) -> str:
    """Return what a program that goes on has said."""
    return log.read_text(encoding="utf-8", errors="replace")


def end(process: subprocess.Popen[bytes] | None, *signals: int) -> None:
    """End a program: by each of *signals* in turn, and at last by force, with all of its session."""
    if process is None:
        return
    for number in signals:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.send_signal(number)
            process.wait(timeout=SHORT_SECONDS)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read(path: Path, what: str) -> str:
    """Return the text of a file that must be there.

    Raises:
        Failed: it is not, or this account may not read it.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failed(f"{what} cannot be read: {path}: {error.strerror}.") from error


def remove(folder: Path) -> None:
    """Remove *folder*, which need not be there.

    Raises:
        Failed: something of it stays.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Failed(
            f"{folder} could not be removed: {error.strerror}. It holds a copy of the database: remove it."
        ) from error
