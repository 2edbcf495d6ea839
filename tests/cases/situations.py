"""The situations that are captured from the lab: what hosts have and are offered, and what is done to them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops.logbook.model import Event
from ops.patch import outcome
from tests.archive import scenarios
from tests.archive.scenarios import Scenario
from tests.faults.site import Site

RELEASES = {"app1": "bookworm", "db1": "trixie", "backup1": "trixie"}
BOTH = ("app1", "db1")
ONE_WAVE = {"patch_waves": ["100%"], "patch_last_groups": []}
"""So that hosts of both releases go through the same."""


def nothing(site: Site) -> None:
    """Do nothing to the hosts."""


def no_event(site: Site, event: Event) -> None:
    """Do nothing when something happens."""


@dataclass(frozen=True)
class Situation:
    """What to set up and when to interfere.

    Args:
        scenario: what hosts have and the archive offers.
        hosts: those of the inventory.
        variables: of the inventory, for all hosts.
        before_plan: done to hosts that are set up.
        before_run: done between plan and run.
        meanwhile: done at each event of the first run.
        before_resume: done before a second run; None where there is none.
    """

    scenario: Scenario
    hosts: tuple[str, ...] = BOTH
    variables: Mapping[str, Any] = field(default_factory=dict)
    before_plan: Callable[[Site], None] = nothing
    before_run: Callable[[Site], None] = nothing
    meanwhile: Callable[[Site, Event], None] = no_event
    before_resume: Callable[[Site], None] | None = None


def silent_source(site: Site) -> None:
    """Give app1 one more source, at which nobody listens; its other sources answer."""
    machine = site.archive.url.rpartition(":")[0]
    site.run_on("app1", f"echo 'deb {machine}:9/debian bookworm main' >/etc/apt/sources.list.d/more.list")


def interrupted_dpkg(site: Site) -> None:
    """Leave on app1 what a killed dpkg leaves."""
    site.run_on("app1", "dpkg-query -s alpha >/var/lib/dpkg/updates/0001")


def cut_app1(site: Site) -> None:
    """Take app1's network."""
    site.lab.cut("app1")


def mend_app1(site: Site) -> None:
    """Give app1 its network again, and wait until its package work has ended."""
    site.lab.mend("app1")
    site.run_on("app1", "while pgrep -f [p]ostinst >/dev/null; do sleep 1; done")


def cut_app1_at_work(site: Site, event: Event) -> None:
    """Take app1's network once its package work has begun."""
    if (event.type, event.host, event.action) == ("result", "app1", outcome.START):
        site.lab.cut("app1")


def lock(site: Site) -> None:
    """Put the lock of another change on each host."""
    claim = {
        "change": "2026-11-25-2200-aaaa",
        "operator": "bert",
        "controller": "desk",
        "since": "2026-11-25T22:00:00Z",
    }
    for host in site.hosts:
        site.run_on(host, f"mkdir -p /var/lib/bordbuch && echo '{json.dumps(claim)}' >/var/lib/bordbuch/lock.json")


def update_by_hand(site: Site) -> None:
    """Bring one of the planned packages to each host behind the plan's back."""
    for host in site.hosts:
        site.run_on(host, "dpkg -i /var/cache/apt/archives/alpha_*deb1*.deb >/dev/null")


def alter_file(site: Site) -> None:
    """Change a staged package file on each host."""
    for host in site.hosts:
        site.run_on(host, "for f in /var/cache/apt/archives/alpha_*deb1*; do echo x >>$f; done")


UNHEALTHY = [{"name": "answers", "command": ["test", "-e", "/etc/healthy"], "seconds": 1}]
LOSING = {**ONE_WAVE, "patch_reconnect_seconds": 5}

SITUATIONS = {
    "several-packages": Situation(scenarios.several(), ("app1", "db1", "backup1")),
    "new-dependency": Situation(scenarios.new_dependency()),
    "configuration-file-kept": Situation(scenarios.configuration_file_change()),
    "removal-kept-back": Situation(scenarios.removal(), variables={"patch_selection": "all"}),
    "held-kernel": Situation(scenarios.held_kernel()),
    "old-kernel-after-reboot": Situation(scenarios.new_kernel(), variables={**ONE_WAVE, "patch_reboot": "when-needed"}),
    "failing-package": Situation(scenarios.failing_update(), variables=ONE_WAVE),
    "gate-closed-at-canary": Situation(
        scenarios.security_update(), ("app1", "db1", "backup1"), {"patch_health": UNHEALTHY}
    ),
    "source-unreachable": Situation(scenarios.security_update(), before_plan=silent_source),
    "needs-repair": Situation(scenarios.security_update(), before_plan=interrupted_dpkg),
    "host-unreachable": Situation(scenarios.security_update(), before_plan=cut_app1),
    "unreachable-after-plan": Situation(scenarios.security_update(), before_run=cut_app1),
    "locked-by-another": Situation(scenarios.security_update(), variables=ONE_WAVE, before_run=lock),
    "changed-behind-the-plan": Situation(scenarios.security_update(), variables=ONE_WAVE, before_run=update_by_hand),
    "altered-package-file": Situation(scenarios.security_update(), variables=ONE_WAVE, before_run=alter_file),
    "contact-lost": Situation(scenarios.slow_update(25), variables=LOSING, meanwhile=cut_app1_at_work),
    "contact-lost-resumed": Situation(
        scenarios.slow_update(25), variables=LOSING, meanwhile=cut_app1_at_work, before_resume=mend_app1
    ),
}
