"""Verifying: how variables become plain ones, how results are told."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.errors import Failed
from ops.inventory import load
from ops.tasks.verify import conclude, rows
from ops.verify import Check, as_inventory, resolve
from tests.host.expectations import expected

EXAMPLE = Path(__file__).resolve().parents[2] / "inventory/example"


def test_the_example_inventory_loads() -> None:
    inventory = load(EXAMPLE)
    assert set(inventory.hosts) == {"app1", "app2", "db1", "backup1"}
    assert inventory.policy.logbook_host in inventory.hosts
    assert {one["office"] for one in inventory.operators} >= {"administration", "clearing"}


def test_variables_are_those_that_ansible_sees() -> None:
    variables = resolve(EXAMPLE, ("db1", "app1"))
    assert set(variables) == {"db1", "app1"}
    assert variables["db1"]["ansible_host"] == "db1.example.org"
    assert variables["db1"]["automatic_updates"] == "off"
    assert set(expected(variables["db1"], "2026-11-25").administrators) == {"anna", "bert"}


def test_host_keys_are_strict_whatever_the_inventory_says() -> None:
    given = {"app1": {"ansible_ssh_common_args": "-o StrictHostKeyChecking=no", "ansible_user": None}}
    host = as_inventory(given, Path("/run/x"))["all"]["hosts"]["app1"]
    assert host["ansible_ssh_common_args"].split().index("StrictHostKeyChecking=yes") == 1
    assert "ansible_user" not in host


def test_an_expired_key_makes_no_administrator() -> None:
    key = {"public": "ssh-ed25519 AAAA x", "valid_until": datetime.now(UTC).strftime("%Y-%m-%d")}
    operators = [{"name": "anna", "office": "administration", "keys": [key]}]
    assert expected({"operators": operators}).administrators == {"anna": {"AAAA"}}
    assert expected({"operators": operators}, "2999-01-01").others == ("anna",)


def test_a_host_that_did_not_answer_is_told_as_such() -> None:
    checks = [
        Check(host="app1", check="sshd runs", passed=True),
        Check(host="app1", check="No unit has failed", passed=False, seen="x.service"),
        Check(host="db1", check="sshd runs", passed=False, reached=False),
    ]
    assert list(rows(checks)) == [("app1", "1", "1"), ("db1", "0", "did not answer")]
    with pytest.raises(Failed, match="app1, db1"):
        conclude(checks)
