"""`invoke access` from the command line to the record."""

from collections.abc import Mapping
from datetime import UTC, datetime

from ops import terminal
from ops.access import outcome
from ops.access.expected import Expected, expected
from ops.access.judge import LAB
from ops.change.collect import run_playbook
from ops.change.session import Session
from ops.errors import Failed
from ops.logbook.model import Event, Record

COLUMNS = ("host", "check", "difference")


def compare(session: Session, limit: str, json: bool) -> Record:
    """Compare who may do what on the hosts with what is configured, record it, and show each difference.

    Raises:
        BadInput: *limit* names no host.
        Failed: there is a difference, or a host could not be compared.
    """
    chosen = session.inventory.select(limit)
    wanted = {host: configured(session, host) for host in chosen}

    def ending(events: tuple[Event, ...]) -> Mapping[str, object]:
        return outcome.fields(events, chosen, wanted)

    with terminal.progress(f"Looking who may do what on {len(chosen)} hosts"):
        record, _why_not = run_playbook(session, "access.yml", "compare access rights", ",".join(chosen), ending=ending)
    if json:
        terminal.data(record.model_dump(mode="json"))
    else:
        show(record)
    if record.outcome != "verified":
        raise Failed(
            f"access rights differ from what is configured, or could not be compared: {record.detail}",
            left="nothing was changed on the hosts",
            next_step="take back on the host what nobody decided, or put it into the inventory and run invoke deploy; "
            "then invoke access again",
        )
    return record


def configured(session: Session, host: str) -> Expected:
    """Return what the inventory of *session* says of *host*."""
    policy = session.inventory.policy
    return expected(
        session.operators, datetime.now(UTC), keeps_logbook=host == policy.logbook_host, lab_key=policy.lab_key
    )


def show(record: Record) -> None:
    """Print each difference, and what is not hidden although it is none."""
    if found := outcome.rows(record):
        terminal.table("Differences", COLUMNS, found)
    for host, one in record.hosts.items():
        for check in one.checks:
            if check.name == LAB:
                terminal.say(f"{host}: {check.name}: {check.detail}")
    terminal.say(f"Compared accounts, keys, passwords, sudo and database roles: {record.detail}.")
    terminal.say(f"Record {record.id}: {record.outcome}")
