"""Patching: plan, approve, apply, and what to do with a change that stopped on the way."""

from pathlib import Path

from invoke import Collection, Context

from ops import terminal
from ops.change import decide
from ops.change.collect import run_playbook
from ops.errors import BadInput, Failed
from ops.patch import outcome, procedure
from ops.patch.procedure import Wish
from ops.tasks.command import command
from ops.tasks.work import INVENTORY, at_work

LIMIT = "only these hosts or groups, e.g. db1 or 'all:!database'"
REASON = "why, in a sentence; it stands in the record"
ID = "id of the change, e.g. 2026-11-25-2300-k7xq"


@command(
    help={
        "limit": LIMIT,
        "all": "all updates, not only security updates",
        "category": "standard, normal or emergency",
        "reason": REASON,
        "ticket": "number of the ticket it belongs to",
        "change": "apply this approved change instead of planning a new one",
        "yes": "answer the question with the number of hosts",
        "inventory": INVENTORY,
    },
)
def patch(
    c: Context,
    limit: str = "",
    all: bool = False,
    category: str = "standard",
    reason: str = "security updates",
    ticket: str = "",
    change: str = "",
    yes: bool = False,
    inventory: str = "inventory/lab",
) -> None:
    """Plan security updates, ask, apply them wave by wave, verify and record.

    A change that was begun and has not ended is offered to be resumed first.

    Example: invoke patch --limit db1
    """
    with at_work(Path(inventory), hosts=True) as session:
        if change:
            procedure.apply_approved(session, change, yes)
        else:
            procedure.patch(session, wish(limit, all, category, reason, ticket=ticket, yes=yes))


def wish(limit: str, everything: bool, category: str, reason: str, **more: object) -> Wish:
    """Return what was typed, checked.

    Raises:
        BadInput: the category is none.
    """
    if category not in ("standard", "normal", "emergency"):
        raise BadInput(f"{category!r} is no category", next_step="use standard, normal or emergency")
    if not reason.strip():
        raise BadInput("the reason is empty", next_step="say why in a sentence")
    return Wish(limit, "all" if everything else None, category, reason, **more)  # type: ignore[arg-type]  # checked above


@command(
    help={
        "limit": LIMIT,
        "all": "all updates, not only security updates",
        "stage": "bring the package files to the hosts and read their advisories",
        "category": "standard, normal or emergency",
        "reason": REASON,
        "request": "file the plan for another operator's approval",
        "json": "print the plan as JSON",
        "inventory": INVENTORY,
    },
)
def plan(
    c: Context,
    limit: str = "",
    all: bool = False,
    stage: bool = True,
    category: str = "standard",
    reason: str = "security updates",
    request: bool = False,
    json: bool = False,
    inventory: str = "inventory/lab",
) -> None:
    """Show what a patch would do, host by host, to the exact version. Changes nothing.

    Example: invoke patch.plan --limit db1 --json
    """
    with at_work(Path(inventory), hosts=True) as session:
        terminal.quiet(json)
        wanted = wish(limit, all, category, reason, stage=stage)
        made = procedure.planned(session, procedure.requested(session, wanted), wanted)
        if json:
            terminal.data(made.model_dump(mode="json"))
        if request:
            procedure.file_request(session, made)


@command(positional=["change"], help={"change": ID, "reason": REASON, "inventory": INVENTORY})
def approve(c: Context, change: str, reason: str = "", inventory: str = "inventory/lab") -> None:
    """Approve the plan that another operator has requested. Your yes is signed and is for exactly this plan.

    Example: invoke patch.approve 2026-11-25-2300-k7xq --reason "read it, fits the window"
    """
    with at_work(Path(inventory)) as session:
        given = decide.decide(session, change, "approved", required(reason))
        verb = decide.verb_of(session, change)
        terminal.say(f"Approved {change} ({given.digest[:12]}). To apply it: invoke {verb} --change {change}")


