"""Restores, as far as they are decided without a host: what comes back, whose yes counts, how it ended."""

import json
import os
import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.backup import restore
from ops.backup.facts import Backup, Database, Looked, Place, Repository
from ops.backup.restore import Wish
from ops.errors import BadInput, OpsError, Refused, Waiting
from ops.logbook.files import ChangeFiles, file_bytes, parse_change
from ops.logbook.model import Actions, Check, Event, HostResult, Plan, RestoreActions, RestoreHost
from ops.patch.procedure import refuse_restores
from tests.unit import factories
from tests.unit.factories import NOW
from tests.unit.logbook_world import change

ROOT = Path(__file__).resolve().parents[2]
ID = "2026-11-25-2300-k7xq"
FULL, INCR = "20261125-021000F", "20261125-021000F_20261125-201000I"
CASES = sorted(ROOT.glob("tests/cases/*/plan.json"))


def backup(label: str, hour: int) -> Backup:
    """Return a backup that ended at the given hour of 2026-11-25, UTC."""
    stop = int(datetime(2026, 11, 25, hour, tzinfo=UTC).timestamp())
    return Backup(label=label, type="full", start=stop - 60, stop=stop, database_bytes=1, stored_bytes=1)


def place(number: int = 1, *found: Backup) -> Place:
    fields = {"path": "/b", "kind": "posix", "keep_full": 4, "status": "ok", "opens": True}
    return Place(number=number, backups=found or (backup(FULL, 3), backup(INCR, 20)), **fields)


def database(**changes: Any) -> Database:
    return Database(
        **{"version": "2.55-1", "runs": True, "server": 17, "data": ("/var/lib/postgresql/17/main",), **changes}
    )


def looked(**databases: Database) -> Looked:
    places = (place(1), place(2, backup(FULL, 4)))
    repository = Repository(version="2.55-1", postgresql="17", promised={}, places=places)
    return Looked(repository_host="backup1", repository=repository, databases=databases or {"db1": database()})


def actions(**changes: Any) -> RestoreHost:
    return RestoreHost(**{"label": FULL, "until": "newest", "repository": 1, "replaces": True, **changes})


def plan(**changes: Any) -> Plan:
    """Return anna's plan to restore onto db1, where it replaces data."""
    return restore.plan_of(factories.request(kind="restore", category="normal"), "db1", actions(**changes))


@pytest.mark.parametrize(
    ("wish", "label", "until"),
    [
        (Wish(), INCR, "newest"),
        (Wish(label=FULL), FULL, "backup"),
        (Wish(repository=2), FULL, "newest"),
        (Wish(to="2026-11-25T20:00:00Z"), INCR, "2026-11-25 20:00:00+00"),
        (Wish(to="2026-11-25T20:59:59.9+01:00"), FULL, "2026-11-25 19:59:59+00"),
        (Wish(to="2026-11-25T21:00:00Z", label=FULL), FULL, "2026-11-25 21:00:00+00"),
    ],
)
def test_what_comes_back(wish: Wish, label: str, until: str) -> None:
    host, found = restore.chosen(looked(), wish, "db1")
    assert (host, found) == ("db1", actions(label=label, until=until, repository=wish.repository, replaces=False))


@pytest.mark.parametrize(
    ("wish", "what"),
    [
        (Wish(target="db9"), "db9 cannot be restored onto"),
        (Wish(repository=3), "there is no repository 3"),
        (Wish(label="20200101-000000F"), "repository 1 has no backup 20200101-000000F"),
        (Wish(to="2026-11-25T02:59:59Z"), "repository 1 has no backup from before 2026-11-25 02:59:59 UTC"),
        (Wish(to="yesterday"), "'yesterday' is no time"),
        (Wish(to="2026-11-25"), "'2026-11-25' has no time zone"),
        (Wish(to="2026-11-25T20:00:00"), "'2026-11-25T20:00:00' has no time zone"),
        (Wish(to="2999-01-01T00:00:00Z"), "2999-01-01T00:00:00Z lies ahead"),
    ],
)
def test_what_cannot_come_back(wish: Wish, what: str) -> None:
    with pytest.raises(BadInput) as refused:
        restore.chosen(looked(), wish, "db1")
    assert refused.value.what == what


