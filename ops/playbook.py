"""Running a playbook: the one place where ansible-playbook is started; what it did comes from its spooled events."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.errors import Failed
from ops.logbook.model import Event

ROOT = Path(__file__).resolve().parents[1]
TIED = ("setpriv", "--pdeathsig", "TERM")
"""Ends a program with the one that started it, however that dies: nobody would stop a playbook's next wave."""


PROGRAM = "ansible-playbook"


@dataclass(frozen=True)
class Playbook:
    """One run of a playbook: its name below ``playbooks/``, the inventory, extra variables, where its events go."""

    name: str
    inventory: Path
    spool: Path
    variables: dict[str, Any]
    limit: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What else the playbook finds in its environment: never a secret."""

    def command(self) -> list[str]:
        """Return the command line; a person can run the same."""
        limit = ["--limit", self.limit] if self.limit else []
        variables = ["--extra-vars", f"@{self.spool / 'variables.json'}"] if self.variables else []
        return [PROGRAM, "-i", str(self.inventory), *limit, *variables, str(ROOT / "playbooks" / self.name)]

    def shown(self) -> str:
        """Return the command line as text for a shell."""
        return shlex.join(self.command())

    def run(self, report: Callable[[Event], None]) -> list[Event]:
        """Run it, hand each event to *report* as it comes, and return all of them.

        Raises:
            Failed: it did not begin at all, with the end of what Ansible said.
        """
        self.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self.spool / "variables.json", json.dumps(self.variables, sort_keys=True))
        seen = read_events(self.spool)[1]
        with open(os.open(self.spool / "ansible.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as log:
            process = subprocess.Popen(
                [*TIED, *self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment()
            )
            events = list(self._follow(process, seen, report))
        if not any(event.type == "play" for event in events):
            raise Failed(f"{self.name} did not begin: {self._last_words()}", left="the hosts were not touched")
        return events

    def _environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        fixed = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "BORDBUCH_SPOOL": str(self.spool), "PATH": path}
        return {**os.environ, **self.environment, **fixed, "ANSIBLE_NOCOLOR": "1"}

    def _follow(self, process: subprocess.Popen[bytes], seen: int, report: Callable[[Event], None]) -> Iterator[Event]:
        try:
            ended = False
            while not ended:
                ended = process.poll() is not None  # before reading, so that the last lines are not missed
                events, seen = read_events(self.spool, seen)
                for event in events:
                    report(event)
                    yield event
                time.sleep(0 if ended else 0.1)
        finally:
            end(process)

    def _last_words(self) -> str:
        lines = (self.spool / "ansible.log").read_text(errors="replace").splitlines()
        return " ".join(line.strip() for line in lines if line.strip())[-400:]


def end(process: subprocess.Popen[bytes]) -> None:
    """End *process* if it still runs: asked first, forced after 10 s."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def complaints(events: Iterable[Event]) -> dict[str, str]:
    """Return host → the task that failed first, and why, in its own words."""
    found: dict[str, str] = {}
    for event in events:
        if event.status == "failed":
            found.setdefault(event.host, f"{event.task}: {event.data.get('complaint', 'it failed')}")
    return found


def told(spool: Path) -> dict[str, str]:
    """Return what failed tasks said, by host, from beside the events: for the screen, not for the record."""
    return complaints(read_events(spool, name="complaints.jsonl")[0])


def read_events(spool: Path, offset: int = 0, name: str = "events.jsonl") -> tuple[list[Event], int]:
    """Return the events in *spool* from byte *offset* on, and where to read on; a line that is not yet whole is left out."""
    path = spool / name
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        lines = [line for line in file if line.endswith(b"\n")]
    return [Event.model_validate_json(line) for line in lines], offset + sum(map(len, lines))


def write_private(path: Path, text: str) -> None:
    """Write *text* to *path* with mode 0600 from its first byte."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
