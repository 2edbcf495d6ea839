"""Names and addresses of a lab follow from its state folder alone."""

import ipaddress
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import BadInput, Failed
from ops.lab.names import LabName, candidate_networks, default_hosts, free_network, gateway, give_addresses, parse_hosts

LAB = LabName.of(Path("/home/anna/bordbuch/.lab"))
NET = ipaddress.IPv4Network("10.70.1.0/24")


def test_two_checkouts_have_two_names() -> None:
    other = LabName.of(Path("/home/bert/bordbuch/.lab"))
    assert {LAB.bridge, LAB.table, LAB.cgroup}.isdisjoint({other.bridge, other.table, other.cgroup})


@given(st.text(min_size=1))
def test_interface_names_fit_the_kernel(path: str) -> None:
    lab = LabName.of(Path("/") / path.replace("\0", ""))
    assert len(lab.bridge) <= 15
    assert len(lab.port(ipaddress.IPv4Address("10.191.255.250"))) <= 15


def test_every_candidate_is_private_and_comes_once() -> None:
    networks = list(candidate_networks(LAB))
    assert len(set(networks)) == len(networks) == 128 * 256
    assert {network[0].packed[1] for network in networks} == set(range(64, 192))


def test_a_taken_network_is_avoided() -> None:
    first, second = islice(candidate_networks(LAB), 2)
    assert free_network(LAB, []) == first
    assert free_network(LAB, [first]) == second
    assert free_network(LAB, [ipaddress.IPv4Network("0.0.0.0/0")]) == first
    assert free_network(LAB, [ipaddress.IPv4Network((first[53], 32))]) == second


def test_no_free_network_is_said() -> None:
    with pytest.raises(Failed, match="no free private"):
        free_network(LAB, [ipaddress.IPv4Network("10.0.0.0/8")])


def test_a_new_host_gets_a_free_address_and_the_others_keep_theirs() -> None:
    given_before = {"db1": NET[11]}
    assert give_addresses(NET, ["app1", "db1", "app2"], given_before) == {
        "app1": NET[12],
        "db1": NET[11],
        "app2": NET[13],
    }
    assert gateway(NET) == NET[1]


def test_more_hosts_than_addresses_are_refused() -> None:
    with pytest.raises(BadInput, match="room for 240"):
        give_addresses(NET, [f"h{number}" for number in range(241)], {})


def test_database_and_backup_are_of_one_release() -> None:
    assert default_hosts() == {"app1": "bookworm", "db1": "trixie", "backup1": "trixie"}
    assert default_hosts("bookworm") == {"app1": "trixie", "db1": "bookworm", "backup1": "bookworm"}


@pytest.mark.parametrize(
    "text",
    ["", ",", "app1", "app1=", "app1=sid", "=trixie", "App1=trixie", "a_b=trixie", "1a=trixie", "a-=trixie",
     "a=trixie,a=trixie", "../x=trixie", f"{'a' * 33}=trixie"],
)  # fmt: skip
def test_hosts_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_hosts(text)


def test_hosts_are_read_in_their_order() -> None:
    assert list(parse_hosts("db1=trixie, app1=bookworm").items()) == [("db1", "trixie"), ("app1", "bookworm")]


def test_an_unknown_release_of_the_database_is_refused() -> None:
    with pytest.raises(BadInput, match="no release of the lab"):
        default_hosts("sid")
