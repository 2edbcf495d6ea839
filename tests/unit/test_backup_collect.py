"""What timers did becomes records that an audit believes: the result as the host wrote it is the evidence."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.backup import look
from ops.backup.facts import Looked, Repository
from ops.change.session import Session
from tests.unit import factories
from tests.unit.logbook_world import World
from tests.unit.test_backup import ID, PROMISED, backup_result, drill_result


def seen(*results: dict[str, Any]) -> Looked:
    told = Repository(version="2.55.1-1", postgresql="17", places=(), queue=results, **PROMISED)
    return Looked(repository_host="backup1", repository=told)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def session(world: World, tmp_path: Path) -> Session:
    return Session(factories.inventory(), world.operators, "anna", world.clone(), tmp_path / "spool")


@pytest.mark.parametrize(
    "result",
    [
        backup_result(),
        backup_result(ok=False, reason="no room", repositories=[]),
        drill_result(),
        drill_result("partial", "skipped"),
        drill_result("fail", "failed"),
    ],
)
def test_a_result_that_waited_is_recorded_with_its_evidence(
    world: World, session: Session, result: dict[str, Any]
) -> None:
    assert look.collect(session, seen(result)) == [ID]
    files = session.logbook.read(ID)
    assert files.record is not None
    assert files.events[0].data["id"] == ID
    session.logbook.push()
    assert world.audit(now=datetime.now(UTC)).findings == ()
    assert look.collect(session, seen(result)) == [ID]
    assert session.logbook.unpushed() == 0, "it is recorded once"


def test_a_backup_that_outlived_its_command_corrects_the_record(world: World, session: Session) -> None:
    look.collect(session, seen(backup_result(ok=False, reason="contact was lost", repositories=[])))
    look.collect(session, seen(backup_result()))
    session.logbook.push()
    corrections = [files.record for files in session.logbook.read_all() if files.record and files.record.links]
    assert [(record.outcome, record.links) for record in corrections] == [("verified", {"corrects": ID})]
    assert world.audit(now=datetime.now(UTC)).findings == ()
