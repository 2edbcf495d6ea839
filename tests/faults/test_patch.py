"""A patch that goes well, on both releases."""

from tests.archive import scenarios
from tests.faults.conftest import MakeSite


def test_a_patch_does_exactly_what_was_planned_and_says_so(site: MakeSite) -> None:
    here = site(scenarios.several(), "app1", "db1")
    marks = [here.run_on(host, "apt-mark showmanual") for host in here.hosts]
    plan = here.plan()
    planned = {host: {row["name"] for row in actions["packages"]} for host, actions in plan["actions"]["hosts"].items()}
    assert planned["app1"] == planned["db1"] == {"lib-core", "lib-text", "tool", "data", "app"}
    assert plan["actions"]["waves"] == [["app1"], ["db1"]]
    assert plan["digest"] == here.plan()["digest"]

    printed = here.invoke("patch", "--yes")
    assert "Closed" in printed
    assert "ansible-playbook -i" in printed
    record = here.record()
    assert record["outcome"] == "verified"
    assert record["digest"] == plan["digest"]
    assert marks == [here.run_on(host, "apt-mark showmanual") for host in here.hosts]
    for host in here.hosts:
        assert here.version(host, "tool") == scenarios.NEW
        assert here.run_on(host, "ls /var/lib/bordbuch/lock.json /run/systemd/system/apt-daily.service; true") == ""

    again = here.invoke("patch", "--yes")
    assert "No security updates are pending on 2 hosts: all 4 package sources answered" in again
    assert len(here.records()) == 1


def test_without_a_terminal_and_without_yes_nothing_is_changed(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1")
    printed = here.invoke("patch", code=3)
    assert "alpha" in printed
    assert here.version("app1", "alpha") == scenarios.OLD
    assert here.records() == []


def test_other_updates_wait_for_all(site: MakeSite) -> None:
    here = site(scenarios.ordinary_update(), "db1")
    assert "1 other updates pending (--all)" in here.invoke("patch", "--yes")
    here.invoke("patch", "--all", "--yes")
    assert here.version("db1", "alpha") == scenarios.NEW


def test_a_playbook_run_by_hand_leaves_a_record_too(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1")
    here.by_hand("patch.yml")
    record = here.record()
    assert (record["kind"], record["outcome"], list(record["hosts"])) == ("playbook", "verified", ["app1"])
    assert here.version("app1", "alpha") == scenarios.NEW
    here.by_hand("patch.yml", "--check")
    assert len(here.records()) == 1
