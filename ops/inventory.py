"""The inventory as data: hosts, groups, policy, operators; every name checked before anything is done with it."""

import fnmatch
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, ValidationError, field_validator

from ops.announce.settings import Settings
from ops.errors import BadInput
from ops.logbook.model import Category, HostName, Model, Reboot, Selection

SHARED = (
    "operators",
    "freezes",
    "patch_selection",
    "patch_waves",
    "patch_last_groups",
    "patch_approval",
    "logbook_remote",
    "logbook_host",
    "logbook_path",
    "logbook_keys",
    "pages_host",
    "lab_key",
    "backup_recovery_point_seconds",
    "backup_recovery_time_seconds",
    *(f"announce_{name}" for name in Settings.model_fields),
)
"""Settings of the whole inventory: they must be the same for every host."""

TOLD = "announce_"
"""How the settings begin that say who is told of changes."""


class Freeze(Model):
    """A time span in which changes of some categories are refused; it ends by itself."""

    start: Annotated[AwareDatetime, Field(alias="from")]
    end: Annotated[AwareDatetime, Field(alias="to")]
    reason: Annotated[str, Field(min_length=1)]
    categories: tuple[Category, ...]

    def forbids(self, category: Category, now: datetime) -> bool:
        """Return whether a change of *category* is refused at *now*."""
        return category in self.categories and self.start <= now < self.end


Rule = Literal["policy", "operator", "operator-within-24h"]
APPROVAL: Mapping[Category, Rule] = MappingProxyType(
    {"standard": "policy", "normal": "operator", "emergency": "operator-within-24h"}
)
"""Whose yes a change of each category needs, where the inventory says nothing else."""


class Policy(Model):
    """What holds for all hosts of an inventory."""

    selection: Selection = "security"
    waves: tuple[Annotated[str, Field(pattern=r"^[1-9]\d*%?$")], ...] = ("1", "100%")
    last_groups: tuple[str, ...] = ()
    approval: dict[Category, Rule] = Field(default_factory=lambda: dict(APPROVAL))
    freezes: tuple[Freeze, ...] = ()
    logbook_remote: str = ""
    logbook_host: str = ""
    logbook_path: str = ""
    logbook_keys: str = ""
    pages_host: str = ""
    lab_key: str = ""
    recovery_point_seconds: Annotated[int, Field(gt=0)] | None = None
    recovery_time_seconds: Annotated[int, Field(gt=0)] | None = None
    announce: Settings = Settings()

    @field_validator("waves", mode="before")
    @classmethod
    def _as_text(cls, waves: Any) -> Any:
        return tuple(str(size) for size in waves) if isinstance(waves, list) else waves


class HostPolicy(Model):
    """What holds for one host."""

    reboot: Reboot = "when-needed"
    automatic_updates: Literal["off", "security-nightly"] = "off"
    hold_reasons: dict[str, str] = Field(default_factory=dict)
    ssh_arguments: str = ""


class Inventory(Model):
    """Hosts in the inventory's order, groups, and the policy."""

    path: Path
    digest: str
    hosts: dict[HostName, HostPolicy]
    groups: dict[str, tuple[HostName, ...]]
    policy: Policy
    operators: tuple[dict[str, Any], ...] = ()

    def select(self, pattern: str) -> tuple[str, ...]:
        """Return the hosts that *pattern* names, in the inventory's order (``a:b``, ``a,b``, ``&c``, ``!d``, shell wildcards).

        Raises:
            BadInput: a part of it names nothing, or all of it no host.
        """
        chosen: set[str] = set()
        parts = [part for part in re.split(r"[:,]", pattern or "all") if part]
        for part in sorted(parts, key=lambda part: "&!".find(part[0])):
            members = self._members(part.lstrip("&!"))
            chosen = chosen & members if part[0] == "&" else chosen - members if part[0] == "!" else chosen | members
        if not chosen:
            raise BadInput(f"the pattern {pattern!r} leaves no host", next_step=f"use some of: {', '.join(self.hosts)}")
        return tuple(name for name in self.hosts if name in chosen)

    def _members(self, part: str) -> set[str]:
        groups = {"all": tuple(self.hosts), **self.groups}
        found = {host for name, hosts in groups.items() if fnmatch.fnmatch(name, part) for host in hosts}
        found |= {name for name in self.hosts if fnmatch.fnmatch(name, part)}
        if not found:
            known = ", ".join([*self.groups, *self.hosts])
            raise BadInput(
                f"no host and no group is named {part!r}", left="nothing was done", next_step=f"use some of: {known}"
            )
        return found


