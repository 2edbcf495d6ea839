"""What can be wrong with packages on a host, before, during and after a patch (F01, F02, F03, F06, F14, F15, F18, F19, X07)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.archive import scenarios
from tests.faults.conftest import MakeSite
from tests.faults.site import Site, until

HOLD = "import fcntl, time; f = open('{path}', 'a'); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(600)"


def names(here: Site, host: str) -> list[str]:
    return [row["name"] for row in here.plan()["actions"]["hosts"].get(host, {"packages": []})["packages"]]


@pytest.mark.parametrize("host", ["app1", "db1"])
def test_f01_what_a_killed_dpkg_left_is_found_and_repaired_when_asked(site: MakeSite, host: str) -> None:
    here = site(scenarios.security_update(), host)
    here.run_on(host, "printf 'Package: alpha\\n' >/var/lib/dpkg/updates/0001; cp /var/lib/dpkg/status /root/status")
    here.run_on(host, "dpkg-query -s alpha >/var/lib/dpkg/updates/0001")
    found = here.plan()["observations"][host]
    assert found["verdict"] == "needs-repair"
    assert "0001" in found["reasons"][0]
    assert "patch.repair" in here.invoke("patch", "--yes", code=1)
    here.invoke("patch.repair", "--limit", host, "--reason", "power cut", "--yes")
    assert here.record()["reason"] == "repair: power cut"
    here.invoke("patch", "--yes")
    assert here.version(host, "alpha") == scenarios.NEW


def test_f02_a_killed_unit_leaves_a_host_that_needs_repair(site: MakeSite) -> None:
    here = site(scenarios.slow_update(60), "app1")
    running = here.begin("patch", "--yes")
    until(lambda: "alpha" in here.run_on("app1", "pgrep -af postinst; true"))
    here.run_on("app1", "systemctl kill --signal=KILL 'bordbuch-*.service'")
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 1, output
    assert here.record()["hosts"]["app1"]["state"] == "failed"
    assert "without a result" in here.record()["hosts"]["app1"]["reason"]
    assert (
        here.run_on("app1", "ls /run/systemd/system/apt-daily.service /var/lib/bordbuch/lock.json 2>/dev/null; true")
        == ""
    )
    assert here.plan()["observations"]["app1"]["verdict"] == "needs-repair"


@pytest.mark.parametrize("host", ["app1", "db1"])
def test_f03_a_local_configuration_file_stays_is_foretold_and_named(site: MakeSite, host: str) -> None:
    here = site(scenarios.configuration_file_change(), host)
    foretold = here.plan()["observations"][host]["configuration_files"]
    assert foretold == [{"path": "/etc/alpha.conf", "package": "alpha", "package_brings_new": True}]
    here.invoke("patch", "--yes")
    assert here.run_on(host, "cat /etc/alpha.conf") == "colour = mine"
    result = here.record()
    assert result["hosts"][host]["configuration_files_left"] == ["/etc/alpha.conf.dpkg-dist"]
    assert f"{host}: compare /etc/alpha.conf.dpkg-dist with your file" in result["follow_up"]


def test_nothing_waits_for_a_key(site: MakeSite) -> None:
    here = site(scenarios.questions(), "app1")
    here.invoke("patch", "--yes")
    assert here.record()["outcome"] == "verified"


def test_f06_a_busy_host_is_waited_for_and_then_named_busy(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1", patch_lock_seconds=2)
    with held(here, "app1", "/var/lib/apt/lists/lock"):
        found = here.plan()["observations"]["app1"]
    assert found["verdict"] == "busy"
    assert "python3 (pid" in found["reasons"][0]
    here.configure(patch_reboot="never", patch_lock_seconds=60)
    with held(here, "app1", "/var/lib/apt/lists/lock"):
        planning = here.begin("patch.plan")
        until(lambda: list(here.folder.glob("spool/*-plan/events.jsonl")))
        time.sleep(2)
        assert planning.poll() is None
    output, _ = planning.communicate(timeout=60)
    assert "pending" in output


@contextmanager
def held(here: Site, host: str, path: str) -> Iterator[None]:
    """Hold a lock on *host*, as another apt would."""
    here.run_on(host, f'systemd-run --quiet --unit=holder python3 -c "{HOLD.format(path=path)}"')
    until(
        lambda: (
            "holder"
            in here.run_on(
                host, f"fuser {path} >/dev/null 2>&1 && echo holder || lslocks | grep -o python3 | sed 's/.*/holder/'"
            )
        )
    )
    try:
        yield
    finally:
        here.run_on(host, "systemctl stop holder")


def test_f14_nothing_is_removed_and_kept_back_is_visible(site: MakeSite) -> None:
    here = site(scenarios.removal(), "app1")
    plan = here.plan("--all")
    assert [row["name"] for row in plan["actions"]["hosts"]["app1"]["packages"]] == ["beta"]
    assert "would remove beta" in plan["observations"]["app1"]["kept_back"][0]["detail"]
    here.invoke("patch", "--yes")
    assert any("alpha" in line and "kept back" in line for line in here.record()["follow_up"])
    assert here.version("app1", "beta") == scenarios.NEW


def test_a_new_dependency_comes_and_what_cannot_come_is_kept_back(site: MakeSite) -> None:
    here = site(scenarios.new_dependency(), "db1")
    assert names(here, "db1") == ["alpha", "gamma"]
    here.invoke("patch", "--yes")
    assert "gamma" in here.run_on("db1", "apt-mark showauto gamma")
    here.arrange(scenarios.kept_back())
    assert names(here, "db1") == ["beta"]


@pytest.mark.parametrize("host", ["app1", "db1"])
def test_f15_a_held_kernel_is_shown_and_its_hold_stays(site: MakeSite, host: str) -> None:
    here = site(scenarios.held_kernel(), host)
    held = here.run_on(host, "apt-mark showhold")
    holds = here.plan()["observations"][host]["holds"]
    assert [hold["name"].startswith("linux-image") for hold in holds] == [True]
    assert "on hold" in here.invoke("patch", "--yes")
    assert here.run_on(host, "apt-mark showhold") == held
    again = here.plan()["observations"][host]["holds"]
    recorded = here.recorded_plan()["observations"][host]["holds"]
    assert [hold["since"] for hold in again] == [hold["since"] for hold in recorded] != []


def test_f18_f19_a_reboot_is_decided_and_proven_from_facts(site: MakeSite) -> None:
    here = site(scenarios.new_kernel(), "app1", patch_reboot="when-needed")
    plan = here.plan()["observations"]["app1"]
    assert [name.startswith("linux-image") for name in plan["reboots"]] == [True]
    here.invoke("patch", "--yes", code=1)  # the lab's kernel is the machine's: it stays the old one
    result = here.record()["hosts"]["app1"]
    assert result["state"] == "failed"
    assert "old kernel" in result["reason"]
    assert result["boot_before"] != result["boot_after"]
    assert {package["state"] for package in result["packages"] if package["name"].startswith("linux-image-6")} == {
        "installed-pending-reboot"
    }
    newest = here.run_on("app1", "ls /boot | sed -n 's/^vmlinuz-//p' | sort -V | tail -1")
    here.run_on(
        "app1", f'mkdir -p /etc/bordbuch; echo \'{{"kernel_running": "{newest}"}}\' >/etc/bordbuch/given-facts.json'
    )
    assert any("given, not read" in line for line in here.plan()["observations"]["app1"]["warnings"])


def test_a_clock_that_is_off_is_named_in_the_plan(site: MakeSite) -> None:
    here = site(scenarios.security_update(("alpha",)), "db1")
    given = "/etc/bordbuch/given-facts.json"  # a lab host has the clock of its machine
    here.run_on("db1", f"mkdir -p /etc/bordbuch; echo '{{\"clock_offset_seconds\": 300}}' >{given}")
    assert any("the clock is +300 s off" in line for line in here.plan()["observations"]["db1"]["warnings"])
    here.run_on("db1", f"rm {given}")
    assert not any("clock" in line for line in here.plan()["observations"]["db1"]["warnings"])


def test_f19_not_rebooted_is_a_verdict_of_its_own(site: MakeSite) -> None:
    here = site(scenarios.security_update(("alpha",)), "db1", patch_reboot="always")
    here.run_on(
        "db1",
        "ln -s /bin/true /usr/local/sbin/shutdown; ln -sf /bin/true /sbin/shutdown",
    )
    here.configure(patch_reboot="always", patch_reboot_seconds=8)
    here.invoke("patch", "--yes", code=1)
    assert here.record()["hosts"]["db1"]["state"] == "failed"
    assert "reboot" in here.record()["hosts"]["db1"]["reason"]


@pytest.mark.parametrize("host", ["app1", "db1"])
def test_x07_exactly_the_approved_versions_or_a_refusal_with_the_difference(site: MakeSite, host: str) -> None:
    scenario = scenarios.security_update()
    here = site(scenario, host)
    here.invoke("patch", "--category", "normal", "--reason", "monthly", code=3)
    change = here.open_change()
    here.invoke("patch.approve", change, "--reason", "read it", operator="bert")
    scenarios.publish(here.archive, scenarios.moved_on(scenario))
    printed = here.invoke("patch", "--change", change, "--yes", code=4)
    assert scenarios.NEWER in printed
    assert here.record()["outcome"] == "refused"
    assert here.version(host, "alpha") == scenarios.OLD


def test_drift_on_the_host_refuses_it_before_anything_is_touched(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1", patch_lock_seconds=60)
    with held(here, "app1", "/var/lib/dpkg/lock-frontend"):
        running = here.begin("patch", "--yes")
        until(lambda: "lock.json" in here.run_on("app1", "ls /var/lib/bordbuch 2>/dev/null; true"))
        here.run_on("app1", "for f in /var/cache/apt/archives/alpha_*deb1*; do echo x >>$f; done")
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 4, output
    assert "another SHA-256" in output
    assert here.version("app1", "alpha") == scenarios.OLD
    assert here.run_on("app1", "ls /var/lib/bordbuch/lock.json 2>/dev/null; true") == ""


def test_a_full_file_system_keeps_the_host_out_of_the_plan(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1")
    here.lab.fill("app1", "/var/cache/apt/archives", 1_000_000)
    try:
        found = here.plan()["observations"]["app1"]
        assert found["verdict"] in ("unknown", "pending")
    finally:
        here.lab.drain("app1", "/var/cache/apt/archives")


def test_a_failing_package_is_told_with_apts_own_words(site: MakeSite) -> None:
    here = site(scenarios.failing_update(), "db1")
    printed = here.invoke("patch", "--yes", code=1)
    assert "apt ended with 100" in printed
    result = here.record()["hosts"]["db1"]
    assert {package["name"]: package["state"] for package in result["packages"]}["alpha"] == "failed"
    assert here.plan()["observations"]["db1"]["verdict"] == "needs-repair"


def test_the_lock_of_a_host_names_its_holder(site: MakeSite) -> None:
    here = site(scenarios.security_update(), "app1")
    claim = (
        '{"change": "2026-01-01-0000-aaaa", "operator": "bert", "controller": "desk", "since": "2026-01-01T00:00:00Z"}'
    )
    here.run_on("app1", f"mkdir -p /var/lib/bordbuch && echo '{claim}' >/var/lib/bordbuch/lock.json")
    printed = here.invoke("patch", "--yes", code=4)
    assert "bert on desk since 2026-01-01" in printed
    here.invoke("patch.unlock", "app1", "--reason", "the desk burned")
    assert "unlock app1: the desk burned" in here.record()["reason"]
    here.invoke("patch", "--yes")
    assert here.version("app1", "alpha") == scenarios.NEW


def test_no_ssh_session_is_needed_while_packages_change(site: MakeSite) -> None:
    here = site(scenarios.slow_update(6), "app1")
    running = here.begin("patch", "--yes")
    until(lambda: "alpha" in here.run_on("app1", "pgrep -af postinst; true"))
    here.lab.cut("app1")
    time.sleep(4)
    here.lab.mend("app1")
    output, _ = running.communicate(timeout=180)
    assert running.returncode == 0, output
    assert here.version("app1", "alpha") == scenarios.NEW
