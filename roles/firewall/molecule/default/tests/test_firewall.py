"""What really comes through, asked from the other host, after a mistake and a reboot."""

from collections.abc import Callable

import pytest
import testinfra
from testinfra.host import Host

LISTEN = "systemd-run --collect --unit=listen-%s python3 -m http.server --bind :: %s"
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()"
IPV6 = {"bookworm": "fd00:6264::1", "trixie": "fd00:6264::2"}
FILE = "/etc/nftables.d/bordbuch.nft"

Reach = Callable[[str, int], bool]


@pytest.fixture(scope="module")
def reach(host: Host) -> Reach:
    """Try a port of the host from the other one, over "4" or "6"."""
    mine = host.backend.host
    other = {"bookworm": "trixie", "trixie": "bookworm"}[mine]
    peer = testinfra.get_host(f"ansible://{other}", ansible_inventory=host.backend.ansible_inventory)
    # Lab hosts have no IPv6 of their own.
    for one, name in ((host, mine), (peer, other)):
        one.check_output("ip -6 address replace %s/64 dev host0 nodad", IPV6[name])
    addresses = {"4": host.check_output("hostname -I").split()[0], "6": IPV6[mine]}
    for port in ("8001", "8002", "8003", "8101"):
        host.run(LISTEN, port, port)
    host.run("sleep 1")
    return lambda version, port: peer.run("python3 -c %s %s %s", CONNECT, addresses[version], str(port)).rc == 0


@pytest.mark.parametrize("version", ["4", "6"])
def test_open_is_what_was_asked_for(reach: Reach, version: str) -> None:
    assert reach(version, 8001)


@pytest.mark.parametrize("version", ["4", "6"])
def test_ssh_is_open_on_every_port_of_sshd(reach: Reach, version: str) -> None:
    assert reach(version, 22)
    assert reach(version, 2222)


@pytest.mark.parametrize("version", ["4", "6"])
def test_all_else_is_closed(host: Host, reach: Reach, version: str) -> None:
    assert host.socket("tcp://:::8003").is_listening
    assert not reach(version, 8003)


def test_only_those_named_come_in(reach: Reach) -> None:
    assert reach("6", 8002)
    assert reach("6", 8101)
    assert not reach("4", 8002)


@pytest.mark.usefixtures("reach")
def test_loopback_is_open(host: Host) -> None:
    assert host.run("python3 -c %s ::1 8003", CONNECT).rc == 0


def test_the_file_is_in_force_since_boot(host: Host) -> None:
    assert host.service("nftables").is_enabled
    assert host.service("nftables").is_running
    wanted = host.check_output("unshare --net sh -c 'nft -f %s && nft -s list table inet bordbuch'", FILE)
    assert wanted == host.check_output("nft -s list table inet bordbuch")
    assert "udp dport 8004" in wanted


def test_nothing_is_left_of_the_mistake(host: Host) -> None:
    assert "192.0.2.1 " not in host.file(FILE).content_string
    assert not host.file(f"{FILE}.trial").exists
    assert host.run("systemctl list-units --all --no-legend 'bordbuch-firewall-*'").stdout == ""


def test_our_rules_do_not_forward(host: Host) -> None:
    rules = host.check_output("nft list chain inet bordbuch forward")
    assert "policy drop" in rules
