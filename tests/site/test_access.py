"""Who may do what on a deployed site: nothing is found; what is planted by hand is named; taken back, nothing is found again."""

import json
from collections.abc import Iterator

import pytest

from tests.site.conftest import Deployed

pytestmark = pytest.mark.timeout(1800)  # the first one waits until the site is deployed

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPcQd2HgbS4Tgi5oUivnDqIeW4G2xfCny6lIyH/uAXN1"
AUTHORIZED = "/home/anna/.ssh/authorized_keys"
PLANTED = {
    "app1": (
        f"useradd --create-home --shell /bin/bash mallory; cp -p {AUTHORIZED} /root/kept; echo '{KEY} planted' >>{AUTHORIZED}",
        f"userdel --remove mallory; mv /root/kept {AUTHORIZED}",
    ),
    "backup1": (
        "echo 'www-data ALL=(root) NOPASSWD: /bin/ls' >/etc/sudoers.d/planted; chmod 440 /etc/sudoers.d/planted",
        "rm /etc/sudoers.d/planted",
    ),
    "db1": (
        "runuser -u postgres -- psql -c 'CREATE ROLE eve LOGIN SUPERUSER'",
        "runuser -u postgres -- psql -c 'DROP ROLE eve'",
    ),
}
"""By host: what is done by hand, and what takes it back."""


def record(site: Deployed, code: int = 0) -> tuple[str, dict[str, list[str]]]:
    """Return how the newest comparison ended, and what it found by check."""
    told, _end = json.JSONDecoder().raw_decode(site.invoke("access", "--json", code=code))
    found: dict[str, list[str]] = {}
    for host, result in told["hosts"].items():
        for check in result["checks"]:
            if not check["passed"]:
                found.setdefault(check["name"], []).append(f"{host}: {check['detail']}")
    return told["outcome"], found


@pytest.fixture
def planted(site: Deployed) -> Iterator[str]:
    """Have an account, a key, a rule of sudo and a database role that nobody configured; return the key's fingerprint."""
    fingerprint = site.run_on("app1", f"echo '{KEY}' | ssh-keygen -l -f - | cut -d' ' -f2")
    try:
        for host, (plant, _back) in PLANTED.items():
            site.run_on(host, plant)
        yield fingerprint
    finally:
        for host, (_plant, back) in PLANTED.items():
            site.run_on(host, back)


def test_a_deployed_site_is_as_configured(site: Deployed) -> None:
    assert record(site) == ("verified", {})
    assert "no difference on 3 hosts" in site.invoke("access")


def test_the_labs_own_access_is_told(site: Deployed) -> None:
    assert site.invoke("access", "--limit", "app1").count("the lab's own access: account root accepts") == 1


def test_what_is_planted_by_hand_is_named(site: Deployed, planted: str) -> None:
    assert record(site, code=1) == (
        "failed",
        {
            "accounts": ["app1: account mallory has a shell and is no operator's"],
            "keys": [f"app1: account anna accepts the key {planted}, which nothing configured gives it"],
            "sudo": ["backup1: account www-data may run /bin/ls as root by sudo and is no operator's"],
            "database roles": [
                "db1: database role eve of 17/main is there with login, superuser, and neither inventory nor roles make it"
            ],
        },
    )


def test_what_was_taken_back_is_no_difference_any_more(site: Deployed) -> None:
    assert record(site) == ("verified", {})
    assert "nothing missing, nothing changed" in site.invoke("audit")
