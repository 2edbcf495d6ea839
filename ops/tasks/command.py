"""The one place where an error becomes an exit code: what every Invoke task is wrapped in."""

import functools
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from invoke import Context, Exit, Task, task
from invoke.exceptions import ParseError
from invoke.program import Program
from pydantic import ValidationError

from ops import terminal
from ops.errors import BadInput, Failed, OpsError


def command(**options: Any) -> Callable[[Callable[..., None]], "Task[Callable[..., None]]"]:
    """Make a function an Invoke task whose faults are printed as sentences; *options* are those of `invoke.task`."""

    def decorate(body: Callable[..., None]) -> "Task[Callable[..., None]]":
        @functools.wraps(body)
        def run(context: Context, *args: Any, **kwargs: Any) -> None:
            with boundary():
                refuse_dry(context)
                body(context, *args, **kwargs)

        made: Task[Callable[..., None]] = task(**options)(run)
        return made

    return decorate


def refuse_dry(context: Context) -> None:
    """Refuse Invoke's ``--dry``, which would print local commands and still act on hosts.

    Raises:
        BadInput: it was given.
    """
    if context.config.run.dry:
        raise BadInput("--dry is not offered", left="nothing was touched", next_step="use patch.plan")


@contextmanager
def boundary() -> Iterator[None]:
    """Turn faults into a message on standard error and an exit code.

    Raises:
        Exit: with the code of the fault (see `ops.errors`).
    """
    try:
        yield
    except OpsError as error:
        terminal.warn(message(error))
        raise Exit(code=error.exit_code) from None
    except ValidationError as error:
        terminal.warn(message(bad_input(error)))
        raise Exit(code=BadInput.exit_code) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        terminal.warn(message(Failed(f"the machine did not do what was asked of it: {error}")))
        raise Exit(code=Failed.exit_code) from None
    except KeyboardInterrupt:
        terminal.warn("Stopped from the keyboard. What was begun on hosts ends by itself; run it again to go on.")
        raise Exit(code=1) from None


def message(error: OpsError) -> str:
    """Return what is printed of *error*: what, where, what was left as it was, what to do next."""
    where = f"{error.host}: " if error.host else ""
    lines = [f"{type(error).__name__}: {where}{error.what}."]
    lines += [f"Left as it was: {error.left}."] if error.left else []
    lines += [f"Next: {error.next_step}"] if error.next_step else []
    return "\n".join(lines)


def bad_input(error: ValidationError) -> BadInput:
    """Return pydantic's complaint as one sentence: each field and what is wrong with it, without the values."""
    faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    return BadInput(f"{error.title} is not valid ({'; '.join(faults)})")


def let_usage_errors_exit_2() -> None:
    """Give Invoke's own usage errors the exit code of bad usage; Invoke says 1, which here means "failed"."""
    original = Program.parse_tasks

    def parse_tasks(self: Program) -> None:
        try:
            original(self)
        except ParseError as error:
            raise Exit(message=str(error), code=BadInput.exit_code) from None

    # Invoke offers no other way for a program that is started as plain `invoke`.
    Program.parse_tasks = parse_tasks  # type: ignore[method-assign]  # assigning a method is what is meant
