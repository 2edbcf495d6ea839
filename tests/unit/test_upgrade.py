"""What `invoke upgrade` says of one that failed, by the tasks that its playbook really has."""

from datetime import UTC, datetime
from pathlib import Path

from ops.logbook.model import Event
from ops.upgrade.procedure import CLOSING, RETURNED, left

ROOT = Path(__file__).resolve().parents[2]
COPY, RETURN = ("Upgrade the copy's schema", "failed"), ("Bring the database back", "failed")


def events(*results: tuple[str, str]) -> list[Event]:
    moment = datetime(2026, 11, 27, tzinfo=UTC)
    return [Event(time=moment, type="result", host="app1", task=task, status=status) for task, status in results]  # type: ignore[arg-type]  # text


def test_what_a_failed_upgrade_left_is_said() -> None:
    assert left(events(COPY)).startswith("only a copy")
    assert left(events((CLOSING, "changed"), (RETURNED, "failed"))).startswith("package and database are as they were")
    assert left(events((CLOSING, "changed"), RETURN)).startswith("the return to what was before did not end")


def test_the_playbook_has_the_tasks_that_are_looked_for() -> None:
    text = "".join(path.read_text() for path in ROOT.glob("playbooks/**/*upgrade*.yml"))
    for name in (CLOSING, RETURNED, COPY[0], RETURN[0]):
        assert f"- name: {name}\n" in text
