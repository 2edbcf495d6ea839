"""A host's package sources are the machine's own Debian archives, with the suites of the host's release."""

import pytest

from ops.errors import BadInput
from ops.lab.sources import debian_sources, guest_proxy, guest_resolver, guest_sources, parse_targets

TARGETS = """\
http://mirror.example/debian/|bookworm|main|Debian
http://mirror.example/debian/|bookworm|contrib|Debian
http://mirror.example/debian/|bookworm-updates|main|Debian
http://mirror.example/debian/|bookworm-backports|main|Debian Backports
https://security.example/debian-security/|bookworm-security|main|Debian
https://third.example/apt|bookworm|main|Third Party
https://third.example/apt|stable|main|
file:/srv/debian/|bookworm|main|Debian
"""


def test_third_party_sources_are_left_out() -> None:
    assert debian_sources(parse_targets(TARGETS), "bookworm") == {
        "": "http://mirror.example/debian/",
        "-updates": "http://mirror.example/debian/",
        "-security": "https://security.example/debian-security/",
    }


@pytest.mark.parametrize("name", ["stable", "oldstable"])
def test_a_machine_that_says_stable_is_understood(name: str) -> None:
    targets = parse_targets(
        f"http://m.example/debian|{name}|main|Debian\nhttp://m.example/s|{name}-security|main|Debian\n"
    )
    assert debian_sources(targets, "trixie") == {"": "http://m.example/debian", "-security": "http://m.example/s"}


@pytest.mark.parametrize(
    "text", ["", "http://m.example/ubuntu|noble|main|Ubuntu\n", "cdrom://x|bookworm|main|Debian\n"]
)
def test_a_machine_without_debian_is_told_so(text: str) -> None:
    with pytest.raises(BadInput, match="no Debian archive"):
        debian_sources(parse_targets(text), "bookworm")


def test_suites_are_those_of_the_host() -> None:
    text = guest_sources(debian_sources(parse_targets(TARGETS), "bookworm"), "trixie")
    suites = [line for line in text.splitlines() if line.startswith("Suites:")]
    assert suites == ["Suites: trixie", "Suites: trixie-security", "Suites: trixie-updates"]
    assert "bookworm" not in text
    assert text.count("Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg") == 3


@pytest.mark.parametrize(
    ("proxy", "reached"),
    [
        ("http://127.0.0.1:3142", "http://10.70.1.1:3142"),
        ("http://localhost:3142/", "http://10.70.1.1:3142/"),
        ("http://cache.example:3142", "http://cache.example:3142"),
        ("http://localhost.example:3142", "http://localhost.example:3142"),
    ],
)
def test_a_proxy_on_the_machine_is_reached_over_the_bridge(proxy: str, reached: str) -> None:
    assert f'Acquire::http::Proxy "{reached}";' in guest_proxy(proxy, "10.70.1.1")


@pytest.mark.parametrize("proxy", ["", "DIRECT"])
def test_no_proxy_is_no_configuration(proxy: str) -> None:
    assert guest_proxy(proxy, "10.70.1.1") == ""


def test_a_resolver_on_the_machine_itself_is_left_out() -> None:
    assert (
        guest_resolver("nameserver 127.0.0.53\nnameserver 9.9.9.9\nsearch example\n")
        == "nameserver 9.9.9.9\nsearch example\n"
    )
