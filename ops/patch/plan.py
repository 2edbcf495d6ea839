"""The plan of a patch: pure, from the facts of the hosts to the exact versions, their waves and the digest."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from ops.inventory import Inventory
from ops.logbook.canonical import digest
from ops.logbook.model import Actions, HostActions, Observations, Plan, Request, Selection
from ops.patch.facts import HostFacts
from ops.patch.judge import observe
from ops.patch.waves import waves


def make_plan(
    request: Request,
    inventory: Inventory,
    selection: Selection,
    facts: Mapping[str, HostFacts],
    unreachable: Mapping[str, str],
    missed_before: frozenset[str] = frozenset(),
    held_since: Mapping[str, Mapping[str, datetime]] = MappingProxyType({}),
) -> Plan:
    """Return the plan for *request*.

    Args:
        request: why, by whom, from where.
        inventory: hosts, waves and reboot rules.
        selection: ``security`` or ``all``.
        facts: what each host that answered told.
        unreachable: hosts that did not answer, with the reason.
        missed_before: hosts that the last change did not reach; they go first.
        held_since: by host and package, when a hold was first seen.
    """
    observations = {
        name: observe(fact, inventory.hosts[name], held_since.get(name, {})) for name, fact in facts.items()
    }
    pending = [name for name in inventory.hosts if name in facts and observations[name].verdict == "pending"]
    actions = Actions(
        kind=request.kind,
        selection=selection,
        waves=waves(inventory, pending, missed_before),
        hosts={name: _host_actions(inventory, name, facts[name]) for name in pending},
    )
    return Plan(
        request=request,
        actions=actions,
        digest=digest(actions.model_dump(mode="json")),
        observations=observations,
        excluded={
            **_excluded(observations),
            **{name: f"unreachable: {reason}" for name, reason in unreachable.items()},
        },
    )


def _host_actions(inventory: Inventory, name: str, facts: HostFacts) -> HostActions:
    packages = facts.archives.packages if facts.archives else ()
    return HostActions(release=facts.release, reboot=inventory.hosts[name].reboot, packages=packages)


def _excluded(observations: Mapping[str, Observations]) -> dict[str, str]:
    judged = {name: seen for name, seen in observations.items() if seen.verdict not in ("pending", "current")}
    return {name: f"{seen.verdict}: {'; '.join(seen.reasons)}" for name, seen in judged.items()}


def package_count(plan: Plan) -> int:
    """Return how many package changes *plan* has on all hosts together."""
    return sum(len(host.packages) for host in plan.actions.hosts.values())


def difference(old: Plan, new: Plan) -> list[str]:
    """Return in words how *new* differs from the approved *old*, one line per package and host; empty if it does not."""
    before, after = _rows(old), _rows(new)
    lines = [
        f"{host}: {name} {before[host, name]} was approved, now {after.get((host, name), 'nothing')}"
        for host, name in sorted(before)
        if after.get((host, name)) != before[host, name]
    ]
    lines += [
        f"{host}: {name} {after[host, name]} is new" for host, name in sorted(after) if (host, name) not in before
    ]
    if not lines and old.digest != new.digest:
        lines = ["waves, reboot rules or package files differ"]
    return lines


def _rows(plan: Plan) -> dict[tuple[str, str], str]:
    return {
        (host, f"{package.name}:{package.architecture}"): package.to_version or "goes"
        for host, actions in plan.actions.hosts.items()
        for package in actions.packages
    }
