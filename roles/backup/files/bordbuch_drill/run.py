"""The run: one drill at a time, its steps in their order, and the cleaning whatever happens."""

import contextlib
import fcntl
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bordbuch_pgbackrest import Fault

from bordbuch_drill.application import application, count_votes
from bordbuch_drill.compare import collations, marker, names, pages, rows, rows_read, schema_version, sequences
from bordbuch_drill.model import Drill, Failed, Interrupted, Outcome, Paths, Skipped
from bordbuch_drill.prepare import backups_made, choose_target, clock, configure, look, recovery_point
from bordbuch_drill.programs import end, read, remove
from bordbuch_drill.replay import replay
from bordbuch_drill.request import of_the_week
from bordbuch_drill.restore import restore
from bordbuch_drill.result import verdict, write_result
from bordbuch_drill.server import recover, recovery_time


@dataclass(frozen=True)
class Step:
    """A part of the drill, and the parts without which it makes no sense."""

    name: str
    act: Callable[[Drill], str]
    needs: tuple[str, ...] = ()


def missing_need(step: Step, outcomes: Iterable[Outcome]) -> str:
    """Return the first need of *step* that has not passed, empty if there is none."""
    passed = {outcome.name for outcome in outcomes if outcome.state == "passed"}
    return next((name for name in step.needs if name not in passed), "")


def clean(drill: Drill) -> str:
    """End what was started and remove the work folder."""
    end(drill.application)
    # First without waiting for anybody, then at once.
    end(drill.server, signal.SIGINT, signal.SIGQUIT)
    remove(drill.paths.work)
    return "nothing is left"


STEPS = (
    Step("configuration", configure),
    Step("look", look, ("configuration",)),
    Step("recovery point", recovery_point, ("look",)),
    Step("backups made", backups_made, ("look",)),
    Step("clock", clock, ("configuration",)),
    Step("target", choose_target, ("look",)),
    Step("restore", restore, ("target",)),
    Step("recovery", recover, ("restore",)),
    Step("recovery time", recovery_time, ("recovery",)),
    Step("marker", marker, ("recovery",)),
    Step("pages and indexes", pages, ("recovery",)),
    Step("every row read", rows_read, ("recovery",)),
    Step("databases, roles, extensions", names, ("marker",)),
    Step("rows", rows, ("marker",)),
    Step("sequences", sequences, ("marker",)),
    Step("collations", collations, ("recovery",)),
    Step("schema version", schema_version, ("marker",)),
    Step("replay", replay, ("recovery",)),
    Step("vote count", count_votes, ("replay",)),
    Step("application", application, ("replay",)),
)

CLEAN = Step("clean", clean)


def perform(drill: Drill, step: Step) -> None:
    """Do a step, unless one that it needs has not passed, and write down how it ended."""
    began = time.monotonic()
    by_configuration = False
    try:
        if need := missing_need(step, drill.outcomes):
            raise Skipped(f"not done, because of: {need}")
        state, detail = "passed", step.act(drill)
    except Skipped as why:
        state, detail, by_configuration = "skipped", str(why), why.by_configuration
    except (Failed, Fault) as why:
        state, detail = "failed", str(why)
    except Exception as error:  # whatever it is, the place is to be cleaned and the result to be written
        traceback.print_exc()
        state, detail = "failed", f"{type(error).__name__}: {error}"
    note(drill, Outcome(step.name, state, round(time.monotonic() - began), detail, by_configuration))


def note(drill: Drill, outcome: Outcome) -> None:
    """Keep an outcome, show it, and write the result as far as it has come."""
    drill.outcomes.append(outcome)
    print(f"{outcome.name}: {outcome.state}, {outcome.seconds} s: {outcome.detail}", flush=True)
    write_result(drill, "")


def carry_out(drill: Drill) -> str:
    """Do all steps, clean up whatever happens, and return the verdict."""
    try:
        for step in STEPS:
            perform(drill, step)
    except Interrupted as why:
        done = {outcome.name for outcome in drill.outcomes}
        at = next((step.name for step in STEPS if step.name not in done), CLEAN.name)
        note(drill, Outcome(at, "failed", 0, str(why)))
    finally:
        listen(signal.SIG_IGN)
        perform(drill, CLEAN)
    conclusion = verdict(drill.outcomes, [step.name for step in (*STEPS, CLEAN)])
    write_result(drill, conclusion)
    return conclusion


def listen(handler: Any) -> None:
    """Let *handler* take the signals that end a program."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handler)


def interrupt(number: int, _frame: object) -> None:
    """Raise what ends the drill. A second signal must not keep the place from being cleaned."""
    listen(signal.SIG_IGN)
    raise Interrupted(f"the drill was interrupted ({signal.Signals(number).name})")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a second drill out.

    Raises:
        Failed: there is one.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed("Another drill is running.") from None
        yield
    finally:
        os.close(descriptor)


def main(arguments: Sequence[str], paths: Paths) -> int:
    """Hold the drill that is asked for and return the exit code."""
    os.umask(0o077)
    listen(interrupt)
    try:
        with alone(paths.state):
            wanted = Path(arguments[0]) if arguments else None
            now = datetime.now(UTC)
            if wanted and wanted.exists():
                asked = read(wanted, "The request")
            else:
                said = paths.configuration.read_text("utf-8") if paths.configuration.exists() else ""
                asked = of_the_week(now.toordinal() // 7, said)
            conclusion = carry_out(Drill(paths, now, asked))
    except (Failed, OSError) as why:
        print(f"There was no drill: {why}", file=sys.stderr)
        return 1
    print(conclusion)
    return 1 if conclusion == "fail" else 0
