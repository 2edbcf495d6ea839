"""What timers did becomes records that an audit believes: the result as the host wrote it is the evidence."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.backup import look, outcome
from ops.backup.facts import Looked, Repository, Waiting
from ops.backup.judge import untrusted as distrusted
from ops.change.session import Session
from ops.logbook.model import Record
from tests.unit import factories
from tests.unit.logbook_world import World
from tests.unit.test_backup import ID, PROMISED, backup_result, drill_result


def sign(key: Path, text: str, namespace: str = "bordbuch-timer") -> str:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def seen(*waiting: Waiting) -> Looked:
    told = Repository(version="2.55.1-1", postgresql="17", places=(), queue=waiting, **PROMISED)
    return Looked(repository_host="backup1", repository=told)


Signed = Callable[[dict[str, Any]], Waiting]


@pytest.fixture
def signed(world: World) -> Signed:
    """Give a result as backup1 leaves it: with its outcome, and signed."""

    def leave(result: dict[str, Any]) -> Waiting:
        text = json.dumps({**result, "outcome": outcome.ended(result)}, indent=1)
        return Waiting(text=text, signature=sign(world.folder / "backup1", text))

    return leave


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
    world: World, session: Session, signed: Signed, result: dict[str, Any]
) -> None:
    assert look.collect(session, seen(signed(result))) == ([ID], {})
    files = session.logbook.read(ID)
    assert files.record is not None
    assert files.events[0].data["id"] == ID
    session.logbook.push()
    assert world.audit(now=datetime.now(UTC)).findings == ()
    assert look.collect(session, seen(signed(result))) == ([ID], {})
    assert session.logbook.unpushed() == 0, "it is recorded once"


def test_a_backup_that_outlived_its_command_corrects_the_record(world: World, session: Session, signed: Signed) -> None:
    look.collect(session, seen(signed(backup_result(ok=False, reason="contact was lost", repositories=[]))))
    look.collect(session, seen(signed(backup_result())))
    session.logbook.push()
    corrections = [files.record for files in session.logbook.read_all() if files.record and files.record.links]
    assert [(record.outcome, record.links) for record in corrections] == [("verified", {"corrects": ID})]
    assert world.audit(now=datetime.now(UTC)).findings == ()


@pytest.mark.parametrize(
    ("key", "namespace", "words"),
    [
        ("anna", "bordbuch-timer", "which is no host's key"),
        ("mallory", "bordbuch-timer", "which is no host's key"),
        ("backup1", "git", "it is for 'git'"),
        ("", "", "is not signed"),
    ],
)
def test_what_its_host_has_not_signed_waits_and_is_said(
    world: World, session: Session, signed: Signed, key: str, namespace: str, words: str
) -> None:
    result = signed(backup_result())
    signature = sign(world.folder / key, result.text, namespace) if key else ""
    done, untrusted = look.collect(session, seen(result.model_copy(update={"signature": signature})))
    assert done == []
    assert words in untrusted[ID]
    assert session.logbook.files(ID) == ()
    looked = seen().model_copy(update={"untrusted": untrusted})
    assert any(words in finding.what for finding in distrusted(looked))


def test_a_result_that_somebody_changed_on_its_way_waits(session: Session, signed: Signed) -> None:
    result = signed(drill_result("fail", "failed"))
    changed = result.model_copy(update={"text": result.text.replace('"fail"', '"pass"')})
    assert "was not made of this" in look.collect(session, seen(changed))[1][ID]


def recorded(session: Session, waiting: Waiting, **changes: bytes) -> None:
    """Record what an operator made of a result: the files of the record, with *changes*."""
    genuine = look.evidence

    def evidence(made: Record, host: str, given: Waiting) -> dict[str, bytes]:
        files = {**genuine(made, host, given), **{name.replace("_", "."): text for name, text in changes.items()}}
        return {name: text for name, text in files.items() if text}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look, "evidence", evidence)
        look.collect(session, seen(waiting))
    session.logbook.push()


@pytest.mark.parametrize("removed", ["result.json", "result.json.sig"])
def test_an_audit_finds_a_timers_record_that_no_host_has_signed(
    world: World, session: Session, signed: Signed, removed: str
) -> None:
    recorded(session, signed(backup_result()), **{removed.replace(".", "_"): b""})
    found = world.audit(now=datetime.now(UTC)).findings
    assert any(finding.rule == "machine" and "signed" in finding.what for finding in found)


def test_an_audit_finds_a_record_that_says_something_else_than_its_host(
    world: World, session: Session, signed: Signed
) -> None:
    good, bad = signed(drill_result()), signed(drill_result("fail", "failed"))
    recorded(session, good, result_json=bad.text.encode(), result_json_sig=bad.signature.encode())
    found = world.audit(now=datetime.now(UTC)).findings
    assert any("another outcome than the result that its host signed" in finding.what for finding in found)


def test_an_audit_asks_when_the_hosts_key_counted(world: World, session: Session, signed: Signed) -> None:
    recorded(session, signed(backup_result()))
    ended = world.with_keys(backup1={"valid_until": "2026-01-01"})
    found = world.audit(ended, now=datetime.now(UTC)).findings
    assert [finding.rule for finding in found] == ["machine"]
    assert "did not count" in found[0].what
