"""Freezes and approvals."""

from datetime import timedelta

import pytest

from ops import policy
from ops.errors import Refused, Waiting
from tests.unit.factories import NOW, approval, inventory, plan

FREEZE = {
    "from": "2026-11-25T00:00:00Z",
    "to": "2026-11-26T00:00:00Z",
    "reason": "party congress",
    "categories": ["standard"],
}


def test_a_freeze_refuses_its_categories_and_ends_by_itself() -> None:
    rules = inventory(freezes=[FREEZE]).policy
    refusal = policy.freeze(rules, "standard", NOW)
    assert isinstance(refusal, Refused)
    assert "party congress" in refusal.what
    assert policy.freeze(rules, "emergency", NOW) is None
    assert policy.freeze(rules, "standard", NOW + timedelta(hours=1)) is None


@pytest.mark.parametrize(
    ("category", "given", "expected"),
    [
        ("standard", None, type(None)),
        ("emergency", None, type(None)),
        ("normal", None, Waiting),
        ("normal", {}, type(None)),
        ("normal", {"by": "anna"}, Refused),
        ("emergency", {"by": "anna"}, Refused),
        ("normal", {"digest": "f" * 64}, Refused),
        ("normal", {"verdict": "rejected"}, Refused),
    ],
)
def test_approval(category: str, given: dict[str, str] | None, expected: type) -> None:
    made = plan(category=category)
    answer = policy.approval(inventory().policy, made, None if given is None else approval(made, **given))
    assert isinstance(answer, expected)


def test_an_emergency_owes_its_approval_for_a_day() -> None:
    made = plan(category="emergency")
    assert policy.owed_until(inventory().policy, made, None) == NOW + timedelta(hours=24)
    assert policy.owed_until(inventory().policy, made, approval(made)) is None
    assert policy.owed_until(inventory().policy, plan(), None) is None
