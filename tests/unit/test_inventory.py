"""Every name in the inventory and in a limit must exist."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import BadInput
from ops.inventory import load, parse
from tests.unit.factories import inventory


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("", ("app1", "backup1", "db1")),
        ("all", ("app1", "backup1", "db1")),
        ("db1:app1", ("app1", "db1")),
        ("all:!database", ("app1", "backup1")),
        ("all,&database", ("db1",)),
        ("*1:!app*", ("backup1", "db1")),
    ],
)
def test_a_pattern_selects_in_the_inventorys_order(pattern: str, hosts: tuple[str, ...]) -> None:
    assert inventory().select(pattern) == hosts


@pytest.mark.parametrize("pattern", ["db2", "app1:typo", "all:!typo", "app1:!app1", "&database:!db1"])
def test_a_name_that_does_not_exist_is_refused(pattern: str) -> None:
    with pytest.raises(BadInput):
        inventory().select(pattern)


@given(st.text(max_size=30))
def test_no_pattern_crashes_or_selects_nothing_silently(pattern: str) -> None:
    with contextlib.suppress(BadInput):
        assert inventory().select(pattern)


def test_a_missing_or_empty_inventory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no inventory"):
        load(tmp_path / "missing")
    (tmp_path / "empty.yml").write_text("all: {}\n")
    with pytest.raises(BadInput, match="has no host"):
        load(tmp_path / "empty.yml")


@pytest.mark.parametrize(
    "variables",
    [
        {"patch_reboot": "sometimes"},
        {"patch_waves": ["0"]},
        {"patch_waves": [-1]},
        {"patch_last_groups": ["databse"]},
        {"freezes": [{"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "reason": "x"}]},
        {"freezes": [{"from": "2026-01-01", "to": "2026-01-02", "reason": "x", "categories": ["normal"]}]},
        {"automatic_updates": "weekly"},
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(variables: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        inventory(**variables)


def test_a_setting_of_all_hosts_must_not_differ() -> None:
    listing = {
        "_meta": {"hostvars": {"a": {"logbook_remote": "x"}, "b": {"logbook_remote": "y"}}},
        "all": {"hosts": ["a", "b"]},
    }
    with pytest.raises(BadInput, match="logbook_remote differently"):
        parse(Path("i"), listing)
