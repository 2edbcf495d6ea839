"""Spool what a play really did as JSON lines, for the record. Lies beside the playbooks, so it loads wherever one is started.

It knows nothing of the rest: ``ops/logbook`` makes records of spools. Only named fields are written; results of other
modules than ours are reduced to their status, so that no secret can follow.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: bordbuch_spool
type: notification
short_description: Spool what a play did as JSON lines
description:
  - Writes one event per line into the folder that the environment variable E(BORDBUCH_SPOOL) names. Without it a playbook was
    started by hand; a new spool is opened, and made a record at the end of the run or by the next command.
  - Where it cannot write, the play does not begin. Check mode leaves no record.
"""

ROOT = Path(__file__).resolve().parents[2]
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def new_id(now: datetime) -> str:
    """Return a new change id for *now*."""
    return f"{now:%Y-%m-%d-%H%M}-{''.join(secrets.choice(LETTERS) for _ in range(4))}"


def form(written: Any) -> str:
    """Return a digest of a task as it is *written*, before any variable is filled in; empty where nobody wrote it.

    ``ops/runbook/procedures.py`` has the same, to compare the task of today with what was carried out.
    """
    if not isinstance(written, dict):
        return ""
    return hashlib.sha256(json.dumps(written, sort_keys=True, default=str).encode()).hexdigest()[:12]


def git_config(name: str) -> str:
    """Return the value of the git setting *name* in this checkout, empty where it is not set."""
    command = ["git", "-C", str(ROOT), "config", "--get", name]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core brings no types
    """One spool per run of ansible-playbook."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "bordbuch_spool"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self) -> None:
        super().__init__()
        self.play = ""
        self.by_hand = "BORDBUCH_SPOOL" not in os.environ
        self.folder = Path(os.environ.get("BORDBUCH_SPOOL", ""))
        self.silent = bool(context.CLIARGS.get("check")) or "playbook" not in Path(sys.argv[0]).name
        if not self.silent:
            self._open()

    def _open(self) -> None:
        try:
            if self.by_hand:
                self._begin_by_hand()
            self.file = (self.folder / "events.jsonl").open("a", encoding="utf-8")
        except OSError as error:
            print(
                f"No record can be written to {self.folder} ({error.strerror}): the play does not begin.",
                file=sys.stderr,
            )
            raise SystemExit(1) from None

    def _begin_by_hand(self) -> None:
        now = datetime.now(UTC)
        change = os.environ["BORDBUCH_CHANGE"] = new_id(now)
        os.environ |= {"BORDBUCH_USER": getpass.getuser(), "BORDBUCH_CONTROLLER": socket.gethostname()}
        self.folder = Path(os.environ.get("BORDBUCH_SPOOLS", ROOT / ".spool")) / change
        self.folder.mkdir(parents=True, mode=0o700)
        start = {
            "id": change,
            "time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "playbook": Path(context.CLIARGS["args"][0]).name,
            "inventory": [str(Path(source).resolve()) for source in context.CLIARGS["inventory"] or ()],
            "limit": context.CLIARGS.get("subset") or "",
            "lab": os.environ.get("BORDBUCH_LAB", ""),
            "operator": os.environ.get("BORDBUCH_OPERATOR") or git_config("bordbuch.operator"),
            "pid": os.getpid(),
        }
        (self.folder / "start.json").write_text(json.dumps(start, sort_keys=True), encoding="utf-8")

    def _write(self, kind: str, **fields: Any) -> None:
        if self.silent:
            return
        line = {"time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "type": kind, **fields}
        self.file.write(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n")
        self.file.flush()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Note the play."""
        self.play = play.get_name()
        self._write("play", play=self.play)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Note the task."""
        written = form(getattr(task, "_ds", None))
        self._write("task", play=self.play, task=task.get_name(), action=task.action, form=written)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note a task that was done, or found done."""
        self._result(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Note a task that failed."""
        self._result(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Note a host that did not answer."""
        self._result(result, "unreachable")

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Note a task that did not apply."""
        self._result(result, "skipped")

    def _result(self, result: Any, status: str) -> None:
        task = result.task
        own = result.result.get("bordbuch")
        self._write(
            "result",
            play=self.play,
            task=task.get_name(),
            action=task.action,
            host=result.host.get_name(),
            status=status,
            data=own if isinstance(own, dict) else {},
        )

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Note the end, and have a run that was started by hand recorded."""
        self._write("end")
        command = ROOT / ".venv" / "bin" / "invoke"
        if self.by_hand and not self.silent and command.exists():
            began = time.monotonic()
            collect = [
                command,
                "--search-root",
                ROOT,
                "changes.collect",
                "--inventory",
                str(next(iter(context.CLIARGS["inventory"]), "")),
            ]
            subprocess.run(collect, timeout=300, check=False, stdin=subprocess.DEVNULL)
            self._display.vv(f"recorded in {time.monotonic() - began:.1f} s")
