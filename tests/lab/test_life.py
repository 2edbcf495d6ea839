"""A lab's life: it boots, is found again, reboots, ends, and leaves nothing, however it ends."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ops.errors import BadInput, Failed
from ops.lab import Lab
from tests.lab.traces import becomes_true, supervisor, traces

ROOT = Path(__file__).parents[2]
ONE = {"one1": "trixie"}


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Lab]:
    """A second lab, down. Tests that need both take both."""
    second = Lab(tmp_path / "state")
    yield second
    second.down()


def boot_id(lab: Lab, name: str) -> str:
    return lab.run_on(name, ["cat", "/proc/sys/kernel/random/boot_id"]).stdout.strip()


def test_both_releases_boot(lab: Lab) -> None:
    ask = ["sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"]
    assert {lab.run_on(host.name, ask).stdout.strip() == host.release for host in lab.hosts()} == {True}
    assert {host.release for host in lab.hosts()} == {"bookworm", "trixie"}


def test_a_host_is_what_it_is_called(lab: Lab) -> None:
    assert lab.run_on("db1", ["hostname"]).stdout.strip() == "db1"
    assert str(lab.hosts()[0].address) in lab.run_on("db1", ["getent", "hosts", "app1"]).stdout


def test_every_source_answers(lab: Lab) -> None:
    lab.run_on("app1", ["apt-get", "update", "-qq", "-eany"])


def test_nothing_of_apt_runs_by_itself(lab: Lab) -> None:
    for host in ("app1", "db1"):
        assert "apt-daily" not in lab.run_on(host, ["systemctl", "list-timers", "--all"]).stdout


def test_up_on_a_running_lab_does_nothing_and_is_quick(lab: Lab) -> None:
    before, began = boot_id(lab, "app1"), time.monotonic()
    assert lab.up() is False
    assert time.monotonic() - began < 1
    assert boot_id(lab, "app1") == before


def test_up_refuses_another_release_of_a_host(lab: Lab) -> None:
    with pytest.raises(BadInput, match="there as bookworm"):
        lab.up({"app1": "trixie"})


@pytest.mark.parametrize("name", ["app1", "db1"])
def test_a_reboot_is_a_new_boot(lab: Lab, name: str) -> None:
    before = boot_id(lab, name)
    with suppress(Failed):  # the host may hang up before the command has ended
        lab.run_on(name, ["systemctl", "reboot"])
    assert becomes_true(lambda: answer(lab, name) not in ("", before), limit=30)
    lab.wait([name])


def answer(lab: Lab, name: str) -> str:
    argv = ["ssh", "-F", str(lab.ssh_config), name, "cat", "/proc/sys/kernel/random/boot_id"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False).stdout.strip()


def test_reset_gives_a_fresh_disk_and_key_and_leaves_the_others(lab: Lab) -> None:
    untouched, key = boot_id(lab, "app1"), lab.files.known_hosts.read_text()
    lab.run_on("db1", ["touch", "/root/mark"])
    lab.reset(["db1"])
    assert lab.run_on("db1", ["test", "-e", "/root/mark"], check=False).returncode == 1
    assert boot_id(lab, "app1") == untouched
    assert lab.files.known_hosts.read_text() != key


def test_a_killed_host_comes_back_with_its_disk(lab: Lab) -> None:
    lab.run_on("backup1", ["sh", "-c", "touch /root/mark; sync"])
    lab.kill("backup1")
    assert {host.name: host.state for host in lab.hosts()}["backup1"] == "off"
    assert lab.up() is True
    lab.run_on("backup1", ["test", "-e", "/root/mark"])


def test_two_labs_side_by_side(lab: Lab, other: Lab) -> None:
    other.up(ONE)
    assert other.hosts()[0].address != lab.hosts()[0].address
    assert other.run_on("one1", ["hostname"]).stdout.strip() == "one1"
    other.down()
    assert traces(other) == []
    assert lab.run_on("app1", ["hostname"]).stdout.strip() == "app1"


def test_keys_and_logbook_survive_down(other: Lab) -> None:
    other.up(ONE)
    (other.state / "logbook").mkdir()
    other.down()
    assert sorted(path.name for path in other.state.iterdir()) == ["cp", "host_keys", "keys", "logbook"]
    assert {path.name for path in other.keys.iterdir()} >= {"lab", "anna", "anna.pub", "bert", "bert.pub"}


def test_down_leaves_nothing_though_the_checkout_was_deleted(other: Lab) -> None:
    other.up(ONE)
    shutil.rmtree(other.state.parent)
    other.down()
    assert traces(other) == []


def test_nothing_survives_its_supervisor(other: Lab) -> None:
    other.up(ONE)
    os.kill(supervisor(other, "one1"), signal.SIGKILL)
    assert becomes_true(lambda: not other.is_on("one1"), limit=2)
    other.down()
    assert traces(other) == []


@pytest.mark.parametrize("seconds", [0.3, 0.7, 1.1, 1.6])
def test_down_leaves_nothing_after_up_was_killed(other: Lab, seconds: float) -> None:
    argv = [sys.executable, "-m", "ops.lab", "--state", str(other.state), "up", "--hosts", "one1=trixie,two2=bookworm"]
    starting = subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    starting.kill()
    starting.wait()
    other.down()
    assert traces(other) == []


def test_a_killed_start_is_taken_up_by_the_next(other: Lab) -> None:
    argv = [sys.executable, "-m", "ops.lab", "--state", str(other.state), "up", "--hosts", "one1=trixie"]
    starting = subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.DEVNULL)
    time.sleep(0.9)
    starting.kill()
    starting.wait()
    other.up(ONE)
    other.wait(ONE)


def test_the_lab_ends_with_its_owner(other: Lab) -> None:
    with subprocess.Popen(["sleep", "60"]) as owner:
        other.up(ONE, owner=owner.pid)
        owner.kill()
    assert becomes_true(lambda: traces(other) == [])