def test_a_repository_that_cannot_be_read_is_said() -> None:
    seen = looked()
    bad = place(1).model_copy(update={"opens": False, "status": "its passphrase does not open it"})
    seen = seen.model_copy(update={"repository": seen.repository.model_copy(update={"places": (bad,)})})
    with pytest.raises(BadInput, match="repository 1 cannot be read: its passphrase does not open it"):
        restore.chosen(seen, Wish(), "db1")


def test_the_database_host_is_meant_unless_another_is_named() -> None:
    seen = looked(db1=database(), db2=database(members=3))
    assert [restore.chosen(seen, Wish(target=name), "db1")[0] for name in ("", "db1", "db2")] == ["db1", "db1", "db2"]
    assert [restore.chosen(seen, Wish(target=name), "db1")[1].replaces for name in ("db1", "db2")] == [False, True]
    with pytest.raises(BadInput, match="a database host cannot be restored onto"):
        restore.chosen(Looked(repository=seen.repository), Wish(), "")


def test_a_server_that_does_not_answer_may_hold_data() -> None:
    assert restore.holds_data(database(members=1))
    assert restore.holds_data(database(runs=False))
    assert not restore.holds_data(database())
    assert not restore.holds_data(database(runs=False, data=()))


@pytest.mark.parametrize(
    ("until", "lost"),
    [
        ("newest", "what never reached the repository"),
        ("backup", f"everything since the backup {FULL} ended"),
        ("2026-11-25 20:00:00+00", "the last 3 h of 2026-11-25 23:00 UTC"),
    ],
)
def test_what_is_lost_is_said(until: str, lost: str) -> None:
    begin = ("db1", FULL, until, lost)
    kept = actions(until=until)
    assert restore.row("db1", kept, database(members=9), NOW) == (*begin, "9 members, kept aside")
    assert restore.row("db1", kept, database(runs=False), NOW) == (*begin, "a server that does not answer")
    assert restore.row("db1", actions(until=until, replaces=False), database(), NOW) == (*begin, "no members")


def test_a_plan_of_a_restore_is_read_as_what_it_is() -> None:
    made = plan()
    read = parse_change(ID, {"plan.json": file_bytes(made)}).plan
    assert read == made
    assert isinstance(read.actions, RestoreActions)
    assert read.digest == read.computed_digest() == "2eab353f314cdec32cac777f47f1df2b69ebc3b4de264e6e3f8fbc0e87ec2ff7"
    assert restore.only(read) == ("db1", actions())
    changes: tuple[dict[str, Any], ...] = ({"label": INCR}, {"until": "backup"}, {"repository": 2}, {"replaces": False})
    assert len({made.digest, *(plan(**one).digest for one in changes)}) == 5


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.parent.name)
def test_a_plan_of_a_patch_is_what_it_was_before_there_were_restores(path: Path) -> None:
    told = json.loads(path.read_text())
    fields = {"actions": told["actions"], "digest": told["digest"], "observations": {}}
    read = Plan.model_validate_json(json.dumps({"request": factories.request().model_dump(mode="json"), **fields}))
    assert type(read.actions) is Actions
    assert read.computed_digest() == told["digest"]
    with pytest.raises(BadInput, match="is no restore"):
        restore.only(read)


def test_the_digest_of_an_old_plan_of_a_patch() -> None:
    old = parse_change(ID, {"plan.json": file_bytes(change()["plan.json"])}).plan
    assert old
    assert old.computed_digest() == "8acf7d9621221528a5c77f7025ded24f8fd16c7fdafb122600f9031d219d587f"


