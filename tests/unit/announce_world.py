"""Changes as they are announced: each procedure, each end, with things planted in them that must be in no text."""

from datetime import timedelta
from typing import Any

from ops.logbook.canonical import digest
from ops.logbook.files import ChangeFiles
from ops.logbook.model import (
    Event,
    HostResult,
    PackageResult,
    Plan,
    Record,
    RestoreActions,
    RestoreHost,
    Start,
)
from tests.unit import factories

NOW = factories.NOW
ID = "2026-11-25-2300-k7xq"
PLANTED = (
    "Erika Mustermann",
    "erika@example.org",
    "M-4711",
    "anna",
    "bert",
    "laptop",
    "openssl",
    "CVE-2026-1234",
    "TICKET-9",
)
"""Members, operators, controllers, packages and open holes: what the changes hold and no announcement may."""

REASON = "asked by Erika Mustermann (erika@example.org), member M-4711"
HOSTS = ("app1", "backup1", "db1")


def plan(**observed: Any) -> Plan:
    """Return the plan of one security update on three hosts, of which db1 is *observed* to need more than that."""
    made = factories.plan(reason=REASON, ticket="TICKET-9")
    seen = {host: one.model_copy(update={"staged": True}) for host, one in made.observations.items()}
    return made.model_copy(update={"observations": {**seen, "db1": seen["db1"].model_copy(update=observed)}})


def restore_plan(until: str) -> Plan:
    """Return the plan of a restore *until* a moment."""
    host = RestoreHost(label="20261125-010203F", until=until, repository=1, replaces=True)
    actions = RestoreActions(kind="restore", selection="all", waves=(("db1",),), hosts={"db1": host})
    request = factories.request(
        kind="restore", category="normal", reason=REASON, command=f"invoke restore --to '{until}'"
    )
    return Plan(request=request, actions=actions, digest=digest(actions.model_dump(mode="json")), observations={})


def start(of: Plan | None, number: int = 1, command: str = "invoke patch") -> Start:
    """Return the start of run *number*, two minutes after the request."""
    time = NOW + timedelta(minutes=2 + 60 * (number - 1))
    fields = {"id": ID, "run": number, "digest": of.digest if of else None, "operator": "anna", "controller": "laptop"}
    return Start(**fields, time=time, command=command)


def event(seconds: int, action: str, host: str = "db1", status: str = "changed", task: str = "", **data: Any) -> Event:
    """Return the result of a task *seconds* after the request."""
    time = NOW + timedelta(seconds=seconds)
    return Event(time=time, type="result", task=task or action, action=action, host=host, status=status, data=data)  # type: ignore[arg-type]  # checked by the model


def held() -> tuple[Event, ...]:
    """Return the events of requests that were held for 12 seconds."""
    return (event(130, "patch_hold", reasons=[]), event(142, "patch_hold", checks=[]))


def page_was_up(seconds: int) -> tuple[Event, ...]:
    """Return the events of a maintenance page that was up for so many *seconds*."""
    command, up, down = "ansible.builtin.command", "Put up the maintenance page", "Take the maintenance page down"
    return (event(150, command, "app1", task=up), event(150 + seconds, command, "app1", task=down))


def result(state: str = "verified", package_state: str = "installed", **fields: Any) -> HostResult:
    """Return how one host ended, with its one package."""
    package = PackageResult(
        name="openssl",
        architecture="amd64",
        from_version="1",
        to_version="2",
        state=package_state,  # type: ignore[arg-type]  # checked by the model
        advisories=("CVE-2026-1234",),
    )
    return HostResult(state=state, packages=(package,), **fields)  # type: ignore[arg-type]  # checked by the model


def record(outcome: str = "verified", hosts: dict[str, HostResult] | None = None, **fields: Any) -> Record:
    """Return the record of a patch of three hosts that ended after nine minutes."""
    known = {
        "id": ID,
        "kind": "patch",
        "category": "standard",
        "reason": REASON,
        "outcome": outcome,
        "detail": REASON,
        "digest": None,
        "requester": "anna",
        "approver": "bert",
        "operator": "anna",
        "controller": "laptop",
        "started": NOW,
        "ended": NOW + timedelta(minutes=9),
        "command": "invoke patch",
        "seconds": {"window": 60},
        "hosts": dict.fromkeys(HOSTS, result()) if hosts is None else hosts,
        "follow_up": (f"db1: compare /etc/x with your file, {REASON}",),
    }
    return Record(**{**known, **fields})


def patch(outcome: str = "", hosts: dict[str, HostResult] | None = None, **changes: Any) -> ChangeFiles:
    """Return a patch that has begun, and ended with *outcome* if there is one."""
    made = plan()
    known: dict[str, Any] = {"id": ID, "plan": made, "starts": (start(made),)}
    ended = {"record": record(outcome, hosts)} if outcome else {}
    return ChangeFiles(**{**known, **ended, **changes})


def without_plan(command: str, outcome: str = "", events: tuple[Event, ...] = (), **fields: Any) -> ChangeFiles:
    """Return a change that *command* carried out without a plan."""
    known = {"kind": "playbook", "command": command, "hosts": {host: HostResult(state="verified") for host in HOSTS}}
    ended = {"record": record(outcome, **{**known, **fields})} if outcome else {}
    return ChangeFiles(id=ID, starts=(start(None, command=command),), events=events, **ended)


def restore(until: str, outcome: str = "") -> ChangeFiles:
    """Return a restore that has begun, and ended with *outcome* if there is one."""
    made, ended = restore_plan(until), {}
    if outcome:
        hosts = {"db1": HostResult(state="verified" if outcome == "verified" else "failed")}
        ended = {"record": record(outcome, hosts, kind="restore", seconds={"restore": 240})}
    return ChangeFiles(id=ID, plan=made, starts=(start(made),), events=page_was_up(300), **ended)


def some() -> dict[str, HostResult]:
    """Return hosts of which the first is done and the second failed."""
    return {"app1": result(), "backup1": result("failed", "unknown"), "db1": result("not-begun", "missing")}


TIME = "2026-11-25 21:30:00+00"
CASES: dict[str, ChangeFiles] = {
    "patch-planned": patch(starts=()),
    "patch-planned-reboot": patch(starts=(), plan=plan(reboots=("linux-image-amd64",))),
    "patch-begun": patch(),
    "patch-begun-restarts": patch(plan=plan(restarts={"openssl": ("postgresql@17-main",)})),
    "patch-resumed": patch(starts=(start(plan()), start(plan(), 2))),
    "patch-verified": patch("verified", events=held()),
    "patch-failed": patch("failed", some()),
    "patch-aborted": patch("aborted", some()),
    "patch-refused": patch("refused", {host: result("refused", "missing") for host in HOSTS}),
    "patch-rejected": patch("rejected", {}, starts=()),
    "revert-verified": patch(
        plan=factories.plan(reason=REASON, kind="revert", reverts="2026-11-20-2300-aaaa"), record=record(kind="revert")
    ),
    "deploy-begun": without_plan("invoke deploy"),
    "deploy-interrupted": without_plan("invoke deploy", "interrupted"),
    "upgrade-begun": without_plan("invoke upgrade 4.2.2"),
    "upgrade-verified": without_plan("invoke upgrade 4.2.2", "verified", page_was_up(95)),
    "restore-begun": restore(TIME),
    "restore-verified": restore(TIME, "verified"),
    "restore-newest-verified": restore("newest", "verified"),
    "restore-failed": restore("backup", "failed"),
}
