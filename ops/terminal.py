"""Asking, tables, progress: the one place that writes to the screen.

What was asked for goes to standard output; progress, questions and errors go to standard error, so that a pipe stays
clean. Nothing is said by colour alone.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import Progress as Display
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ops.errors import Waiting

_SHORT = 2.0
"""Seconds; what takes less is not worth a line."""

_WIDE = 200
"""Columns of a table that goes into a file or a pipe."""

PATIENCE_SECONDS = 180.0
"""After how long somebody else is told that a question waits; the three minutes are those of Wikimedia's operators."""

Told = Callable[[str, datetime], None]
"""Is told which question waits, and since when."""

_told: Told | None = None
_lock = threading.Lock()
_display: Display | None = None
_quiet = False


def quiet(on: bool) -> None:
    """Keep standard output for JSON: *on* sends `say` and `table` to standard error."""
    global _quiet  # noqa: PLW0603  (one screen per process)
    _quiet = on


def say(text: str) -> None:
    """Print a sentence or a block of text."""
    _console().print(Text(text), soft_wrap=True)


def warn(text: str) -> None:
    """Print *text* to standard error, where a pipe does not get it."""
    _console(error=True).print(Text(text), soft_wrap=True)


def data(value: Any) -> None:
    """Print *value* as JSON to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print *rows* under *columns*."""
    grid = Table(*columns, title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    _console().print(grid)


def ask_number(question: str, expected: int) -> bool:
    """Ask *question* and return whether the answer is the number *expected*.

    Raises:
        Waiting: there is no terminal to ask on.
    """
    return ask_word(question, str(expected))


def ask_word(question: str, expected: str) -> bool:
    """Ask *question* and return whether the answer is the word *expected*.

    Raises:
        Waiting: there is no terminal to ask on.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Waiting(
            "this needs an answer and there is no terminal to ask on",
            left="nothing was changed",
            next_step="run it on a terminal, or with --yes",
        )
    sys.stderr.write(f"{question}: ")
    sys.stderr.flush()
    with _patience(question):
        return sys.stdin.readline().strip() == expected


@contextmanager
def when_a_question_waits(told: Told) -> Iterator[None]:
    """Have *told* called, from a thread of its own, for each question that is not answered for ``PATIENCE_SECONDS``."""
    global _told  # noqa: PLW0603  (one screen per process)
    before, _told = _told, told
    try:
        yield
    finally:
        _told = before


@contextmanager
def _patience(question: str) -> Iterator[None]:
    if _told is None:
        yield
        return
    timer = threading.Timer(PATIENCE_SECONDS, _told, (question, datetime.now(UTC)))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Progress:
    """A step that may take longer than two seconds, with the time since its beginning.

    On a terminal it is a moving line; elsewhere one line when it has become long, and one at its end, with seconds.
    """

    def __init__(self, what: str) -> None:
        self.what, self._detail, self._task = what, "", TaskID(0)
        self._long = threading.Timer(_SHORT, self._announce)
        self._long.daemon = True

    def update(self, detail: str) -> None:
        """Say how far the step is."""
        self._detail = detail
        if sys.stderr.isatty():
            _on_display(lambda display: display.update(self._task, description=self._line()))

    def __enter__(self) -> "Progress":
        self._began = time.monotonic()
        if sys.stderr.isatty():
            self._task = _on_display(lambda display: display.add_task(self._line(), total=None))
        else:
            self._long.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._long.cancel()
        if sys.stderr.isatty():
            _on_display(lambda display: display.remove_task(self._task))
        seconds = time.monotonic() - self._began
        if seconds >= _SHORT:
            warn(f"{self.what}: {'not finished' if kind else 'done'}, {seconds:.0f} s")

    def _announce(self) -> None:
        warn(f"{self.what} …")

    def _line(self) -> str:
        return f"{self.what}  {self._detail}".rstrip()


def progress(what: str) -> Progress:
    """Return the context manager that shows *what* while it goes on."""
    return Progress(what)


def _console(error: bool = False) -> Console:
    stream = sys.stderr if error or _quiet else sys.stdout
    if _display is not None and stream.isatty():
        return _display.console
    return Console(file=stream, highlight=False, width=None if stream.isatty() else _WIDE)


def _on_display(act: Any) -> Any:
    """Call *act* with the one display of running steps; it is there while there are any."""
    global _display  # noqa: PLW0603  (one screen per process)
    with _lock:
        if _display is None:
            _display = _new_display()
            _display.start()
        result = act(_display)
        if not _display.tasks:
            _display.stop()
            _display = None
        return result


def _new_display() -> Display:
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    return Display(*columns, console=Console(stderr=True, highlight=False), transient=True)
