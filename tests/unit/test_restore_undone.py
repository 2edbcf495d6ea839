"""Restores after restores: what was taken back, and which backups lead nowhere."""

from datetime import UTC, datetime

import pytest

from ops.backup import restore, undone
from ops.backup.restore import Wish
from ops.errors import BadInput
from ops.logbook.model import RestoreActions, RestoreHost
from tests.unit.logbook_world import change
from tests.unit.test_restore import FULL, ID, INCR, actions, looked, plan

OUTSIDE = ("10:00:00", "21:00:01")


def made(host: RestoreHost) -> RestoreActions:
    return RestoreActions(kind="restore", selection="all", waves=(("db1",),), hosts={"db1": host})


def test_what_an_earlier_restore_took_back_is_refused_and_its_backups_are_passed_over() -> None:
    """At 21:00 somebody went back to 10:00: the backup of 20:00 lies on a timeline that nothing leads to."""
    ended = datetime(2026, 11, 25, 21, tzinfo=UTC)
    earlier = actions(until="2026-11-25 10:00:00+00")
    record = change(ID)["record.json"].model_copy(update={"outcome": "verified", "ended": ended})
    taken = (*undone.undone([(record, plan().model_copy(update={"actions": made(earlier)}))], "db1", {}),)
    assert taken == (undone.Undone(record.id, datetime(2026, 11, 25, 10, tzinfo=UTC), ended),)
    chosen = {
        moment: restore.chosen(looked(), Wish(to=f"2026-11-25T{moment}Z"), "db1", taken)[1].label for moment in OUTSIDE
    }
    assert chosen == dict.fromkeys(OUTSIDE, FULL)
    for moment in ("10:00:01", "20:30:00", "21:00:00"):
        with pytest.raises(BadInput, match="taken back by the restore"):
            restore.chosen(looked(), Wish(to=f"2026-11-25T{moment}Z"), "db1", taken)
    assert restore.chosen(looked(), Wish(label=INCR), "db1", taken)[1].until == "backup", (
        "what was taken back can be had"
    )


@pytest.mark.parametrize(
    ("until", "label", "outcome", "since"),
    [
        ("newest", FULL, "verified", None),
        ("backup", FULL, "verified", 3),
        ("backup", "20200101-000000F", "verified", None),
        ("2026-11-25 10:00:00+00", FULL, "failed", None),
    ],
)
def test_what_a_restore_took_back(until: str, label: str, outcome: str, since: int | None) -> None:
    record = change(ID)["record.json"].model_copy(update={"outcome": outcome})
    earlier = plan().model_copy(update={"actions": made(actions(until=until, label=label))})
    found = [*undone.undone([(record, earlier)], "db1", {FULL: datetime(2026, 11, 25, 3, tzinfo=UTC)})]
    assert [one.since.hour for one in found] == ([since] if since else [])
    assert [*undone.undone([(record, earlier)], "db2", {})] == []
