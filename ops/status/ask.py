"""Ask the hosts how they stand: one module call each, all at once."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import ValidationError

from ops.logbook.model import Event
from ops.playbook import Playbook
from ops.status.facts import HostStatus, Status

PLAYBOOK, MODULE = "status.yml", "status_facts"
QUICK = {
    "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none -o ConnectTimeout=3"
    " -o ServerAliveInterval=1 -o ServerAliveCountMax=3"
}
"""One connection per host suffices for one call, and a host that says nothing for 3 s does not keep the others waiting."""


def ask(inventory: Path, report: Callable[[Event], None], limit: str = "", *, quick: bool = False) -> list[Event]:
    """Return the events of asking the hosts of *inventory*; nothing is recorded.

    Args:
        inventory: its folder.
        report: is told each event as it comes.
        limit: only these hosts.
        quick: whether a host that does not answer within seconds is given up.
    """
    with tempfile.TemporaryDirectory(prefix="bordbuch-") as spool:
        names = QUICK if quick else {}
        return Playbook(PLAYBOOK, inventory, Path(spool), {}, limit, names).run(report)


def answers(chosen: Iterable[str], events: Iterable[Event]) -> Status:
    """Return how those of *chosen* that answered stand, and why the others are not known; every host is in one of both."""
    seen = {event.host: event for event in events if event.type == "result" and event.action == MODULE}
    hosts, silent = {}, {}
    for host in chosen:
        event = seen.get(host)
        if event is None or event.status == "unreachable":
            silent[host] = "did not answer" if event else "was not asked"
            continue
        try:
            hosts[host] = HostStatus.model_validate(event.data)
        except ValidationError:
            silent[host] = "its answer cannot be read"
    return Status(hosts=hosts, silent=silent)
