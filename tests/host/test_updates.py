"""Packages: where they come from, in which state they are, who updates them."""

import re

import pytest
from testinfra.host import Host

from tests.host.expectations import Expected

SOURCES = "cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null"


@pytest.fixture(scope="module")
def apt(host: Host) -> dict[str, list[str]]:
    """APT's configuration: name to its values."""
    values: dict[str, list[str]] = {}
    for name, value in re.findall(r'^(\S+?):* "(.*)";$', host.check_output("apt-config dump"), re.MULTILINE):
        values.setdefault(name, []).append(value)
    return values


def test_automatic_updates(host: Host, apt: dict[str, list[str]], wanted: Expected) -> None:
    """Automatic updates are as the inventory says."""
    unattended = apt.get("APT::Periodic::Unattended-Upgrade", ["0"])[-1]
    is_on = unattended not in ("", "0") and host.package("unattended-upgrades").is_installed
    assert ("security-nightly" if is_on else "off") == wanted.automatic_updates


def test_automatic_updates_bring_only_security(apt: dict[str, list[str]], wanted: Expected) -> None:
    """Automatic updates bring security updates only, and never reboot."""
    if wanted.automatic_updates == "off":
        return
    origins = [value for value in apt["Unattended-Upgrade::Origins-Pattern"] if value]
    assert origins, "no origin is named"
    assert all("-security" in origin for origin in origins), f"more than security: {origins}"
    assert apt.get("Unattended-Upgrade::Automatic-Reboot", ["false"])[-1] == "false"


def test_automatic_updates_have_their_timers(host: Host, wanted: Expected) -> None:
    """The timers of automatic updates run where they are needed."""
    if wanted.automatic_updates == "off":
        return
    states = host.run("systemctl is-active apt-daily.timer apt-daily-upgrade.timer").stdout.split()
    assert states == ["active", "active"]


def test_packages_are_whole(host: Host) -> None:
    """No package is half-installed, and dpkg has nothing left to do."""
    lines = host.check_output("dpkg-query -W -f '${db:Status-Status} ${Package}\\n'").splitlines()
    half = [line for line in lines if line.split()[0] not in ("installed", "config-files", "not-installed")]
    assert half == [], f"half-installed: {half}"
    assert host.check_output("ls -A /var/lib/dpkg/updates") == "", "dpkg was interrupted"


def test_sources_are_signed(host: Host) -> None:
    """Every package source is checked against a keyring that is there."""
    text = host.run(SOURCES).stdout
    assert not re.search(r"trusted\s*[:=]\s*yes|allow-insecure\s*[:=]\s*yes", text, re.IGNORECASE)
    keyrings = re.findall(r"signed-by\s*[:=]\s*(/[^\s\],]+)", text, re.IGNORECASE)
    missing = [path for path in keyrings if not host.file(path).exists]
    assert missing == [], f"missing keyrings: {missing}"
    assert host.package("debian-archive-keyring").is_installed


def test_needrestart_only_lists(host: Host) -> None:
    """needrestart only lists what should restart."""
    program = 'our %nrconf; do "/etc/needrestart/needrestart.conf"; print $nrconf{restart}'
    assert host.check_output("perl -e %s", program) == "l"
