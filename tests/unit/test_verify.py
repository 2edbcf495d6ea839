"""Verifying: how variables become plain ones, how results are told."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from ops.errors import Failed
from ops.inventory import load
from ops.tasks.verify import conclude, rows
from ops.verify import Check, as_inventory, resolve
from tests.host.expectations import expected

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "inventory/example"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPOG2GLaYiCALqdaRGWotsvV47Zqo+jYlqdWfaPR5uGm"
SET_FOR_EVERY_HOST = ("firewall_rules", "site_address", "mail_relay_password", "archive_host", "liquidfeedback_workers")


def test_the_example_inventory_loads() -> None:
    inventory = load(EXAMPLE)
    assert set(inventory.hosts) == {"app1", "db1", "backup1"}
    assert inventory.policy.logbook_host in inventory.hosts
    assert {one["office"] for one in inventory.operators} >= {"administration", "clearing"}


def test_variables_are_those_that_ansible_sees() -> None:
    variables = resolve(EXAMPLE, ("db1", "app1"))
    assert set(variables) == {"db1", "app1"}
    assert variables["db1"]["ansible_host"] == "db1.example.org"
    assert variables["db1"]["automatic_updates"] == "off"
    assert set(expected(variables["db1"], datetime(2026, 11, 25, tzinfo=UTC)).administrators) == {"anna", "bert"}


def test_host_keys_are_strict_whatever_the_inventory_says() -> None:
    given = {"app1": {"ansible_ssh_common_args": "-o StrictHostKeyChecking=no", "ansible_user": None}}
    host = as_inventory(given, Path("/run/x"))["all"]["hosts"]["app1"]
    assert host["ansible_ssh_common_args"].split().index("StrictHostKeyChecking=yes") == 1
    assert "ansible_user" not in host


def test_an_expired_key_makes_no_administrator() -> None:
    key = {"public": f"{KEY} x", "valid_until": datetime.now(UTC).strftime("%Y-%m-%d")}
    operators = [{"name": "anna", "office": "administration", "keys": [key]}]
    assert expected({"operators": operators}).administrators == {"anna": {KEY.split()[1]}}
    assert expected({"operators": operators}, datetime(2999, 1, 1, tzinfo=UTC)).others == ("anna",)


def test_parts_of_the_site_are_expected_where_the_inventory_puts_them() -> None:
    variables = resolve(EXAMPLE, ("app1", "db1", "backup1"))
    every = {"certificate", "mail", "firewall"}
    parts = {host: expected(values).parts for host, values in variables.items()}
    assert parts == {
        "app1": every | {"application"},
        "db1": every | {"database"},
        "backup1": every | {"archive", "pages"},
    }


def test_the_example_gives_every_role_what_it_cannot_do_without(tmp_path: Path) -> None:
    specs = ROOT.glob("roles/*/meta/argument_specs.yml")
    options = [yaml.safe_load(path.read_text())["argument_specs"]["main"].get("options") or {} for path in specs]
    required = {name for given in options for name, option in given.items() if option.get("required")}
    assert "liquidfeedback_database_password" in required
    names = ", ".join(f"'{name}': {name}" for name in sorted({*required, *SET_FOR_EVERY_HOST}))
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible"), "-i", EXAMPLE, "all", "-m", "ansible.builtin.debug",
            "-a", json.dumps({"msg": f"{{{{ {{{names}}} }}}}"}), "-e", "vault_liquidfeedback_database_password=x",
            "-e", "vault_mail_relay_password=x", "-e", "vault_backup_passphrase=x", "--tree", tmp_path,
        ],
        check=False, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = {path.name: json.loads(path.read_text())["msg"] for path in tmp_path.iterdir()}
    assert told["db1"]["mail_relay_host"] == "smtp.example.org"
    assert [rule["name"] for rule in told["app1"]["firewall_rules"]] == ["web"]


def test_a_host_that_did_not_answer_is_told_as_such() -> None:
    checks = [
        Check(host="app1", check="sshd runs", passed=True),
        Check(host="app1", check="No unit has failed", passed=False, seen="x.service"),
        Check(host="db1", check="sshd runs", passed=False, reached=False),
    ]
    assert list(rows(checks)) == [("app1", "1", "1"), ("db1", "0", "did not answer")]
    with pytest.raises(Failed, match="app1, db1"):
        conclude(checks)
