"""The status again and again on one screen, until Ctrl-C."""

import time
from collections.abc import Callable
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ops.status.facts import Status
from ops.status.show import COLUMNS, filled, lines, rows

PAUSE_SECONDS = 5


def watch(ask: Callable[[], Status], rounds: int | None = None, pause: float = PAUSE_SECONDS) -> None:
    """Show what *ask* returns, and again after a *pause* in seconds, for a number of *rounds* or until Ctrl-C."""
    with Live(Text("Asking the hosts …"), console=Console(highlight=False), auto_refresh=False) as live:
        while rounds is None or rounds > 0:
            live.update(screen(ask(), datetime.now().astimezone()), refresh=True)
            rounds = None if rounds is None else rounds - 1
            time.sleep(pause if rounds is None or rounds else 0)


def screen(status: Status, now: datetime) -> Group:
    """Return the *status* as it is shown, with the time *now* at which it was asked."""
    columns, cells = filled(COLUMNS, rows(status))
    grid = Table(*columns, title=f"{now:%H:%M:%S}", title_justify="left", box=None, header_style="bold", pad_edge=False)
    for row in cells:
        grid.add_row(*(Text(cell) for cell in row))
    return Group(grid, *(Text(line) for line in lines(status)), Text("Ctrl-C ends it."))
