"""The faults that the lab offers do what they say, and can be mended."""

import socket
from collections.abc import Iterator

import pytest

from ops.errors import Failed
from ops.lab import Lab


@pytest.fixture
def app(lab: Lab) -> Iterator[str]:
    """A host to break; it is fresh again afterwards."""
    yield "app1"
    lab.reset(["app1"])


def test_a_changed_host_key_is_refused(lab: Lab, app: str) -> None:
    key = "/etc/ssh/ssh_host_ed25519_key"
    lab.run_on(app, ["sh", "-c", f"rm {key}; ssh-keygen -q -t ed25519 -N '' -f {key}; systemctl restart ssh"])
    with pytest.raises(Failed, match="HOST IDENTIFICATION HAS CHANGED"):
        lab.run_on(app, ["true"])


def test_cut_and_mend(lab: Lab) -> None:
    address = next(str(host.address) for host in lab.hosts() if host.name == "db1")
    lab.cut("db1")
    with pytest.raises(OSError, match=r"timed out|No route"):
        socket.create_connection((address, 22), timeout=0.5)
    lab.mend("db1")
    lab.run_on("db1", ["true"])


def test_a_frozen_host_answers_when_it_is_thawed(lab: Lab) -> None:
    lab.freeze("db1")
    assert {host.name: host.state for host in lab.hosts()}["db1"] == "frozen"
    with pytest.raises(Failed, match="longer than 1 s"):
        lab.run_on("db1", ["true"], limit=1)
    lab.thaw("db1")
    lab.run_on("db1", ["true"])


def test_a_full_file_system_has_no_room_and_keeps_its_content(lab: Lab, app: str) -> None:
    before = lists(lab, app)
    lab.fill(app, "/var/lib", leave_bytes=1 << 20)
    assert lists(lab, app) == before
    full = lab.run_on(app, ["dd", "if=/dev/zero", "of=/var/lib/more", "bs=64k", "count=64"], check=False)
    assert "No space left on device" in full.stderr
    lab.run_on(app, ["rm", "/var/lib/more"])
    lab.drain(app, "/var/lib")
    lab.run_on(app, ["dd", "if=/dev/zero", "of=/var/lib/more", "bs=64k", "count=64"])


def lists(lab: Lab, name: str) -> list[str]:
    return sorted(lab.run_on(name, ["find", "/var/lib/dpkg/info", "-name", "*.list"]).stdout.split())
