"""What is particular to the scenario; what holds for every host stands in tests/host."""

import pytest
from testinfra.host import Host


@pytest.mark.parametrize("name", ["bert", "emil"])
def test_accounts_from_before_are_locked(host: Host, name: str) -> None:
    if host.backend.host != "trixie":
        return
    shadow = host.check_output("getent shadow %s", name).split(":")
    assert shadow[1].startswith("!")
    assert shadow[7] == "1"
    assert not host.file(f"/home/{name}/.ssh/authorized_keys").exists
    assert host.user(name).shell == "/usr/sbin/nologin"


def test_key_ends_with_its_last_day(host: Host) -> None:
    lines = host.file("/home/anna/.ssh/authorized_keys").content_string.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ['expiry-time="29991231235959Z"']


def test_refused_setting_left_sshd_as_it_was(host: Host) -> None:
    drop_in = host.file("/etc/ssh/sshd_config.d/00-bordbuch.conf").content_string
    assert "PasswordAuthentication no" in drop_in
    assert "PermitRootLogn" not in drop_in
    assert host.run("sshd -t").rc == 0


def test_way_back_is_disarmed(host: Host) -> None:
    assert host.run("systemctl is-active bordbuch-sshd-return.timer").stdout.strip() == "inactive"
    drop_in = "/etc/ssh/sshd_config.d/00-bordbuch.conf"
    assert host.file(drop_in).content == host.file(f"{drop_in}.proven").content
