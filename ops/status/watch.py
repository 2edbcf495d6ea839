"""The status again and again on one screen, until Ctrl-C."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from itertools import count

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ops.status.facts import Status
from ops.status.show import COLUMNS, filled, lines, rows

PAUSE_SECONDS = 5


def watch(seen: Status, ask: Callable[[], Status], rounds: int | None = None, pause: float = PAUSE_SECONDS) -> None:
    """Show what was *seen*, then what *ask* returns after each *pause* in seconds, for some *rounds* or until Ctrl-C."""
    with suppress(KeyboardInterrupt), Live(console=Console(highlight=False), auto_refresh=False) as live:
        for _round in count() if rounds is None else range(rounds):
            live.update(screen(seen, datetime.now().astimezone()), refresh=True)
            time.sleep(pause)
            seen = ask()
        live.update(screen(seen, datetime.now().astimezone()), refresh=True)


def screen(status: Status, now: datetime) -> Group:
    """Return the *status* as it is shown, with the time *now* at which it was asked."""
    columns, cells = filled(COLUMNS, rows(status))
    grid = Table(*columns, title=f"{now:%H:%M:%S}", title_justify="left", box=None, header_style="bold", pad_edge=False)
    for row in cells:
        grid.add_row(*(Text(cell) for cell in row))
    return Group(grid, *(Text(line) for line in lines(status)), Text("Ctrl-C ends it."))
