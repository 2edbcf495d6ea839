"""The index finds what the records say, at once after they came, and never more than is there."""

from datetime import timedelta
from pathlib import Path

import pytest

from ops.change import look
from ops.logbook import index
from ops.logbook.model import Model
from tests.unit.logbook_world import ID, NOW, World, change, file_bytes, path, record_change, run

OTHER = "2026-11-25-2301-aaaa"
THIRD = "2026-11-25-2302-bbbb"
FOURTH = "2026-11-25-2303-cccc"


class Session:
    """What looking needs of one."""

    def __init__(self, world: World) -> None:
        self.logbook = world.clone()


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    record_change(world)
    return world


def found(world: World, **words: str) -> list[str]:
    return [record.id for record in look.find(Session(world), **words)]  # type: ignore[arg-type]  # all that it reads


def on(host: str, identifier: str, **fields: object) -> dict[str, Model]:
    """Return a change of *host* alone, without a plan."""
    phases = change(identifier)
    record = phases["record.json"]
    hosts = {host: record.hosts["app1"].model_copy(update={"packages": ()})}  # type: ignore[attr-defined]  # it is a record
    fields = {"kind": "playbook", "digest": None, "approver": None, "hosts": hosts, **fields}
    return {"record.json": record.model_copy(update=fields)}


def test_what_is_asked_for_is_found(world: World) -> None:
    assert found(world) == found(world, host="db1") == found(world, package="openssl") == [ID]
    assert found(world, advisory="CVE-2026-1234", host="app1", package="libssl3") == [ID]
    assert found(world, advisory="CVE-2026-1") == found(world, host="web1") == found(world, package="openss") == []


def test_what_came_since_is_found_at_once_and_the_newest_first(world: World) -> None:
    assert found(world) == [ID]
    record_change(world, on("web1", OTHER, links={"reverts": ID}), OTHER)
    assert found(world) == [OTHER, ID]
    assert found(world, host="web1") == [OTHER]
    assert look.later(Session(world), ID) == [f"Taken back by {OTHER}: verified."]  # type: ignore[arg-type]  # as above
    assert look.later(Session(world), OTHER) == []  # type: ignore[arg-type]  # as above


def test_a_history_that_became_shorter_leaves_nothing_behind(world: World) -> None:
    old = world.clone().head()
    record_change(world, on("web1", OTHER), OTHER)
    assert found(world) == [OTHER, ID]
    run(world.folder / "clone", "update-ref", "refs/heads/main", old)
    assert index.ended(world.clone()) == (ID,)


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 5000])
def test_an_index_that_is_none_is_made_anew(world: World, content: bytes) -> None:
    file = world.folder / "clone" / ".git" / index.FILE
    assert found(world) == [ID]
    file.write_bytes(content)
    assert found(world, advisory="CVE-2026-1234") == [ID]


def test_an_index_of_another_version_is_made_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(world) == [ID]
    monkeypatch.setattr(index, "VERSION", index.VERSION + 1)
    monkeypatch.setattr(index, "_words", lambda _record: iter([("host", "elsewhere")]))
    assert index.ended(world.clone(), host="elsewhere") == (ID,)


def test_what_is_open_or_owed_is_unfinished(world: World) -> None:
    owed = {"approver": None, "category": "emergency", "approval_owed_until": NOW + timedelta(hours=20)}
    phases = {name: phase for name, phase in change(OTHER, category="emergency").items() if name != "approval.json"}
    record_change(world, {**phases, "record.json": phases["record.json"].model_copy(update=owed)}, OTHER)
    world.clone().add({path("plan.json", THIRD): file_bytes(change(THIRD)["plan.json"])}, "x")
    assert index.unfinished(world.clone()) == (OTHER, THIRD)
    world.clone("bert").add({path("approval.json", OTHER): file_bytes(change(OTHER, by="bert")["approval.json"])}, "x")
    record_change(world, on("web1", FOURTH), FOURTH)
    assert index.unfinished(world.clone()) == (THIRD,)


def test_an_empty_logbook_has_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert (index.ended(world.clone()), index.unfinished(world.clone())) == ((), ())
