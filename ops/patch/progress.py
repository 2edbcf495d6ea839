"""What a person sees while hosts work: who is where, for how long."""

from types import TracebackType

from ops import terminal
from ops.logbook.model import Event
from ops.patch import outcome
from ops.patch.prepare import FACTS

_STEPS = {
    outcome.START: "package work runs",
    outcome.WAIT: "packages done",
    outcome.REBOOT: "rebooted",
    outcome.GATE: "gate",
}


class Progress:
    """A line of progress that follows the events of a playbook."""

    def __init__(self, title: str, hosts: int) -> None:
        self.hosts, self.done, self.where = hosts, 0, dict[str, str]()
        self.line = terminal.progress(title)

    def __enter__(self) -> "Progress":
        self.line.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.line.__exit__(kind, error, trace)

    def plan_event(self, event: Event) -> None:
        """Count the hosts that have answered."""
        if event.type == "result" and event.action == FACTS:
            self.done += 1
            self.line.update(f"{self.done} of {self.hosts} answered")

    def event(self, event: Event) -> None:
        """Show for each host of the wave how far it is."""
        if event.type == "result" and event.action in _STEPS and event.status != "skipped":
            self.where[event.host] = _STEPS[event.action] if event.status in ("ok", "changed") else event.status
            self.line.update("; ".join(f"{host}: {step}" for host, step in self.where.items()))
