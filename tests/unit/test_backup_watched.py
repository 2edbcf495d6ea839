"""What others make of what the watches note: the module, findings, the type of a backup, figures, alerts."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.backup import judge, procedure, show
from ops.backup.facts import Looked
from tests.unit.conftest import Answering
from tests.unit.factories import NOW, ROOT, load_program
from tests.unit.pgbackrest_says import said
from tests.unit.test_backup import FULL, backup, looked, place
from tests.unit.test_backup_watch import MOMENT, seen

watch = load_program("roles/backup/files/watch.py")
archiving = load_program("roles/backup/files/archiving.py")
figures = load_program("roles/monitoring/files/figures.py")
facts_module = load_program("playbooks/library/backup_facts.py")


def test_the_module_passes_on_what_is_broken(
    answering: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering("runuser", said(FULL))
    answering("systemctl", "")
    for name in ("CONFIGURATION", "STATE", "MARKERS", "DRILL", "WATCH"):
        monkeypatch.setattr(facts_module, name, tmp_path / name)
    settings = {
        "stanza": "main",
        "version": "17",
        "places": [],
        "recovery_point_seconds": 1,
        "recovery_time_seconds": 1,
    }
    (tmp_path / "CONFIGURATION").write_text(json.dumps(settings))
    assert facts_module.repository({"collected": [], "whole": False})["watched"] is None
    (tmp_path / "WATCH").write_text(json.dumps(watch.noted({}, [seen(missing="WAL file X"), seen(2)], 100)))
    answer = facts_module.repository({"collected": [], "whole": False})
    assert (answer["watched"], answer["broken"]) == (100, {"1": {"since": 100, "missing": "WAL file X"}})


BROKEN = {"broken": {"2": {"since": MOMENT, "missing": "X"}}}


def test_a_gap_is_found_and_a_backup_without_a_type_closes_it() -> None:
    found = judge.findings(looked(**BROKEN), NOW)
    what = "point-in-time recovery from repository 2 is broken since 2026-11-25 23:00 UTC until the next full backup: X is missing"
    assert [(one.host, one.what, one.next_step) for one in found] == [("backup1", what, "invoke backup --full")]
    assert (judge.due(looked()), judge.due(Looked()), judge.due(looked(**BROKEN))) == ("incr", "incr", "full")
    rows = {kind: [row[-1] for row in show.plan_rows(looked(**BROKEN), kind, NOW)] for kind in ("full", "incr")}
    assert rows == {
        "full": ["", "full, since WAL has a gap that this closes"],
        "incr": ["", "WAL has a gap that only --full closes"],
    }


@pytest.mark.parametrize(("given_type", "made"), [(None, "full"), ("incr", "incr")])
def test_the_backup_is_of_the_type_that_the_plan_said(
    monkeypatch: pytest.MonkeyPatch, given_type: Any, made: str
) -> None:
    monkeypatch.setattr(procedure, "look", lambda _session: looked(**BROKEN))
    monkeypatch.setattr(procedure, "confirm", lambda *_arguments: None)
    asked: list[dict[str, str]] = []

    def carry_out(*_arguments: Any, **variables: str) -> Any:
        asked.append(variables)
        raise KeyboardInterrupt

    monkeypatch.setattr(procedure, "carry_out", carry_out)
    with pytest.raises(KeyboardInterrupt):
        procedure.backup(None, procedure.Wish(given_type))  # type: ignore[arg-type]  # nothing asks it
    assert [one["backup_type"] for one in asked] == [made]


@pytest.mark.parametrize(
    ("watched", "stop", "found"),
    [
        (MOMENT - 3600, MOMENT - 9000, []),
        (MOMENT - 3601, MOMENT - 9000, ["nobody has looked for gaps in WAL for 60 min"]),
        (None, MOMENT - 3600, []),
        (None, MOMENT - 7200, ["nobody has looked for gaps in WAL for 2 h"]),
    ],
)
def test_a_watch_that_looks_no_longer_is_found(watched: int | None, stop: int, found: list[str]) -> None:
    one = looked(watched=watched, places=(place(backups=(backup(stop=stop),)),))
    assert [finding.what for finding in judge.findings(one, NOW)] == found


@pytest.mark.parametrize(("age", "fresh"), [(0, True), (3599, True), (3700, False)])
def test_figures_are_made_of_fresh_notes_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: int, fresh: bool
) -> None:
    for name, program in (("WATCH", watch), ("ARCHIVING", archiving)):
        assert getattr(figures, name) == Path(f"/var/lib/bordbuch-{name.lower()}/seen.json") == program.NOTE
        monkeypatch.setattr(figures, name, tmp_path / name)
    monkeypatch.setattr(figures.time, "time", lambda: MOMENT)
    (tmp_path / "WATCH").write_text(json.dumps(watch.noted({}, [seen(missing="x"), seen(2)], MOMENT - age)))
    (tmp_path / "ARCHIVING").write_text(json.dumps({"looked": MOMENT - age, "ready": 7, "failing": True}))
    settings = {
        "certificates": [],
        "database": "",
        "mail_queue": False,
        "drill": False,
        "backup": True,
        "archiving": True,
    }
    has = figures.figures(settings)
    only = {name: has[name] for name in ("pitr", "archiving")}
    monkeypatch.setattr(figures, "figures", lambda _configuration: only)
    text = figures.render(figures.read_all(settings))
    assert text.count('bordbuch_figure_failed{figure="pitr"} 0') == fresh
    lines = ['bordbuch_pitr_broken{repository="1"} 1', 'bordbuch_pitr_broken{repository="2"} 0']
    lines += ["bordbuch_archive_ready_files 7", "bordbuch_archive_failing 1"]
    assert [line in text.splitlines() for line in lines] == [fresh] * 4


def test_the_limits_are_the_same_wherever_they_stand() -> None:
    for name in ("OLDEST_BACKUP", "OLDEST_DRILL", "OLDEST_MARKER"):
        assert getattr(watch, name) == getattr(judge, name)
    rules = yaml.safe_load((ROOT / "roles/monitoring/files/alerts.yml").read_text())["groups"][0]["rules"]
    alerts = {rule["alert"]: rule for rule in rules}
    seconds = {"h": 3600, "d": 86400}
    for name, limit in (("Backup", judge.OLDEST_BACKUP), ("Drill", judge.OLDEST_DRILL)):
        factors = re.search(r"> (\d+) \* (\d+)$", alerts[f"{name}Old"]["expr"])
        assert factors
        assert int(factors[1]) * int(factors[2]) == limit
        wait = alerts[f"{name}Missing"]["for"]
        assert int(wait[:-1]) * seconds[wait[-1]] == limit


def test_programs_run_with_python_of_debian_12() -> None:
    """Each begins with the interpreter of the host and is found by systemd under the name that its unit says."""
    for name, module in (("watch", watch), ("archiving", archiving)):
        path = ROOT / f"roles/backup/files/{name}.py"
        unit = (ROOT / f"roles/backup/templates/bordbuch-{name}.service.j2").read_text()
        assert path.read_text().startswith("#!/usr/bin/python3 -I\n")
        assert f"ExecStart={{{{ __backup_programs }}}}/{name}.py\n" in unit
        assert f"StateDirectory={module.NOTE.parent.name}\n" in unit
        assert module.__name__ in sys.modules
