"""When each event of a change was spooled: events carry whole seconds, so their file is watched."""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

EVERY_SECONDS = 0.02


@dataclass(frozen=True)
class Mark:
    """An event and when it was seen, in seconds of ``time.monotonic``."""

    at: float
    event: dict[str, Any]


class Follower:
    """Follows every ``events.jsonl`` below *spools* while the block runs; a spool that is removed was read until then."""

    def __init__(self, spools: Path) -> None:
        self.spools, self.marks = spools, list[Mark]()
        self._files, self._rest = dict[Path, IO[str]](), dict[Path, str]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> "Follower":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        for file in self._files.values():
            file.close()

    def _follow(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self._read()
        self._read()

    def _read(self) -> None:
        for path in set(self.spools.glob("*/events.jsonl")) - set(self._files):
            self._files[path] = path.open(encoding="utf-8")
        now = time.monotonic()
        for path, file in self._files.items():
            *lines, self._rest[path] = (self._rest.get(path, "") + file.read()).split("\n")
            self.marks += [Mark(now, json.loads(line)) for line in lines]

    def times(self, kind: str, action: str = "") -> list[float]:
        """Return when events of *kind* (and *action*, if given) were seen; skipped ones do not count."""
        fitting = (
            mark for mark in self.marks if mark.event["type"] == kind and action in ("", mark.event.get("action"))
        )
        return [mark.at for mark in fitting if mark.event.get("status") != "skipped"]
