"""How people get in."""

import re

import pytest
from testinfra.host import Host

WANTED = {
    "passwordauthentication": {"no"},
    "kbdinteractiveauthentication": {"no"},
    "permitemptypasswords": {"no"},
    "pubkeyauthentication": {"yes"},
    # sshd -T prints prohibit-password by its old name.
    "permitrootlogin": {"no", "without-password", "prohibit-password", "forced-commands-only"},
    "permituserenvironment": {"no"},
    "x11forwarding": {"no"},
}
WEAK = re.compile(r"nistp|group14-|group1-|group-exchange-sha1|cbc|3des|arcfour|hmac-sha1|umac-64|hmac-md5|ssh-dss")


@pytest.fixture(scope="module")
def settings(host: Host) -> dict[str, str]:
    """The settings that hold, from the program itself."""
    lines = host.check_output("sshd -T").splitlines()
    return {keyword: value for keyword, _, value in (line.partition(" ") for line in lines)}


def test_sshd_runs(host: Host) -> None:
    """sshd runs and its configuration is valid."""
    assert host.run("systemctl is-active ssh.service").stdout.strip() == "active"
    assert host.run("sshd -t").stderr == ""


def test_no_passwords(settings: dict[str, str]) -> None:
    """sshd takes keys and no passwords."""
    wrong = {keyword: settings[keyword] for keyword, values in WANTED.items() if settings[keyword] not in values}
    assert wrong == {}, f"these settings differ: {wrong}"


def test_no_weak_algorithms(settings: dict[str, str]) -> None:
    """sshd offers no weak algorithm."""
    offered = ",".join(
        settings[keyword] for keyword in ("kexalgorithms", "ciphers", "macs", "pubkeyacceptedalgorithms")
    )
    weak = [name for name in offered.split(",") if WEAK.search(name) and not name.startswith(("ecdsa-", "sk-ecdsa-"))]
    assert weak == [], f"weak: {', '.join(weak)}"
