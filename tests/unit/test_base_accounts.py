"""Who gets an account: boundaries of keys' validity, offices, names."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna"
PASSWD = {
    "root": ["x", "0", "0", "root", "/root", "/bin/bash"],
    "backup": ["x", "34", "34", "backup", "/var/backups", "/usr/sbin/nologin"],
    "bert": ["x", "1001", "1001", "", "/home/bert", "/bin/bash"],
    "emil": ["x", "1002", "1002", "", "/srv/emil", "/bin/bash"],
}


def decide(
    *operators: dict[str, Any], now: str = "2026-11-25T12:00:00Z", members: str = "", folder: str = ""
) -> dict[str, Any]:
    place = ROOT / "roles/base/filter_plugins/base_accounts.py"
    spec = importlib.util.spec_from_file_location("base_accounts", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    entry = ["x", "999", members] if members else []
    return dict(module.base_accounts(operators, folder, now, PASSWD, entry))


def operator(name: str = "anna", office: str = "administration", **more: Any) -> dict[str, Any]:
    return {"name": name, "office": office, "keys": [{"public": KEY}], **more}


def test_administrators_get_an_account() -> None:
    assert decide(operator())["keep"] == [{"name": "anna", "lines": [KEY]}]


@pytest.mark.parametrize("office", ["member-administration", "clearing"])
def test_other_offices_get_none(office: str) -> None:
    assert decide(operator("bert", office)) == {
        "keep": [],
        "lock": [{"name": "bert", "home": "/home/bert"}],
        "faults": [],
    }


def test_who_is_absent_is_locked_if_there() -> None:
    assert decide(operator("bert", state="absent"))["lock"] == [{"name": "bert", "home": "/home/bert"}]
    assert decide(operator("anna", state="absent")) == {"keep": [], "lock": [], "faults": []}


def test_who_left_the_inventory_is_locked() -> None:
    assert decide(members="emil,gone")["lock"] == [{"name": "emil", "home": "/srv/emil"}]


@pytest.mark.parametrize(
    ("now", "is_valid"),
    [
        ("2026-05-31T23:59:59Z", False),
        ("2026-06-01T00:00:00Z", True),
        ("2026-06-30T23:59:59Z", True),
        ("2026-07-01T00:00:00Z", False),
    ],
)
def test_a_key_is_valid_from_its_first_to_its_last_day(now: str, is_valid: bool) -> None:
    key = {"public": KEY, "valid_from": "2026-06-01", "valid_until": "2026-06-30"}
    assert bool(decide(operator(keys=[key]), now=now)["keep"]) is is_valid


@pytest.mark.parametrize(("now", "is_valid"), [("2026-06-30T14:05:00Z", True), ("2026-06-30T14:05:01Z", False)])
def test_a_lost_key_ends_at_once(now: str, is_valid: bool) -> None:
    key = {"public": KEY, "valid_from": "2026-06-30T00:00:00Z", "valid_until": "2026-06-30T14:05:00Z"}
    assert bool(decide(operator(keys=[key]), now=now)["keep"]) is is_valid
    assert all(one["lines"] == [f'expiry-time="20260630140500Z" {KEY}'] for one in decide(operator(keys=[key]))["keep"])


def test_a_key_bears_its_end() -> None:
    key = {"public": KEY, "valid_until": "2027-12-31"}
    assert decide(operator(keys=[key]))["keep"][0]["lines"] == [f'expiry-time="20271231235959Z" {KEY}']


def test_a_key_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "anna.pub").write_text(KEY + "\n", encoding="utf-8")
    assert decide(operator(keys=[{"file": "anna.pub"}]), folder=str(tmp_path))["keep"][0]["lines"] == [KEY]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (operator("root"), "root is an account of the system"),
        (operator("backup"), "backup is an account of the system"),
        (operator("../x"), "'../x' is no login name"),
        (operator("anna\nALL"), "is no login name"),
        (operator(keys=[{"public": f'command="x" {KEY}'}]), "no public SSH key"),
        (operator(keys=[{"public": f"{KEY}\n{KEY}"}]), "no public SSH key"),
        (operator(keys=[{"public": "-----BEGIN OPENSSH PRIVATE KEY-----"}]), "no public SSH key"),
        (operator(keys=[{"file": "missing.pub"}]), "cannot be read"),
        (operator(keys=[{}]), "cannot be read"),
        (operator(keys=[{"public": KEY, "valid_until": "31.12.2027"}]), "is neither a day like 2027-12-31 nor a time"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], said: str) -> None:
    decided = decide(wrong)
    assert decided["keep"] == []
    assert said in decided["faults"][0]


def test_a_name_stands_once() -> None:
    assert decide(operator(), operator())["faults"] == ["anna stands twice"]
