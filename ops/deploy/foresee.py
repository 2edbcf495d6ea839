"""What the roles would change, as data, read from the events of a check run. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field

from ops.logbook.canonical import digest
from ops.logbook.model import Event, Model
from ops.playbook import complaints

PLANNED = "deploy_plan"
"""Action of the events that say in the record what was foreseen."""


class Change(Model):
    """What one task would change on one host: a file, a package, a unit; ``hidden`` is why its content is not shown."""

    host: str
    task: str
    what: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    hidden: str = ""


class Foreseen(Model):
    """What a check run said.

    ``complaints`` holds why it failed, by host; ``silent`` the hosts that did not answer; ``ended`` is false where the run
    stopped before its end, so that nobody knows the rest.
    """

    hosts: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    compared: int = 0
    skipped: int = 0
    seconds: int = 0
    ended: bool = True
    complaints: dict[str, str] = Field(default_factory=dict)
    silent: dict[str, str] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest of host, task and thing of each change: the same state gives the same."""
        return digest(sorted([change.host, change.task, list(change.what)] for change in self.changes))

    def changing(self) -> tuple[str, ...]:
        """Return the hosts on which something would change."""
        there = {change.host for change in self.changes}
        return tuple(host for host in self.hosts if host in there)


def foreseen(
    chosen: Sequence[str], silent: dict[str, str], runs: Sequence[Sequence[Event]], seconds: int = 0
) -> Foreseen:
    """Return what check runs say of *chosen*.

    Args:
        chosen: the hosts that are meant.
        silent: those that had not answered before, with the reason.
        runs: the events of each check run.
        seconds: how long they took.
    """
    results = [event for run in runs for event in run if event.type == "result"]
    lost = {event.host: "did not answer" for event in results if event.status == "unreachable"}
    return Foreseen(
        hosts=tuple(host for host in chosen if host not in silent and host not in lost),
        changes=tuple(change for event in results if event.status == "changed" for change in _changes(event)),
        compared=sum(event.status in ("ok", "changed") for event in results),
        skipped=sum(event.status == "skipped" for event in results),
        seconds=seconds,
        ended=all(any(event.type == "end" for event in run) for run in runs),
        complaints=complaints(results),
        silent={**silent, **lost},
    )


def _changes(event: Event) -> list[Change]:
    return [Change(host=event.host, task=event.task, **entry) for entry in event.data.get("changes", [{}])]


def as_events(plan: Foreseen, template: Event) -> list[Event]:
    """Return what was foreseen as events for the record: host, task and thing of each change, never a file's content.

    Their status is ``skipped``: nothing was done. *template* says when and in which play.
    """
    fixed: dict[str, Any] = {"type": "result", "action": PLANNED, "status": "skipped"}
    return [
        template.model_copy(
            update={**fixed, "host": change.host, "task": change.task, "data": {"what": list(change.what)}}
        )
        for change in plan.changes
    ]


def unforeseen(plan: Iterable[tuple[str, str]], events: Iterable[Event]) -> list[tuple[str, str]]:
    """Return (host, task) of what the run of *events* changed though the *plan* had not said so, each once, in order."""
    known = set(plan)
    done = ((event.host, event.task) for event in events if event.type == "result" and event.status == "changed")
    return [pair for pair in dict.fromkeys(done) if pair not in known]
