"""Say what the record does not hold, to the one who sits at the screen: what a check run would change, and why a task failed.

Nothing of this goes into a record: a difference between files and the words of a failed program may hold what nobody meant to
publish. What may be a secret is not even written to the spool.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: bordbuch_check
type: notification
short_description: Write what a check run would change, and why a task failed, as JSON lines
description:
  - Works only where the environment variable E(BORDBUCH_SPOOL) names a folder.
  - In check mode it writes events as the callback C(bordbuch_spool) does in a real run. For each task that would change
    something, the event says what; of a file that is there, and that everybody on the host may read, also the difference.
  - In a real run it writes why a task failed, for the screen.
"""

LINES = 20
"""Lines of a difference that are kept; whoever wants to read more reads the role."""

SECRET_PLACES = re.compile(
    r"(?i)/private/|/\.ssh/(?!authorized_keys)|/shadow|\.key$|\.p12$|pgpass|passw|secret|credential|token|vault|\.netrc"
)
NAMES = ("dest", "path", "name")


def changes(result: Mapping[str, Any], action: str, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a task would change: an entry per item of its loop, or one.

    Args:
        result: of the task on one host, as callbacks get it.
        action: the module's full name.
        arguments: of the task, as it was written.
    """
    items = result["results"] if isinstance(result.get("results"), list) else [result]
    changed = [item for item in items if isinstance(item, dict) and item.get("changed")]
    return [change(item, action, arguments) for item in changed] or [change(result, action, arguments)]


def described(result: Any) -> dict[str, Any]:
    """Return the changes of a task's result; one that cannot be described is none the less said to be a change."""
    arguments = result.task_fields.get("args")
    try:
        return {
            "changes": changes(result.result, result.task.action, arguments if isinstance(arguments, Mapping) else {})
        }
    except Exception as error:  # Ansible would only warn, and the plan would lack the change
        return {"changes": [{"what": [], "diff": [], "hidden": f"it cannot be described ({type(error).__name__})"}]}


def change(item: Mapping[str, Any], action: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what one item would change (``what``), the first lines of the difference, or why it is ``hidden``."""
    given = (item.get("invocation") or {}).get("module_args") or {}
    parts = [part for part in as_list(item.get("diff")) if isinstance(part, Mapping)]
    names = targets({**arguments, **given, **item}, parts)
    shown = [line for part in parts for line in [*attributes(part, action), *new_file(part)]]
    content = [] if shown else [line for part in parts for line in difference(part)]
    reason = hidden(item, names, given.get("mode") or arguments.get("mode")) if content or censored(item) else ""
    return {"what": names, "diff": shorten(shown or ([] if reason else content)), "hidden": reason}


def targets(values: Mapping[str, Any], parts: list[Mapping[str, Any]]) -> list[str]:
    """Return the files, packages, accounts or units that a task is about, by the first of its arguments that says so."""
    headers = [part["before_header"] for part in parts if part.get("before_header")]
    found = next((as_list(values[name]) for name in NAMES if plain(values.get(name))), headers)
    return list(dict.fromkeys(str(name).removesuffix(" (content)") for name in found))


def plain(value: Any) -> bool:
    """Return whether *value* is there, and is no template that still has to be filled in."""
    return bool(value) and "{{" not in str(value)


def hidden(item: Mapping[str, Any], names: list[str], mode: Any) -> str:
    """Return why the content of a file must not be shown, empty where everybody on the host may read it."""
    if censored(item):
        return "the task hides what it does"
    if any(SECRET_PLACES.search(name) for name in names):
        return "it lies where secrets do"
    if not all(everybody_reads(known) for known in (mode, item.get("mode")) if known) or not (mode or item.get("mode")):
        return "not everybody on the host may read it"
    return ""


def censored(result: Mapping[str, Any]) -> bool:
    """Return whether the task has said no_log."""
    return bool(result.get("_ansible_no_log")) or "censored" in result


def everybody_reads(mode: Any) -> bool:
    """Return whether *mode* (``0644``) is octal and lets everybody read."""
    return bool(re.fullmatch(r"0?[0-7]{3,4}", str(mode)) and int(str(mode), 8) & 0o004)


def attributes(part: Mapping[str, Any], action: str) -> Iterator[str]:
    """Yield the changed attributes (owner, mode, state) of a file, never its content."""
    before, after = part.get("before"), part.get("after")
    if action.rpartition(".")[2] != "file" or not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return
    for key in sorted(after) if before.get("state") != "absent" else ():
        if key != "path" and before.get(key) != after[key]:
            yield f"{key}: {before.get(key, 'unknown')} → {after[key]}"


def new_file(part: Mapping[str, Any]) -> Iterator[str]:
    """Yield how long a file is that was not there: its content stands in the role."""
    after = part.get("after")
    if not part.get("before") and isinstance(after, str) and after:
        yield f"new, {len(after.splitlines())} lines"


def difference(part: Mapping[str, Any]) -> Iterator[str]:
    """Yield the changed lines of a file, each with ``+`` or ``-`` before it."""
    before, after = part.get("before") or "", part.get("after") or ""
    if isinstance(before, str) and isinstance(after, str):
        for line in difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""):
            if not line.startswith(("+++", "---", "@@")):
                yield line


def shorten(lines: list[str]) -> list[str]:
    """Return the first of *lines*, and how many more there are."""
    more = len(lines) - LINES
    return [*lines[:LINES], *([f"… {more} more lines"] if more > 0 else [])]


def complaint(result: Mapping[str, Any]) -> str:
    """Return why a task failed, in its own words, unless it hides them."""
    if censored(result):
        return "the task hides what it does"
    items = [item for item in as_list(result.get("results")) if isinstance(item, Mapping) and item.get("failed")]
    said = items[0] if items else result
    words = " ".join(f"{said.get('msg', '')} {said.get('stderr', '')}".split()) or "it said nothing"
    return words if len(words) <= 400 else f"{words[:400]} …"


def as_list(value: Any) -> list[Any]:
    """Return *value* as a list: itself, alone in one, or an empty one for None."""
    return value if isinstance(value, list) else [] if value is None else [value]


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core brings no types
    """One file per run of ansible-playbook: ``events.jsonl`` of a check run, ``complaints.jsonl`` of a real one."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "bordbuch_check"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self) -> None:
        super().__init__()
        self.play = ""
        self.check = bool(context.CLIARGS.get("check"))
        spool = os.environ.get("BORDBUCH_SPOOL")
        self.path = Path(spool, "events.jsonl" if self.check else "complaints.jsonl") if spool else None

    def _write(self, kind: str, **fields: Any) -> None:
        if self.path is None:
            return
        line = {"time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "type": kind, "play": self.play, **fields}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, sort_keys=True, ensure_ascii=False, default=str) + "\n")

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Note the play."""
        self.play = play.get_name()
        if self.check:
            self._write("play")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Note the task."""
        if self.check:
            self._write("task", task=task.get_name(), action=task.action)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Note the handler."""
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note a task that would change something, or that found everything done."""
        own = result.result.get("bordbuch")
        if result.result.get("changed"):
            self._result(result, "changed", described(result))
        else:
            self._result(result, "ok", own if isinstance(own, dict) else {})

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Note a task that failed, and why."""
        self._result(result, "failed", {"complaint": complaint(result.result)}, always=True)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Note a host that did not answer."""
        self._result(result, "unreachable", {})

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Note a task that did not apply."""
        self._result(result, "skipped", {})

    def _result(self, result: Any, status: str, data: dict[str, Any], always: bool = False) -> None:
        if self.check or always:
            names = {"task": result.task.get_name(), "action": result.task.action, "host": result.host.get_name()}
            self._write("result", status=status, data=data, **names)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Note the end."""
        if self.check:
            self._write("end")
