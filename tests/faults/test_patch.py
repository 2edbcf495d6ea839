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
    seen = plan["observations"]["app1"]
    named = {number for numbers in seen["advisories"].values() for number in numbers}
    assert seen["published"] == dict.fromkeys(named, "2026-01-01T00:00:00Z") != {}

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


HOLD = {
    "hosts": ["app1"],
    "services": ["alpha"],
    "before": ["touch", "/run/held"],
    "after": ["sh", "-c", "rm /run/held; echo 3 requests were waiting"],
}


def test_requests_are_held_on_another_host_while_one_restarts(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1", "db1")
    same = [{"name": "kernel", "command": ["uname", "-s"]}, {"name": "nothing", "command": ["/nowhere"]}]
    here.write_host_variables("db1", patch_reboot="always", patch_hold=HOLD, patch_same=same)
    here.invoke("patch", "--yes", "--limit", "db1")
    checks = {check["name"]: check for check in here.record()["hosts"]["db1"]["checks"]}
    assert checks["requests waited on app1"]["detail"] == "3 requests were waiting"
    assert checks["kernel as before"]["passed"]
    assert checks["nothing as before"]["passed"]
    assert here.run_on("app1", "ls /run/held 2>/dev/null; true") == ""


def test_where_requests_cannot_be_held_nothing_is_touched(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1", "db1")
    refusing = {**HOLD, "before": ["sh", "-c", "touch /run/held; echo 2 left >&2; exit 1"]}
    here.write_host_variables("db1", patch_reboot="always", patch_hold=refusing)
    assert "requests are not held on app1: 2 left" in here.invoke("patch", "--yes", "--limit", "db1", code=4)
    assert here.record()["hosts"]["db1"]["state"] == "refused"
    assert here.version("db1", "alpha") == scenarios.OLD
    assert here.run_on("app1", "ls /run/held 2>/dev/null; true") == "", "let go all the same"


def test_f17_what_is_not_as_before_closes_the_gate(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1")
    command = ["dpkg-query", "-W", "-f", "${Version}", "alpha"]
    here.configure(patch_reboot="never", patch_same=[{"name": "alpha", "command": command, "seconds": 1}])
    here.invoke("patch", "--yes", code=1)
    reason = here.record()["hosts"]["app1"]["reason"]
    assert reason == f"alpha as before: was {scenarios.OLD}, is {scenarios.NEW}"