@pytest.mark.parametrize(
    ("given", "replaces", "kind", "what"),
    [
        (None, True, Waiting, "data is replaced: another operator has to approve it"),
        (None, False, None, ""),
        ({}, True, None, ""),
        ({}, False, None, ""),
        ({"by": "anna"}, False, None, ""),
        ({"by": "anna", "basis": "policy"}, True, Refused, "the approval by anna is none for this plan"),
        ({"by": "anna"}, True, Refused, "the approval by anna is none for this plan"),
        ({"digest": "0" * 64}, True, Refused, "the approval by bert is none for this plan"),
        ({"digest": "0" * 64}, False, Refused, "the approval by bert is none for this plan"),
        ({"verdict": "rejected", "reason": "not now"}, True, Refused, "bert rejected it: not now"),
        ({"verdict": "rejected", "reason": "not now"}, False, Refused, "bert rejected it: not now"),
    ],
)
def test_whose_yes_counts(given: dict[str, Any] | None, replaces: bool, kind: type[OpsError] | None, what: str) -> None:
    made = plan(replaces=replaces)
    objection = restore.disagreement(made, None if given is None else factories.approval(made, **given))
    assert (type(objection) if objection else None, objection.what if objection else "") == (kind, what)


@pytest.mark.parametrize(
    ("changes", "there", "what"),
    [
        ({}, {"members": 9}, ""),
        ({"replaces": False}, {}, ""),
        ({"label": "20200101-000000F"}, {"members": 9}, "the backup 20200101-000000F is no longer there"),
        ({"repository": 2, "label": INCR}, {"members": 9}, f"the backup {INCR} is no longer there"),
        ({}, {}, "db1 has no data any more, other than what was approved"),
        ({"replaces": False}, {"members": 9}, "db1 has data now, other than what was approved"),
        ({"replaces": False}, {"runs": False}, "db1 has data now, other than what was approved"),
    ],
)
def test_what_was_approved_must_still_be_what_would_be_done(
    changes: dict[str, Any], there: dict[str, Any], what: str
) -> None:
    said = ""
    try:
        restore.refuse_moved(plan(**changes), looked(db1=database(**there)))
    except Refused as refused:
        said = refused.what
    assert said == what


def test_a_host_that_does_not_answer_is_not_restored_onto() -> None:
    with pytest.raises(Refused):
        restore.refuse_moved(plan(), looked(db2=database(members=9)))


def test_without_a_terminal_only_the_name_of_the_host_confirms() -> None:
    restore.ask_twice(plan(), "db1")
    restore.ask_twice(plan(replaces=False), "")
    with pytest.raises(Waiting, match="there is no terminal to ask on"):
        restore.ask_twice(plan(), "")
    for other in ("db2", "yes", "DB1"):
        with pytest.raises(Waiting, match="not confirmed"):
            restore.ask_twice(plan(), other)


@pytest.mark.parametrize(("typed", "good"), [("db1\ndb1\n", True), ("db1\n\n", False), ("db2\ndb1\n", False)])
def test_on_a_terminal_the_name_is_typed_twice(monkeypatch: pytest.MonkeyPatch, typed: str, good: bool) -> None:
    keyboard, screen = os.openpty()
    os.write(keyboard, typed.encode())
    with monkeypatch.context() as patch, open(screen) as stdin, open(os.dup(screen), "w") as stderr:
        patch.setattr(sys, "stdin", stdin)
        patch.setattr(sys, "stderr", stderr)
        with nullcontext() if good else pytest.raises(Waiting, match="not confirmed"):
            restore.ask_twice(plan(), "")
    os.close(keyboard)


STEP = {"name": "restore the files", "state": "passed", "seconds": 7, "detail": "until newest"}
BACK = {"name": "bring back what was there", "state": "passed", "seconds": 5, "detail": "the data from before is back"}
BAD = {**STEP, "state": "failed", "detail": "no room"}
LOCK, WORK, PAGE = "Take the host's lock", "Bring the old data aside", "Wait until the application answers"
CHECK = Check(name="restore the files", passed=True, detail="until newest")