@command(positional=["change"], help={"change": ID, "reason": REASON, "inventory": INVENTORY})
def reject(c: Context, change: str, reason: str = "", inventory: str = "inventory/lab") -> None:
    """Reject the plan that another operator has requested; the change ends.

    Example: invoke patch.reject 2026-11-25-2300-k7xq --reason "not during the congress"
    """
    with at_work(Path(inventory)) as session:
        decide.decide(session, change, "rejected", required(reason))
        terminal.say(f"Rejected {change}.")


@command(positional=["change"], help={"change": ID, "reason": REASON, "inventory": INVENTORY})
def close(c: Context, change: str, reason: str = "", inventory: str = "inventory/lab") -> None:
    """End an open change as it is, without touching a host.

    Example: invoke patch.close 2026-11-25-2300-k7xq --reason "db1 is rebuilt instead"
    """
    with at_work(Path(inventory)) as session:
        record = decide.close(session, change, required(reason), outcome.host_results)
        terminal.say(f"Closed {change}: {record.outcome}.")


@command(positional=["host"], help={"host": "name of the host", "reason": REASON, "inventory": INVENTORY})
def unlock(c: Context, host: str, reason: str = "", inventory: str = "inventory/lab") -> None:
    """Break the lock that a dead change left on a host; recorded.

    Example: invoke patch.unlock db1 --reason "laptop of anna is lost"
    """
    with at_work(Path(inventory), hosts=True) as session:
        record = decide.unlock(session, host, required(reason))
        terminal.say(f"The lock on {host} is free (record {record.id}).")


@command(
    positional=["change"],
    help={
        "change": "id of the patch that is taken back, e.g. 2026-11-25-2300-k7xq",
        "limit": LIMIT,
        "category": "standard, normal or emergency",
        "reason": REASON,
        "ticket": "number of the ticket it belongs to",
        "yes": "answer the question with the number of hosts",
        "inventory": INVENTORY,
    },
)
def revert(
    c: Context,
    change: str,
    limit: str = "",
    category: str = "standard",
    reason: str = "",
    ticket: str = "",
    yes: bool = False,
    inventory: str = "inventory/lab",
) -> None:
    """Return the hosts to exactly the package versions from before a patch: plan, question, waves, gates, record.

    Advisories that the patch closed are open again. Where a package does not go back, the plan says so.

    Example: invoke patch.revert 2026-11-25-2300-k7xq --reason "logins fail since"
    """
    with at_work(Path(inventory), hosts=True) as session:
        procedure.revert(session, change, wish(limit, False, category, required(reason), ticket=ticket, yes=yes))


@command(
    help={
        "limit": LIMIT,
        "reason": REASON,
        "yes": "answer the question with the number of hosts",
        "inventory": INVENTORY,
    }
)
def repair(c: Context, limit: str = "", reason: str = "", yes: bool = False, inventory: str = "inventory/lab") -> None:
    """Finish package work that was interrupted on hosts that need repair; asked for, recorded.

    Example: invoke patch.repair --limit app1 --reason "power cut during the last patch"
    """
    with at_work(Path(inventory), hosts=True) as session:
        hosts = session.inventory.select(required(limit, "limit"))
        why = required(reason)
        procedure.confirm("To repair", len(hosts), yes)
        record, why_not = run_playbook(session, "repair.yml", f"repair: {why}", repair_hosts=",".join(hosts))
        terminal.say(f"Repair of {', '.join(hosts)}: {record.outcome} (record {record.id}).")
        if record.outcome != "verified":
            raise Failed(f"a host is still not clean ({why_not})", next_step=f"invoke changes.show {record.id}")


def required(value: str, name: str = "reason") -> str:
    """Return *value* unless it is empty.

    Raises:
        BadInput: it is empty.
    """
    if not value.strip():
        raise BadInput(f"--{name} is missing", left="nothing was done", next_step=f"add --{name} …")
    return value


namespace = Collection("patch", plan, approve, reject, close, unlock, repair, revert)
namespace.add_task(patch, name="patch", default=True)
