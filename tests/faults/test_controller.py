"""Controllers that die, meet each other, or lose a host (F20, F22, F23); gates, freezes, approvals."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.archive import scenarios
from tests.faults.conftest import MakeSite
from tests.faults.site import Site, kill, until


def spooled(here: Site, word: str) -> bool:
    return any(word in path.read_text() for path in here.folder.glob("spool/*-1/events.jsonl"))


def finished(here: Site, *hosts: str) -> None:
    """Resume, and see that the change ended well and its package work was done once."""
    printed = here.invoke("patch", "--yes")
    assert "has not ended" in printed
    assert here.record()["outcome"] == "verified"
    for host in hosts:
        assert here.version(host, "alpha") == scenarios.NEW
        assert here.run_on(host, "ls /var/lib/bordbuch/lock.json 2>/dev/null; true") == ""
        assert here.run_on(host, "grep -c 'Setting up alpha' /var/lib/bordbuch/changes/*/apt.log") == "1"


def test_killed_while_planning_nothing_is_left_open(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1")
    running = here.begin("patch", "--yes")
    until(lambda: list(here.folder.glob("spool/*-plan/events.jsonl")))
    kill(running)
    here.invoke("patch", "--yes")
    assert [record["outcome"] for record in here.records()] == ["verified"]


def test_killed_while_packages_change_the_next_command_adopts_the_work(site: MakeSite) -> None:
    here = site(scenarios.slow_update(8), "app1", "db1")
    running = here.begin("patch", "--yes")
    until(lambda: "alpha" in here.run_on("app1", "pgrep -af postinst; true"))
    kill(running)
    finished(here, "app1", "db1")


def test_killed_at_the_gate_nothing_is_done_twice(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1", patch_health=[{"name": "slow", "command": ["sleep", "5"]}])
    running = here.begin("patch", "--yes")
    until(lambda: spooled(here, "Compare the host with the plan, free its lock"))
    kill(running)
    finished(here, "app1")


def test_killed_before_the_record_was_written(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1")
    running = here.begin("patch", "--yes")
    until(lambda: spooled(here, '"type": "end"'))
    kill(running)
    if not here.records():
        finished(here, "app1")
    assert [record["outcome"] for record in here.records()] == ["verified"]


def test_an_open_change_can_be_closed_instead(site: MakeSite) -> None:
    here = site(scenarios.slow_update(5), "app1")
    running = here.begin("patch", "--yes")
    until(lambda: "alpha" in here.run_on("app1", "pgrep -af postinst; true"))
    kill(running)
    assert "has not ended" in here.invoke("patch", code=3)
    change = here.open_change()
    here.invoke("patch.close", change, "--reason", "looked at it by hand")
    record = here.record()
    assert (record["outcome"], record["detail"]) == ("aborted", "looked at it by hand")
    assert record["hosts"]["app1"]["state"] == "interrupted"
    assert [package["state"] for package in record["hosts"]["app1"]["packages"]] == ["unknown"] * 2


def test_two_operators_at_once_the_second_is_refused(site: MakeSite) -> None:
    here = site(scenarios.slow_update(40), "app1")
    first = here.begin("patch", "--yes")
    until(lambda: "alpha" in here.run_on("app1", "pgrep -af postinst; true"))
    other = here.clone("other")
    printed = other.invoke("patch", "--yes", operator="bert", code=4)
    assert "anna" in printed
    assert "since" in printed
    assert "another command runs in this checkout: anna" in here.invoke("patch", "--yes", code=4)
    output, _ = first.communicate(timeout=240)
    assert first.returncode == 0, output


def test_a_closed_gate_at_the_canary_stops_the_rest(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1", "db1")
    here.configure(patch_reboot="never", patch_health=[{"name": "page", "http": "http://localhost:9/", "seconds": 1}])
    printed = here.invoke("patch", "--yes", code=1)
    assert "page" in printed
    hosts = here.record()["hosts"]
    assert (hosts["app1"]["state"], hosts["db1"]["state"]) == ("failed", "not-begun")
    assert here.version("db1", "alpha") == scenarios.OLD


def test_one_failing_host_does_not_cut_off_its_wave_mates(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1", "db1", "backup1")
    here.configure(patch_reboot="never", patch_waves=["2"], patch_last_groups=["database"])
    here.run_on("app1", "rm /var/cache/apt/archives/*.deb 2>/dev/null; apt-mark hold beta; true")
    here.run_on("app1", "apt-mark unhold beta")
    here.write_host_variables("app1", patch_health=[{"name": "fails", "command": ["false"], "seconds": 0}])
    here.invoke("patch", "--yes", code=1)
    hosts = here.record()["hosts"]
    assert {host: result["state"] for host, result in hosts.items()} == {
        "app1": "failed",
        "backup1": "verified",
        "db1": "not-begun",
    }
    assert here.run_on("backup1", "ls /var/lib/bordbuch/lock.json 2>/dev/null; true") == ""


def test_f20_a_host_that_vanishes_has_a_deadline_and_the_others_are_planned(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1", "db1")
    here.lab.freeze("db1")
    began = time.monotonic()
    plan = here.plan()
    assert time.monotonic() - began < 60
    assert "unreachable" in plan["excluded"]["db1"]
    assert plan["actions"]["waves"] == [["app1"]]


def test_f22_names_that_do_not_exist_are_refused(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1")
    assert "typo" in here.invoke("patch", "--limit", "app1:typo", "--yes", code=2)
    assert here.version("app1", "alpha") == scenarios.OLD


def test_f23_a_planted_secret_is_found_nowhere(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1")
    secret = "planted-7f3a-secret"
    here.run_on("app1", f"sed -i 's#http://#http://user:{secret}@#' /etc/apt/sources.list.d/*")
    here.configure(patch_reboot="never", ansible_become_password=secret)
    printed = here.invoke("patch", "--yes")
    assert secret not in printed
    kept = [path for path in here.folder.rglob("*") if path.is_file() and "inventory" not in path.parts]
    assert [path for path in kept if secret.encode() in path.read_bytes()] == []


def test_a_freeze_refuses_and_the_refusal_is_recorded(site: MakeSite) -> None:
    now = datetime.now(UTC)
    freeze = {
        "from": str(now - timedelta(hours=1)),
        "to": str(now + timedelta(hours=1)),
        "reason": "party congress",
        "categories": ["standard", "normal"],
    }
    here = site(scenarios.security_update(), "app1", freezes=[freeze])
    assert "party congress" in here.invoke("patch", "--yes", code=4)
    assert here.record()["outcome"] == "refused"
    here.invoke("patch", "--category", "emergency", "--reason", "exploited", "--yes")
    record = here.record()
    assert record["approval_owed_until"]
    here.invoke("patch.approve", record["id"], "--reason", "me too", code=4)
    here.invoke("patch.approve", record["id"], "--reason", "was right", operator="bert")


def test_an_approval_is_never_ones_own(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1")
    here.invoke("patch", "--category", "normal", "--reason", "monthly", code=3)
    change = here.open_change()
    here.invoke("patch", "--change", change, "--yes", code=3)
    assert "cannot decide" in here.invoke("patch.approve", change, "--reason", "mine", code=4)
    here.invoke("patch.approve", change, "--reason", "read it", operator="bert")
    here.invoke("patch", "--change", change, "--yes")
    record = here.record()
    assert (record["outcome"], record["requester"], record["approver"]) == ("verified", "anna", "bert")


@pytest.mark.parametrize("words", [("patch", "--category", "urgent"), ("patch", "--reason", ""), ("changes.show", "x")])
def test_bad_input_is_refused_before_anything_is_touched(site: MakeSite, words: tuple[str, ...]) -> None:
    site(scenarios.security_update(), "app1").invoke(*words, code=2)
