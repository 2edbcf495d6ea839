"""Small, valid values of the models, to vary in tests."""

import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from ops.inventory import Inventory, parse
from ops.logbook.model import Approval, Event, PackageChange, Plan, Request
from ops.patch.facts import Archives, HostFacts
from ops.patch.plan import make_plan

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 25, 23, 0, tzinfo=UTC)
HOSTS = ("app1", "db1", "backup1")


def inventory(hosts: tuple[str, ...] = HOSTS, **variables: Any) -> Inventory:
    """Return an inventory of *hosts*, db1 in the group database, with *variables* for all of them."""
    listing = {
        "_meta": {"hostvars": dict.fromkeys(hosts, variables)},
        "all": {"children": ["ungrouped", "database"]},
        "ungrouped": {"hosts": [host for host in hosts if host != "db1"]},
        "database": {"hosts": [host for host in hosts if host == "db1"]},
    }
    return parse(Path("inventory/test"), listing)


def request(**changes: Any) -> Request:
    """Return a request of anna."""
    fields = {
        "id": "2026-11-25-2300-k7xq",
        "kind": "patch",
        "category": "standard",
        "reason": "security updates",
        "requester": "anna",
        "controller": "laptop",
        "time": NOW,
        "command": "invoke patch",
        "inventory": "test",
        "inventory_digest": "0" * 64,
    }
    return Request(**{**fields, **changes})


def package(name: str = "openssl", **changes: Any) -> PackageChange:
    """Return a security update of *name* from 1 to 2."""
    fields = {
        "name": name,
        "architecture": "amd64",
        "from_version": "1",
        "to_version": "2",
        "origin": "Debian-Security",
        "archive": "stable-security",
        "file": f"{name}_2_amd64.deb",
        "sha256": "a" * 64,
        "size_bytes": 1_000_000,
        "security": True,
    }
    return PackageChange(**{**fields, **changes})


def archives(*packages: PackageChange, **changes: Any) -> Archives:
    """Return what good archives that offer *packages* told."""
    fields: dict[str, Any] = {
        "sources": ({"uri": "http://archive/", "suite": "stable", "state": "answered", "key_known": True},),
        "lists_epoch": int(NOW.timestamp()),
        "packages": packages,
        "kept_back": (),
        "holds": (),
        "other_updates": 0,
        "staging": True,
        "not_staged": (),
        "advisories": {package.name: ("CVE-2026-1234",) for package in packages},
        "configuration_files": (),
        "restarts": {},
        "reboots": (),
        "space": (),
        "stage_seconds": 2,
    }
    return Archives(**{**fields, **changes})


def facts(*packages: PackageChange, **changes: Any) -> HostFacts:
    """Return the facts of a healthy bookworm host that is offered *packages*."""
    fields = {
        "release": "bookworm",
        "checked_epoch": int(NOW.timestamp()) + 5,
        "clock_offset_seconds": 0,
        "kernel_running": "6.1.0-1-amd64",
        "kernel_newest": "6.1.0-1-amd64",
        "boot_id": "b1",
        "unfinished": (),
        "leftovers": (),
        "held": (),
        "failed_units": (),
        "automatic_updates": "off",
        "lock": None,
        "given": (),
        "archives": archives(*packages),
    }
    return HostFacts(**{**fields, **changes})


def plan(hosts: tuple[str, ...] = HOSTS, **changes: Any) -> Plan:
    """Return the plan for one update on each of *hosts*."""
    answers = {host: facts(package()) for host in hosts}
    return make_plan(request(**changes), inventory(hosts, patch_last_groups=["database"]), "security", answers, {})


def approval(of: Plan, **changes: Any) -> Approval:
    """Return bert's approval of a plan."""
    fields = {
        "id": of.request.id,
        "digest": of.digest,
        "verdict": "approved",
        "basis": "operator",
        "by": "bert",
        "reason": "looks right",
        "time": NOW,
    }
    return Approval(**{**fields, **changes})


def result(host: str, action: str, status: str = "ok", **data: Any) -> Event:
    """Return one result event."""
    return Event(time=NOW, type="result", play="Patch", task=action, action=action, host=host, status=status, data=data)  # type: ignore[arg-type]  # checked by the model


def load_program(path: str) -> ModuleType:
    """Return a program for hosts as a module; *path* is relative to the checkout."""
    name = Path(path).stem + "_on_hosts"
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    # Its dataclasses look there for the types that they name.
    found = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
