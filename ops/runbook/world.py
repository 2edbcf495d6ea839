"""What the pages about more than one change are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ops.docs.playbooks import load_yaml
from ops.inventory import Inventory
from ops.logbook.operators import Operators
from ops.logbook.verify import Audit
from ops.runbook.catalogue import requirements
from ops.runbook.grounds import PATCH_SECONDS, Grounds, Promise
from ops.runbook.procedures import Procedure
from ops.runbook.requirements import Requirement
from ops.runbook.store import Delays, Exposure, Store
from ops.runbook.summary import Summary

HOUR, DAY = 3600, 86400
CLASSES = (
    (HOUR, "≤ 1 h"),
    (4 * HOUR, "≤ 4 h"),
    (DAY, "≤ 24 h"),
    (3 * DAY, "≤ 3 d"),
    (PATCH_SECONDS, "≤ 7 d"),
    (30 * DAY, "≤ 30 d"),
)
"""Limits that delays are counted by, and their names."""

ROLE_DEFAULTS = Path("roles/backup/defaults/main.yml")


@dataclass(frozen=True)
class World:
    """Everything at hand for a build; ``hosts`` names what each host of the inventory is for (its groups)."""

    store: Store
    summaries: Sequence[Summary]
    inventory: Inventory
    operators: Operators
    procedures: Sequence[Procedure]
    modules: Mapping[str, str]
    promise: Promise
    now: datetime
    audit: Audit | None = None
    tracker: Mapping[str, Any] | None = None
    since: str = ""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def by_host(self) -> dict[str, list[Summary]]:
        """The changes that touched each host, the oldest first; hosts of the inventory come first, in its order."""
        found: dict[str, list[Summary]] = {host: [] for host in self.inventory.hosts}
        for one in self.summaries:
            for host in one.hosts:
                found.setdefault(host, []).append(one)
        return found

    @cached_property
    def delays(self) -> Delays:
        """How long it took from first seen to installed, by `CLASSES`."""
        return self.store.delays([limit for limit, _name in CLASSES])

    @cached_property
    def exposures(self) -> list[Exposure]:
        """Every advisory that is open on a host."""
        return self.store.open_exposures()

    @cached_property
    def open_on(self) -> dict[str, list[Exposure]]:
        """The same by host."""
        found: dict[str, list[Exposure]] = {}
        for one in self.exposures:
            found.setdefault(one.host, []).append(one)
        return found

    @cached_property
    def grounds(self) -> Grounds:
        """What verdicts are made from."""
        return Grounds(
            summaries=self.summaries,
            inventory=self.inventory,
            operators=self.operators,
            looks=self.store.newest_looks(),
            exposures=self.exposures,
            in_time=self.delays.within[[limit for limit, _name in CLASSES].index(PATCH_SECONDS)],
            installed=self.delays.total,
            signers=self.store.signers(),
            promise=self.promise,
            now=self.now,
            audit=self.audit,
        )

    @cached_property
    def requirements(self) -> tuple[Requirement, ...]:
        """Every requirement, judged."""
        return requirements(self.grounds)

    @cached_property
    def by_id(self) -> dict[str, Summary]:
        """The changes by their ids."""
        return {one.id: one for one in self.summaries}

    def state_of(self, host: str) -> str:
        """Return how *host* stands: as the newest plan saw it, and patched where that plan was carried out there in full."""
        seen = self.grounds.looks.get(host)
        if seen is None:
            return "never"
        change = self.by_id.get(seen.change)
        done = change is not None and change.hosts.get(host) == "verified" and host not in change.unfinished
        return "patched" if seen.verdict == "pending" and done else seen.verdict

    def of_kind(self, *kinds: str) -> list[Summary]:
        """Return the changes of *kinds* that began, the oldest first."""
        return [one for one in self.summaries if one.kind in kinds and one.begun]


def promise_of(inventory: Inventory, root: Path) -> Promise:
    """Return what is promised: as the inventory says, else as the role's defaults do."""
    text = (root / ROLE_DEFAULTS).read_text(encoding="utf-8")
    defaults = load_yaml(text)
    point = inventory.policy.recovery_point_seconds or defaults["backup_recovery_point_seconds"]
    time = inventory.policy.recovery_time_seconds or defaults["backup_recovery_time_seconds"]
    return Promise(int(point), int(time))


def groups_of(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """Return the groups of each host."""
    return {
        host: tuple(sorted(group for group, members in inventory.groups.items() if host in members))
        for host in inventory.hosts
    }
