"""The programs of a restore and a backup on a host, and the task that waits for them: without a host."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.factories import load_program

ID = "2026-11-25-2300-k7xq"
FULL, INCR = "20261125-021000F", "20261125-021000F_20261125-201000I"

program = load_program("roles/backup/files/restore.py")
backups = load_program("roles/backup/files/backup.py")
module = load_program("playbooks/library/backup_run.py")


def test_request_and_result_lie_where_both_look_for_them() -> None:
    folder = Path("/var/lib/bordbuch")
    assert folder / "restore" == program.FOLDER
    assert (folder / "backup", folder / "drill") == (backups.STATE, backups.DRILLS)
    queued = folder / f"backup/queue/{ID}.json"
    assert {kind: (module.unit_of(kind, ID), module.paths_of(kind, ID)) for kind in ("diff", "drill", "restore")} == {
        "diff": ("bordbuch-backup@diff.service", (folder / "backup/request.json", queued)),
        "drill": ("bordbuch-drill.service", (folder / "drill/request.json", queued)),
        "restore": (
            f"bordbuch-restore@{ID}.service",
            (folder / f"restore/{ID}.json", folder / f"restore/{ID}.result.json"),
        ),
    }


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        ({}, "x.service left no result; journalctl --unit x.service says why"),
        ({"kind": "restore", "ok": True, "reason": ""}, ""),
        ({"kind": "restore", "ok": False, "reason": "open the server: it ended"}, "open the server: it ended"),
        ({"kind": "drill", "verdict": "pass"}, ""),
        ({"kind": "drill", "verdict": "partial"}, ""),
        ({"kind": "drill", "verdict": "fail"}, "the drill failed"),
        ({"kind": "drill", "verdict": ""}, "the drill failed"),
    ],
)
def test_what_did_not_go_well_fails_the_task(result: dict[str, Any], fault: str) -> None:
    assert module.fault(result, "x.service") == fault


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the units of this host are to be: the first line of the file; calls are added to ``calls`` beside it."""
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\necho $* >> {tmp_path}/calls\ncat {tmp_path}/state\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(module, "GRACE", 0)
    (tmp_path / "state").write_text("inactive\n")
    return tmp_path / "state"


def test_the_result_is_waited_for_as_long_as_the_unit_runs(systemctl: Path, tmp_path: Path) -> None:
    left = tmp_path / "result.json"
    assert module.wait(left, "x.service", 60) == {}, "the unit has ended without"
    systemctl.write_text("activating\n")
    assert module.wait(left, "x.service", 0) == {}, "the time is over"
    left.write_text(json.dumps({"ok": True}))
    assert module.wait(left, "x.service", 60) == {"ok": True}


def test_a_request_is_left_once_and_never_over_that_of_another(systemctl: Path, tmp_path: Path) -> None:
    path = tmp_path / "new/request.json"
    assert module.start("x.service", path, {"label": FULL}, ID) == ""
    assert json.loads(path.read_text()) == {"label": FULL, "id": ID}
    assert "start --no-block x.service" in (tmp_path / "calls").read_text()
    (tmp_path / "calls").unlink()
    systemctl.write_text("activating\n")
    assert module.start("x.service", path, {"label": INCR}, ID) == "", "it is waited for"
    assert module.start("x.service", path, {}, "2026-11-25-2300-aaaa").startswith(
        "x.service runs already, asked for by"
    )
    assert json.loads(path.read_text()) == {"label": FULL, "id": ID}
    assert "start" not in (tmp_path / "calls").read_text()


def test_the_ledger_is_kept_in_the_second_place_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["bordbuch_places"], "LEDGER", tmp_path / "ledger")
    backups.write(tmp_path / "ledger/ledger", "2026-11-25T23:00:00Z locked 17\n")
    places = [backups.Repository(n, str(tmp_path / kind), 4, kind) for n, kind in enumerate(("posix", "sftp", "s3"), 1)]
    backups.keep_ledger([*places, backups.Repository(4, str(tmp_path / "second"), 4)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger", "second"]
    copy = tmp_path / "second/ledger/ledger"
    assert copy.read_text() == "2026-11-25T23:00:00Z locked 17\n"
    backups.write(tmp_path / "ledger/ledger", "")
    with pytest.raises(backups.Fault, match="shorter than its copy"):
        backups.keep_ledger([backups.Repository(4, str(tmp_path / "second"), 4)])
    assert copy.read_text() == "2026-11-25T23:00:00Z locked 17\n"
