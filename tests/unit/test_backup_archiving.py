"""What the database's host looks for by itself: whether WAL leaves for the repository, and what keeps it from that."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.conftest import Answering
from tests.unit.factories import NOW, load_program

archiving = load_program("roles/backup/files/archiving.py")

MOMENT = int(NOW.timestamp())
GIB = 2**30


def server(**changes: Any) -> Any:
    """Return a server that archives as it must, but for *changes*."""
    fields = {"recovering": False, "mode": "on", "command": "pgbackrest --stanza=main archive-push %p", "library": ""}
    times = {"archived": MOMENT - 30, "failed": 0, "oldest": None, "now": MOMENT}
    return archiving.Server(**{**fields, **times, "ready": 0, "data": "/nowhere", **changes})


def complaints(free_bytes: int = 50 * GIB, archives: bool = True, **changes: Any) -> list[str]:
    wanted = {"archives": archives, "stanza": "main", "room_mb": 2048}
    return list(archiving.problems(server(**changes), free_bytes, wanted))


FAILS = "archiving fails, and WAL has waited for 5 min"


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (FAILS, {"failed": MOMENT - 1, "ready": 1, "oldest": MOMENT - 301}),
        (FAILS, {"failed": MOMENT - 1, "archived": 0, "ready": 1, "oldest": MOMENT - 301}),
        ("archiving fails, and WAL has waited for 2 h", {"failed": MOMENT - 1, "ready": 99, "oldest": MOMENT - 7201}),
        ("4 WAL files wait to be archived, the oldest for 10 min", {"ready": 4, "oldest": MOMENT - 601}),
        ("the file system of pg_wal has 2047 MiB of room left", {"free_bytes": 2 * GIB - 1}),
        ("archive_mode is off", {"mode": "off", "command": "(disabled)"}),
        ("archive_command does not send WAL to the repository: it is '/bin/true'", {"command": "/bin/true"}),
        ("archive_command does not send WAL to the repository: it is 'empty'", {"command": ""}),
        ("archive_command does not send WAL to the repository", {"library": "basic_archive"}),
        ("this host archives (archive_mode) and is not the first", {"archives": False}),
    ],
)
def test_one_thing_that_is_wrong_with_archiving_is_one_sentence(words: str, changes: dict[str, Any]) -> None:
    found = complaints(**changes)
    assert len(found) == 1
    assert found[0].startswith(words)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"failed": MOMENT - 1, "archived": MOMENT - 9000, "ready": 1, "oldest": MOMENT - 300},
        {"failed": MOMENT - 60, "ready": 5, "oldest": MOMENT - 400},
        {"ready": 200, "oldest": MOMENT - 600},
        {"free_bytes": 2 * GIB},
        {"recovering": True, "mode": "off", "command": "(disabled)"},
        {"archives": False, "mode": "off", "command": "(disabled)"},
    ],
)
def test_a_blip_and_what_is_meant_so_are_no_alarm(changes: dict[str, Any]) -> None:
    assert complaints(**changes) == []


@pytest.fixture
def database_host(answering: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Have the watch on archiving run here, with a server that answers what it is told."""
    for name in ("CONFIGURATION", "NOTE"):
        monkeypatch.setattr(archiving, name, tmp_path / name)
    monkeypatch.setattr(archiving, "PATIENCE_SECONDS", 0)
    (tmp_path / "CONFIGURATION").write_text(json.dumps({"archives": True, "stanza": "main", "room_mb": 0}))
    (tmp_path / "pg_wal").mkdir()
    answering("systemctl", "")
    return answering


def told(tmp_path: Path, **changes: Any) -> str:
    return json.dumps(vars(server(data=str(tmp_path), **changes)))


def test_archiving_is_looked_at_and_noted(
    database_host: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database_host("psql", told(tmp_path, ready=2, oldest=MOMENT - 5))
    assert (archiving.main(), capsys.readouterr().err) == (0, "")
    noted = json.loads(archiving.NOTE.read_text())
    assert (noted["ready"], noted["failing"]) == (2, False)
    database_host("psql", told(tmp_path, failed=MOMENT, ready=1, oldest=MOMENT - 3000))
    assert archiving.main() == 1
    assert "archiving fails" in capsys.readouterr().err
    assert json.loads(archiving.NOTE.read_text())["failing"] is True


def test_a_server_that_does_not_answer_is_no_all_clear_unless_it_is_being_restored(
    database_host: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    database_host("psql", "", 2)
    assert archiving.main() == 1
    assert "PostgreSQL does not answer" in capsys.readouterr().err
    assert not archiving.NOTE.exists()
    database_host("systemctl", "bordbuch-restore@x.service loaded activating start Restore")
    assert archiving.main() == 0