def load(path: Path) -> Inventory:
    """Read the inventory at *path* with Ansible's own reader.

    Raises:
        BadInput: it is missing, empty, or something in it cannot be meant.
    """
    if not path.exists():
        raise BadInput(f"there is no inventory at {path}", next_step="name one with --inventory, e.g. inventory/lab")
    program = Path(sys.executable).with_name("ansible-inventory")
    command = [str(program), "-i", str(path), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise BadInput(f"the inventory {path} cannot be read: {done.stderr.strip()[-400:]}")
    return parse(path, json.loads(done.stdout))


def parse(path: Path, listing: Mapping[str, Any]) -> Inventory:
    """Return the inventory that ``ansible-inventory --list`` printed as *listing*.

    Raises:
        BadInput: it has no host, a setting differs between hosts that must not, or a value is not allowed.
    """
    variables: dict[str, dict[str, Any]] = listing.get("_meta", {}).get("hostvars", {})
    named = {name for entry in listing.values() for name in entry.get("children", ())}  # empty groups stand only there
    groups = {name: _hosts_of(name, listing) for name in sorted((named | {*listing}) - {"_meta", "all", "ungrouped"})}
    hosts = tuple(dict.fromkeys([*_hosts_of("all", listing), *variables]))
    if not hosts:
        raise BadInput(f"the inventory {path} has no host", left="nothing was done", next_step="add hosts to it")
    shared = {name: _same_everywhere(path, name, [variables.get(host, {}) for host in hosts]) for name in SHARED}
    try:
        return Inventory(
            path=path,
            digest=hashlib.sha256(json.dumps(listing, sort_keys=True).encode()).hexdigest(),
            hosts={host: _host_policy(variables.get(host, {})) for host in hosts},
            groups=groups,
            policy=_policy(shared, groups),
            operators=tuple(shared["operators"] or ()),
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        found = "" if first["loc"][0] == "announce" else f" (found {first['input']!r})"  # an address may hold a secret
        raise BadInput(f"the inventory {path} is wrong at {place}: {first['msg']}{found}") from None


def _policy(shared: Mapping[str, Any], groups: Mapping[str, Any]) -> Policy:
    given = {name: value for name, value in shared.items() if name != "operators" and value is not None}
    told = {name.removeprefix(TOLD): given.pop(name) for name in [*given] if name.startswith(TOLD)}
    named = {name.removeprefix("patch_").removeprefix("backup_"): value for name, value in given.items()}
    policy = Policy(**named, announce=told)
    for group in policy.last_groups:
        if group not in groups:
            raise BadInput(f"patch_last_groups names {group!r}, which is no group of the inventory")
    return policy


def _host_policy(variables: Mapping[str, Any]) -> HostPolicy:
    names = {
        "patch_reboot": "reboot",
        "patch_hold_reasons": "hold_reasons",
        "automatic_updates": "automatic_updates",
        "ansible_ssh_common_args": "ssh_arguments",
    }
    return HostPolicy(**{field: variables[name] for name, field in names.items() if name in variables})


def _hosts_of(group: str, listing: Mapping[str, Any]) -> tuple[str, ...]:
    entry = listing.get(group, {})
    below = (host for child in entry.get("children", ()) for host in _hosts_of(child, listing))
    return tuple(dict.fromkeys([*entry.get("hosts", ()), *below]))


def _same_everywhere(path: Path, name: str, hosts: list[dict[str, Any]]) -> Any:
    values = [variables.get(name) for variables in hosts]
    if any(value != values[0] for value in values):
        raise BadInput(
            f"the inventory {path} sets {name} differently for some hosts", next_step="set it for the group all"
        )
    return values[0]