def event(task: str, status: str = "ok", minute: int = 0, **data: Any) -> Event:
    """Return what a task told; *minute* after the first one."""
    action, time = "backup_run" if task == WORK else "other", NOW + timedelta(minutes=minute)
    return Event(time=time, type="result", task=task, action=action, host="db1", status=status, data=data)


def told(status: str = "changed", minute: int = 1, **changes: Any) -> Event:
    return event(WORK, status, minute, **{"kind": "restore", "ok": True, "reason": "", "steps": [STEP], **changes})


END = Event(time=NOW + timedelta(minutes=9), type="end")
FAILED = told("failed", ok=False, reason="restore the files: no room", steps=[BAD, BACK])
WENT_BACK = (
    Check(name="restore the files", passed=False, detail="no room"),
    Check(name="bring back what was there", passed=True, detail="the data from before is back"),
)


@pytest.mark.parametrize(
    ("state", "reason", "checks", "events"),
    [
        ("verified", "", (CHECK,), [event(LOCK), told(), event(PAGE, minute=2), END]),
        ("verified", "", (CHECK,), [event(LOCK, "failed"), event(LOCK), told(), END]),
        ("failed", "restore the files: no room", WENT_BACK, [FAILED, event(PAGE, minute=2), END]),
        ("failed", LOCK, (), [event(LOCK, "failed"), END]),
        ("failed", WORK, (), [event(LOCK), event(WORK, "failed"), END]),
        ("failed", f"{PAGE}: failed", (CHECK,), [told(), event(PAGE, "failed", 2), END]),
        ("failed", f"{PAGE}: unreachable", (CHECK,), [told(), event(PAGE, "unreachable", 2), END]),
    ],
)
def test_how_a_restore_ended(state: Any, reason: str, checks: tuple[Check, ...], events: list[Event]) -> None:
    assert restore.host_result(events) == HostResult(state=state, reason=reason, checks=checks)


@pytest.mark.parametrize(
    "events", [[], [event(LOCK)], [event(WORK, "unreachable"), END], [event(LOCK, "failed")], [event(LOCK), END]]
)
def test_where_contact_was_lost_it_is_not_known_how_it_ended(events: list[Event]) -> None:
    assert restore.host_result(events) is None


def test_a_second_run_tells_how_the_first_one_ended() -> None:
    events = [event(WORK, "unreachable"), END, event(LOCK, minute=20), told(minute=21), END]
    assert restore.host_result(events) == HostResult(state="verified", checks=(CHECK,))
    assert (restore.seconds_of([*events, FAILED]), restore.seconds_of([END])) == (12, 0)


def test_a_patch_waits_for_a_restore_that_was_begun() -> None:
    patch = ChangeFiles(id=ID, plan=factories.plan())
    refuse_restores([])
    refuse_restores([patch, ChangeFiles(id=ID)])
    with pytest.raises(Refused, match=f"restore {ID} was begun and has not ended") as refused:
        refuse_restores([patch, ChangeFiles(id=ID, plan=plan())])
    assert refused.value.next_step == f"invoke restore --change {ID} goes on with it"


def test_every_place_knows_the_same_version_of_each_release() -> None:
    """A role stands alone, so each says it: they must say the same."""
    role = "roles/{0}/vars/main.yml"
    postgresql, backup_role = (
        yaml.safe_load((ROOT / role.format(name)).read_text()) for name in ("postgresql", "backup")
    )
    plays = yaml.safe_load((ROOT / "playbooks/restore.yml").read_text())
    said = [postgresql["__postgresql_versions"], backup_role["__backup_versions"], plays[0]["vars"]["restore_versions"]]
    assert said == [{"12": "15", "13": "17"}] * 3
