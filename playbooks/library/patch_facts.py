#!/usr/bin/python3
"""Everything that a plan needs to know of one host, in one call."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.bordbuch import effects, lock, state

DOCUMENTATION = r"""
module: patch_facts
short_description: Tell which packages would change to which exact version, and what stands in the way
description:
  - Refreshes the package lists, resolves the updates without a removal, brings the package files into the host's cache
    and reads the advisories from their changelogs. Installs nothing.
  - A host that has no answer to a question says so; it is never shown as up to date for want of an answer.
options:
  selection:
    description: Which updates. C(security) takes those that a security archive offers, C(all) every candidate.
    choices: [security, all]
    default: security
  stage:
    description: Whether the package files are brought into the cache and read.
    type: bool
    default: true
  controller_epoch:
    description: The controller's clock in seconds since 1970, to compare the host's with.
    type: float
    required: true
  lock_seconds:
    description: How long to wait for another program that holds the package lists, in seconds.
    type: int
    default: 60
  way_back:
    description:
      - Instead of updates, tell how these changes of packages would be taken back. No archive is asked.
      - Each has name, architecture, from_version, to_version, advisories, and sha256 of the file that was secured.
    type: list
    elements: dict
  refuses:
    description: Shell patterns of packages that do not go back, with the reason.
    type: dict
    default: {}
author: Bordbuch
"""

EXAMPLES = r"""
- name: Plan
  patch_facts:
    selection: security
    controller_epoch: "{{ now().timestamp() }}"
"""

RETURN = r"""
bordbuch:
  description: The facts, as C(ops/patch/facts.py) describes them.
  type: dict
  returned: always
"""


def observe(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what is seen without asking any archive: states, kernel, clock, lock."""
    known = state.packages()
    return {
        "release": _os_release().get("VERSION_CODENAME", ""),
        "clock_offset_seconds": state.clock_offset(parameters["controller_epoch"]),
        "kernel_running": state.kernel_running(),
        "kernel_newest": state.kernel_newest(),
        "boot_id": state.boot_id(),
        "unfinished": state.unfinished(known),
        "leftovers": state.leftovers(),
        "held": state.holds(known),
        "failed_units": state.failed_units(),
        "automatic_updates": automatic_updates(),
        "lock": lock.holder(),
        "given": sorted(state.given()),
    }


def automatic_updates() -> str:
    """Return how automatic updates are configured: ``off``, ``security-nightly`` or ``lists-only``."""
    import apt_pkg

    apt_pkg.init()
    upgrades = apt_pkg.config.find("APT::Periodic::Unattended-Upgrade", "0")
    lists = apt_pkg.config.find("APT::Periodic::Update-Package-Lists", "0")
    present = "unattended-upgrades:all" in state.packages()
    return "security-nightly" if upgrades != "0" and present else "lists-only" if lists != "0" else "off"


def ask_archives(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what the archives offer: sources that answered, exact packages, what is kept back and held, advisories."""
    from ansible.module_utils.bordbuch import refresh, resolve, staged

    listener, complaint = refresh.refresh(parameters["lock_seconds"])
    refreshed = int(time.time())
    resolver = resolve.Resolver()
    pending, candidates = len(resolver.upgradable()), resolver.targets(parameters["selection"])
    kept_back = resolver.solve([pair for pair in candidates if not resolve.is_held(pair[0])])
    marked = resolver.marked()
    rows = resolver.changes(marked)
    growth, largest, to_download = resolver.growth(marked)
    brought = bring(resolver, marked, rows, parameters["lock_seconds"]) if parameters["stage"] else left_out(rows)
    names = [(str(row["name"]), str(row["architecture"])) for row in rows]
    restarts = effects.services_of_packages(names)
    return {
        "sources": refresh.sources(listener, complaint),
        "lists_epoch": refreshed,
        "packages": rows,
        "kept_back": kept_back,
        "holds": [
            {"name": package.get_fullname(True), "detail": f"{package.current_ver.ver_str} → {version.ver_str}"}
            for package, version in candidates
            if resolve.is_held(package)
        ],
        "other_updates": pending - len(candidates),
        "configuration_files": staged.changed_configuration(rows),
        "restarts": restarts,
        "reboots": effects.only_by_reboot((name for name, _architecture in names), restarts),
        "space": effects.room(
            growth, largest, to_download, effects.brings_kernel(name for name, _architecture in names)
        ),
        **brought,
    }


def bring(resolver: Any, marked: list[Any], rows: list[dict[str, Any]], lock_seconds: int) -> dict[str, Any]:
    """Bring the package files of *rows* into the cache, put aside what they replace, and return what came of it."""
    from ansible.module_utils.bordbuch import staged, way_back

    began = time.monotonic()
    missing = staged.download(resolver, rows, lock_seconds) if rows else []
    come = rows if not missing else []
    secured = way_back.secure(come, resolver, lock_seconds)
    seconds = time.monotonic() - began
    named = staged.advisories(come, resolver.source_versions(marked))
    return {
        "staging": True,
        "not_staged": missing,
        "secured": secured,
        "advisories": {package: list(numbers) for package, numbers in named.items()},
        "published": staged.published(named),
        "stage_seconds": round(seconds),
    }


def left_out(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what `bring` would, where nothing is to be brought."""
    missing = [str(row["file"]) for row in rows]
    return {"staging": False, "not_staged": missing, "secured": [], "advisories": {}, "stage_seconds": 0}


def ask_store(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return how changes would be taken back, in the form of `ask_archives`."""
    from ansible.module_utils.bordbuch import way_back

    return way_back.facts(parameters["way_back"], parameters["refuses"], parameters["lock_seconds"])


def _os_release() -> dict[str, str]:
    with open("/etc/os-release", encoding="utf-8") as file:
        return {
            key: value.strip('"') for key, value in (line.rstrip("\n").split("=", 1) for line in file if "=" in line)
        }


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "selection": {"choices": ["security", "all"], "default": "security"},
            "stage": {"type": "bool", "default": True},
            "controller_epoch": {"type": "float", "required": True},
            "lock_seconds": {"type": "int", "default": 60},
            "way_back": {"type": "list", "elements": "dict"},
            "refuses": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    facts = observe(module.params)
    try:
        facts["archives"] = (
            ask_archives(module.params) if module.params["way_back"] is None else ask_store(module.params)
        )
    except Exception as error:  # whatever it was, the host is unknown, with this reason, and the other hosts go on
        facts["archives"] = None
        facts["obstacle"] = {"kind": type(error).__name__, "detail": str(error)[:500]}
    module.exit_json(changed=False, bordbuch={**facts, "checked_epoch": int(time.time())})


if __name__ == "__main__":
    main()
