"""Who has an account, and who may become root."""

import re

import pytest
from testinfra.host import Host

from tests.host.expectations import Expected

LIST_SUDO = """getent passwd | cut -d: -f1 | while read -r name; do
    [ "$name" = root ] || ! sudo -n -l -U "$name" 2>/dev/null | grep -q 'may run the following' || echo "$name"
done"""


def keys_of(host: Host, name: str) -> set[str]:
    """Return the base64 part of each key that lets *name* in."""
    home = host.check_output("getent passwd %s", name).split(":")[5]
    text = host.run("cat %s/.ssh/authorized_keys 2>/dev/null", home).stdout
    return set(re.findall(r"^(?!#).*?\b(?:ssh|ecdsa)-[a-z0-9@.-]+ ([A-Za-z0-9+/=]+)", text, re.MULTILINE))


@pytest.fixture(scope="module")
def accounts(host: Host) -> set[str]:
    """All accounts of the host."""
    return set(host.check_output("getent passwd | cut -d: -f1").split())


def test_administrators_have_accounts(host: Host, wanted: Expected, accounts: set[str]) -> None:
    """Every administrator of the inventory has an account with exactly the valid keys."""
    assert set(wanted.administrators) <= accounts, "an account is missing"
    wrong = [name for name, keys in wanted.administrators.items() if keys_of(host, name) != keys]
    assert wrong == [], f"other keys than in the inventory: {wrong}"


def test_others_are_locked(host: Host, wanted: Expected, accounts: set[str]) -> None:
    """Nobody else of the inventory has an account that can be used."""
    existing = [name for name in wanted.others if name in accounts]
    usable = [name for name in existing if keys_of(host, name) or not is_expired(host, name)]
    assert usable == [], f"not locked: {usable}"


def is_expired(host: Host, name: str) -> bool:
    """Return whether the account has an end, as shadow(5) writes it, that is over."""
    end = host.check_output("getent shadow %s", name).split(":")[7]
    return end != "" and int(end) <= int(host.check_output("date +%s")) // 86400


def test_nobody_else_has_sudo(host: Host, wanted: Expected) -> None:
    """Only the administrators of the inventory may become root."""
    assert set(host.run(LIST_SUDO).stdout.split()) == set(wanted.administrators)
