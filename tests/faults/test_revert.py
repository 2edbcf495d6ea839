"""A patch taken back: exactly the packages from before it, or a refusal that says why, with nothing touched."""

import pytest

from tests.archive import scenarios
from tests.archive.package import Package
from tests.archive.scenarios import NEW, OLD, Scenario
from tests.faults.conftest import MakeSite
from tests.faults.site import Site

LIST = "dpkg-query -W -f '${db:Status-Abbrev} ${Package}:${Architecture} ${Version}\\n' && apt-mark showauto"
STORE = "/var/lib/bordbuch/packages"
FORGET = "rm -f /var/cache/apt/archives/*.deb"


def patched(here: Site) -> str:
    """Patch, and return the id of the change."""
    here.invoke("patch", "--yes")
    return str(here.record()["id"])


@pytest.mark.parametrize("host", ["app1", "db1"])
def test_a_host_has_exactly_the_packages_from_before(site: MakeSite, host: str) -> None:
    here = site(scenarios.several(), host)
    before = here.run_on(host, LIST)
    change = patched(here)
    assert here.run_on(host, LIST) != before
    printed = here.invoke("patch.revert", change, "--reason", "logins fail", "--yes")
    assert here.run_on(host, LIST) == before
    record = here.record()
    assert (record["kind"], record["outcome"], record["links"]) == ("revert", "verified", {"reverts": change})
    assert "Opened again 1 advisories and CVEs: CVE-2026-1000" in printed
    assert {one["way"] for one in here.recorded_plan()["observations"][host]["secured"]} == {"original"}
    assert "is left to be taken back" in here.invoke("patch.revert", change, "--reason", "once more", "--yes")
    here.invoke("audit")
    assert f"Taken back by {record['id']}: verified." in here.invoke("changes.show", change)
    again = here.record()["id"]
    here.invoke("patch.revert", str(again), "--reason", "it was not that", "--yes")
    assert here.version(host, "app") == NEW


def test_what_the_patch_had_brought_in_addition_goes_again(site: MakeSite) -> None:
    here = site(scenarios.new_dependency(), "app1", "db1")
    before = {host: here.run_on(host, LIST) for host in here.hosts}
    change = patched(here)
    assert here.version("app1", "gamma") == NEW
    here.invoke("patch.revert", change, "--reason", "gamma is slow", "--limit", "app1", "--yes")
    assert here.run_on("app1", LIST) == before["app1"]
    assert here.version("db1", "gamma") == NEW
    assert {one["state"] for one in here.record()["hosts"]["app1"]["packages"]} == {"installed", "removed"}
    here.invoke("patch.revert", change, "--reason", "there, too", "--yes")
    assert {host: here.run_on(host, LIST) for host in here.hosts} == before


def test_a_version_that_no_archive_has_is_made_anew_with_its_configuration(site: MakeSite) -> None:
    scenario = scenarios.configuration_file_change()
    here = site(scenario, "app1", "db1")
    gone = Scenario((), security=scenario.security)
    scenarios.publish(here.archive, gone)
    for host in here.hosts:
        here.run_on(host, FORGET)
    here.run_on("db1", "mv /usr/bin/dpkg-repack /root/")
    planned = here.plan()
    assert any("no way back for alpha" in line for line in here.invoke("patch.plan").splitlines())
    ways = {host: [one["way"] for one in seen["secured"]] for host, seen in planned["observations"].items()}
    assert ways == {"app1": ["rebuilt"], "db1": ["none"]}
    change = patched(here)
    printed = here.invoke("patch.revert", change, "--reason", "as before", "--yes", code=1)
    assert "alpha 1.0-1 was not secured before the change" in printed
    assert (here.version("app1", "alpha"), here.version("db1", "alpha")) == (OLD, NEW)
    assert here.run_on("app1", "cat /etc/alpha.conf") == "colour = mine"
    # It holds what /etc held: nobody else reads it.
    assert here.run_on("app1", f"stat -c %a {STORE} /var/cache/apt/archives/alpha_{OLD}_all.deb") == "700\n600"


def test_what_cannot_go_back_is_said_beforehand_and_nothing_is_touched(site: MakeSite) -> None:
    scenario = scenarios.security_update(("alpha", "beta"))
    here = site(scenario, "app1", patch_refuses={"beta": "its files are of the newer version"})
    change = patched(here)
    printed = here.invoke("patch.revert", change, "--reason", "back", "--yes", code=1)
    assert "beta:all does not go back: its files are of the newer version" in printed
    here.configure(patch_refuses={})
    here.run_on("app1", f"cp /var/cache/apt/archives/alpha_{NEW}_all.deb {STORE}/alpha_{OLD}_all.deb")
    printed = here.invoke("patch.revert", change, "--reason", "back", "--yes", code=1)
    assert "the secured file of alpha 1.0-1 is not there any more, or is another" in printed
    scenarios.publish(here.archive, scenarios.moved_on(scenario))
    patched(here)
    printed = here.invoke("patch.revert", change, "--reason", "back", "--yes", code=1)
    assert f"beta:all is {scenarios.NEWER}, the change had brought {NEW}" in printed
    assert here.version("app1", "beta") == scenarios.NEWER


def test_what_was_installed_since_and_needs_the_newer_version_stops_it(site: MakeSite) -> None:
    scenario = scenarios.security_update(("alpha",))
    here = site(scenario, "db1")
    change = patched(here)
    needs = Package("needs", NEW, fields={"Depends": f"alpha (>= {NEW})"})
    scenarios.publish(here.archive, Scenario((*scenario.installed, needs), security=scenario.security))
    here.run_on("db1", "apt-get -qq update && apt-get -qqy install needs")
    printed = here.invoke("patch.revert", change, "--reason", "back", "--yes", code=1)
    assert "apt would remove needs" in printed or "apt refuses" in printed
    assert here.version("db1", "alpha") == NEW


def test_a_revert_waits_for_another_operator_where_the_policy_says_so(site: MakeSite) -> None:
    here = site(scenarios.security_update(("alpha",)), "db1")
    change = patched(here)
    words = ("--category", "normal", "--reason", "back")
    assert "nothing was recorded" not in here.invoke("patch.revert", change, *words, code=3)
    asked = here.open_change()
    here.invoke("patch.approve", asked, "--reason", "read it", operator="bert")
    here.invoke("patch", "--change", asked, "--yes")
    assert here.version("db1", "alpha") == OLD
    assert here.record()["links"] == {"reverts": change}


def test_old_versions_are_kept_for_their_days_and_no_longer(site: MakeSite) -> None:
    scenario = scenarios.security_update(("alpha",))
    here = site(scenario, "db1", patch_keep_days=7)
    here.plan()
    here.run_on("db1", f"touch -d '8 days ago' {STORE}/*; touch -d '8 days ago' {STORE}/beta_1_all.deb")
    patched(here)
    assert here.run_on("db1", f"ls {STORE}") == f"alpha_{OLD}_all.deb", "the change gives it its days, from now on"
