"""What a change is to people who use the site: which procedure it is, and what they notice of it. Pure.

Told of are the procedures that touch what answers the users: patch, revert, deploy, upgrade, restore. Nobody notices a backup, a
drill or a comparison of access rights, which only read; and an unlock or a repair is for operators, who are there anyway.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import PurePath
from types import MappingProxyType
from typing import Literal

from ops.logbook.files import ChangeFiles
from ops.logbook.model import Event, HostActions, Observations, Plan

Procedure = Literal["patch", "revert", "deploy", "upgrade", "restore"]
Effect = Literal["none", "waits", "away", "closed"]
"""From not to be noticed, by pages that wait and a site that is away while a host boots, to the maintenance page."""

PLANNED: Mapping[str, Procedure] = MappingProxyType({"patch": "patch", "revert": "revert", "restore": "restore"})
TYPED: Mapping[str, Procedure] = MappingProxyType({"deploy": "deploy", "upgrade": "upgrade"})
BY_HAND: Mapping[str, Procedure] = MappingProxyType(
    {"site.yml": "deploy", "patch.yml": "patch", "liquidfeedback_upgrade.yml": "upgrade"}
)
"""Procedures by the kind of their record, the command that was typed, the playbook that was run by hand."""

PAGE_UP, PAGE_DOWN = "Put up the maintenance page", "Take the maintenance page down"
"""Tasks of the playbooks that close the site."""

HOLD, GATE = "patch_hold", "patch_gate"
FAIL = "ansible.builtin.fail"
"""Actions of playbooks/patch.yml; the last is how a gate stops what comes after."""


def procedure_of(files: ChangeFiles) -> Procedure | None:
    """Return which procedure a change is, None where users notice nothing of it."""
    kind = files.plan.request.kind if files.plan else files.record.kind if files.record else "playbook"
    if kind in PLANNED:
        return PLANNED[kind]
    words = _command(files) if kind == "playbook" else []
    return TYPED.get(words[1]) or BY_HAND.get(PurePath(words[1]).name) if len(words) > 1 else None


def is_news(files: ChangeFiles) -> bool:
    """Return whether others are told of a change by itself: it has begun, and not by a playbook that was run by hand.

    Such a playbook becomes a record when it is over, perhaps days later; who ran it decides whether anybody is told.
    """
    words = _command(files)
    by_hand = len(words) > 1 and PurePath(words[1]).name in BY_HAND
    return bool(files.starts) and procedure_of(files) is not None and not by_hand


def _command(files: ChangeFiles) -> list[str]:
    command = files.record.command if files.record else files.starts[0].command if files.starts else ""
    try:
        return shlex.split(command)
    except ValueError:  # a long command is cut off, perhaps within quotes
        return command.split()


def effect_of(files: ChangeFiles) -> Effect:
    """Return the most that users may notice while a change goes on, by its plan."""
    procedure = procedure_of(files)
    if procedure in ("restore", "upgrade"):
        return "closed"
    if files.plan is None:
        return "waits"
    return max((_on_host(*host) for host in _hosts(files.plan)), key=("none", "waits", "away").index, default="none")


def _hosts(plan: Plan) -> Iterator[tuple[HostActions, Observations | None]]:
    return ((actions, plan.observations.get(host)) for host, actions in plan.actions.hosts.items())


def _on_host(actions: HostActions, seen: Observations | None) -> Effect:
    if actions.reboot == "always" or (actions.reboot == "when-needed" and seen and seen.reboots):
        return "away"
    known = seen is not None and seen.staged
    return "none" if known and seen and not any(seen.restarts.values()) else "waits"


def closes_gate(event: Event) -> bool:
    """Return whether *event* is the gate of a patch that lets nothing further begin."""
    return event.action == FAIL and event.status == "failed"


def done_so_far(events: Iterable[Event]) -> int:
    """Return on how many hosts the gate was passed."""
    return len({event.host for event in events if event.action == GATE and event.status in ("ok", "changed")})


def held_seconds(events: Iterable[Event]) -> int:
    """Return for how long requests were held, by the *events* of a patch: from each hold to the release that follows."""
    holds = [event for event in events if event.action == HOLD and event.status == "changed"]
    pairs = [(first, then) for first, then in pairwise(holds) if "reasons" in first.data and "checks" in then.data]
    return _together((first.time, then.time) for first, then in pairs)


def page_seconds(files: ChangeFiles) -> int:
    """Return for how long the maintenance page was up, by the events; one that was not taken down counts to the end."""
    tasks = [event for event in files.events if event.type == "result" and event.status == "changed"]
    ups = [event.time for event in tasks if event.task == PAGE_UP]
    downs = [event.time for event in tasks if event.task == PAGE_DOWN]
    if not ups:
        return 0
    last = [files.record.ended] if files.record else [files.events[-1].time]
    return _together([(ups[0], (downs or last)[-1])])


def _together(spans: Iterable[tuple[datetime, datetime]]) -> int:
    return round(sum((end - begin).total_seconds() for begin, end in spans))
