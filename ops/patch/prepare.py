"""From a request to a plan: the hosts are asked, nothing on them is changed."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from ops.change.session import Session
from ops.errors import Refused
from ops.logbook.model import Event, Plan, Record, Request, Selection
from ops.patch.facts import HostFacts
from ops.patch.plan import make_plan
from ops.playbook import Playbook

FACTS = "patch_facts"


def prepare(
    session: Session, request: Request, selection: Selection | None, stage: bool, report: Callable[[Event], None]
) -> Plan:
    """Return the plan for *request*.

    Args:
        session: who acts, on which inventory.
        request: which hosts (``limit``), and why.
        selection: ``security`` or ``all``; None takes what the inventory says.
        stage: whether the package files are brought to the hosts now.
        report: is told each event as it comes.

    Raises:
        Refused: another change holds one of the hosts.
    """
    chosen = session.inventory.select(request.limit)
    taken_back = session.logbook.read(request.reverts).plan if request.reverts else None
    back = way_back(taken_back) if taken_back else {}
    if request.reverts:
        chosen = tuple(host for host in chosen if host in back)
    spool = session.spools / f"{request.id}-plan"
    wanted = selection or session.inventory.policy.selection
    variables: dict[str, Any] = {"plan_hosts": list(chosen), "patch_stage": stage, "patch_selection": wanted}
    if request.reverts:
        variables["patch_way_back"] = back
    try:
        events = Playbook("patch_plan.yml", session.inventory.path, spool, variables).run(report)
    finally:
        shutil.rmtree(spool, ignore_errors=True)
    facts, silent = answers(chosen, events)
    refuse_locked(facts)
    missed, held_since = looked_back(session, facts)
    return make_plan(request, session.inventory, wanted, facts, silent, missed, held_since)


def way_back(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Return by host what *plan* has done to packages, and the hash of the file of each version that it replaced."""
    done: dict[str, list[dict[str, Any]]] = {}
    for host, actions in plan.actions.hosts.items():
        secured = {(one.name, one.architecture): one.sha256 for one in plan.observations[host].secured}
        done[host] = [
            {
                "name": package.name,
                "architecture": package.architecture,
                "from_version": package.from_version,
                "to_version": package.to_version,
                "sha256": secured.get((package.name, package.architecture), ""),
                "advisories": plan.observations[host].advisories.get(package.name, ()),
            }
            for package in actions.packages
        ]
    return done


def answers(chosen: Iterable[str], events: Iterable[Event]) -> tuple[dict[str, HostFacts], dict[str, str]]:
    """Return the facts of those of *chosen* that answered, and why the others are not known; every host is in one of both."""
    seen = {event.host: event for event in events if event.type == "result" and event.action == FACTS}
    facts, silent = {}, {}
    for host in chosen:
        event = seen.get(host)
        if event is None or event.status == "unreachable":
            silent[host] = "did not answer" if event else "was not asked"
            continue
        try:
            facts[host] = HostFacts.model_validate(event.data)
        except ValidationError:
            silent[host] = "its answer cannot be read; is python3-apt installed there?"
    return facts, silent


def refuse_locked(facts: Mapping[str, HostFacts]) -> None:
    """Raise ``Refused`` where another change holds one of the hosts, with who, what, since when."""
    for host, fact in facts.items():
        if fact.lock:
            held = fact.lock
            raise Refused(
                f"locked by change {held['change']} of {held['operator']} on {held['controller']} since {held['since']}",
                host=host,
                left="nothing was touched",
                next_step=f"wait for it, or, if it is dead: invoke patch.unlock {host} --reason …",
            )


def looked_back(
    session: Session, facts: Mapping[str, HostFacts]
) -> tuple[frozenset[str], dict[str, dict[str, datetime]]]:
    """Return what the logbook knows: hosts that the newest patch did not reach, and since when holds were seen, by host.

    A hold carries its date from plan to plan, so that the newest plan of a host is enough.
    """
    missed: frozenset[str] | None = None
    since: dict[str, dict[str, datetime]] = {}
    asked = {host for host, fact in facts.items() if fact.archives and fact.archives.holds}
    for files in session.logbook.newest_first():
        if missed is not None and not asked:
            break
        if files.plan is None or files.plan.request.kind not in ("patch", "revert"):
            continue
        if missed is None and files.record:
            missed = not_reached(files.plan, files.record)
        for host in asked & files.plan.observations.keys():
            since[host] = {hold.name: hold.since for hold in files.plan.observations[host].holds}
        asked -= since.keys()
    return missed or frozenset(), since


def not_reached(plan: Plan, record: Record) -> frozenset[str]:
    """Return the hosts that a patch did not reach: the next plan names them first."""
    lost = {host for host, result in record.hosts.items() if result.state in ("unreachable", "interrupted")}
    return frozenset(lost | {host for host, why in plan.excluded.items() if why.startswith("unreachable")})
