"""The status: from what hosts tell to rows and lines, and what the module tells of a host."""

import importlib
import importlib.util
import io
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import ansible.module_utils
import pytest
from rich.console import Console

from ops.logbook.model import Check, Event
from ops.status import ask, show, watch
from ops.status.facts import Database, HostStatus, Pending, Status, Updates
from tests.unit.factories import NOW

ROOT = Path(__file__).resolve().parents[2]
LOCK = {"change": "2026-11-25-2300-k7xq", "operator": "bert", "controller": "x", "since": "2026-11-25T23:00:00Z"}


def host(**changes: Any) -> HostStatus:
    fields = {
        "release": "trixie",
        "updates": Updates(security=0, other=0, lists_age_seconds=60),
        "pending": Pending(),
        "failed_units": (),
    }
    return HostStatus(**{**fields, **changes})


def row(**changes: Any) -> dict[str, str]:
    (cells,) = show.rows(Status(hosts={"db1": host(**changes)}))
    return dict(zip(show.COLUMNS, cells, strict=True))


def test_a_host_where_all_is_well() -> None:
    assert {name: cell for name, cell in row().items() if cell} == {
        "host": "db1",
        "release": "trixie",
        "updates": "none",
        "restart": "none",
        "failed": "none",
    }


@pytest.mark.parametrize(
    ("column", "changes", "cell"),
    [
        ("updates", {"updates": Updates(security=3, other=1, lists_age_seconds=0)}, "3 security, 1 other"),
        ("updates", {"updates": Updates(security=0, other=0, lists_age_seconds=900_000)}, "none (lists 10 d old)"),
        ("updates", {"updates": Updates(security=0, other=0, lists_age_seconds=None)}, "? (no lists)"),
        ("updates", {"updates": None}, "?"),
        ("restart", {"pending": Pending(restart=("ssh.service", "cron.service"))}, "ssh, cron"),
        ("restart", {"pending": Pending(reboot=("old kernel",), restart=("ssh.service",))}, "reboot"),
        ("restart", {"pending": None}, "?"),
        ("failed", {"failed_units": ("a.service", "b.service", "c.service")}, "a.service, b.service and 1 more"),
        ("failed", {"failed_units": None}, "?"),
        ("services", {"services": {"a.service": "active", "b.timer": "active"}}, "2 of 2"),
        ("services", {"services": {"a.service": "active", "b.service": "failed"}}, "1 of 2: b is failed"),
        ("checks", {"checks": (Check(name="page", passed=False, detail="503"),)}, "0 of 1"),
        ("certificate", {"certificates": {"/a.crt": 90, "/b.crt": 30}}, "30 d"),
        ("mail", {"mail_queue": 0}, "0"),
        ("notes", {"pending": Pending(reboot=("runs kernel 6.1, newest is 6.2",))}, "runs kernel 6.1, newest is 6.2"),
        ("notes", {"checks": (Check(name="page", passed=False, detail="503"),)}, "page: 503"),
        ("notes", {"certificates": {"/a.crt": 3, "/b.crt": -1}}, "/a.crt ends in 3 d; /b.crt has ended"),
        ("notes", {"lock": LOCK}, "locked by 2026-11-25-2300-k7xq of bert since 2026-11-25T23:00:00Z"),
        ("notes", {"unknown": {"mail_queue": "OSError: x"}}, "mail_queue not known, OSError: x"),
    ],
)
def test_a_cell_says(column: str, changes: dict[str, Any], cell: str) -> None:
    assert row(**changes)[column] == cell


def test_a_host_that_does_not_answer_stands_last_with_the_reason() -> None:
    cells = show.rows(Status(hosts={"db1": host()}, silent={"app1": "did not answer"}))
    assert (cells[-1][0], cells[-1][-1]) == ("app1", "did not answer")


def test_a_column_without_anything_is_left_out() -> None:
    columns, cells = show.filled(("host", "mail", "notes"), [("app1", "", "x"), ("db1", "", "")])
    assert (columns, cells) == (["host", "notes"], [("app1", "x"), ("db1", "")])


def test_the_site_in_lines() -> None:
    up = Database(up=True, connections=7, connections_limit=140, bytes=12_000_000, version=15, votes_age_seconds=34)
    hosts = {"db1": host(database=up), "db2": host(database=Database(up=False)), "app1": host()}
    assert show.lines(Status(hosts=hosts)) == [
        "Database on db1: up, PostgreSQL 15, 12.0 MB, 7 of 140 connections, votes counted 34 s ago",
        "Database on db2: down",
        "Last backup: none yet",
        "Open changes: none",
    ]


def test_the_last_backup_is_the_latest_that_a_host_knows() -> None:
    hosts = {"db1": host(backup_age_seconds=90_000), "backup1": host(backup_age_seconds=7_300)}
    assert show.backup(Status(hosts=hosts)) == "2 h ago on backup1"
    assert show.backup(Status(hosts={}, silent={"db1": "x"})) == "none yet on the hosts that answered"


def event(name: str, status: str = "ok", **data: Any) -> Event:
    return Event(time=NOW, type="result", action=ask.MODULE, host=name, status=status, data=data)


def test_every_host_is_known_or_silent() -> None:
    events = [event("app1", release="bookworm"), event("db1", "unreachable"), event("ldap1", release=7)]
    seen = ask.answers(("app1", "db1", "backup1", "ldap1"), events)
    assert seen.hosts == {"app1": HostStatus(release="bookworm")}
    assert seen.silent == {
        "db1": "did not answer",
        "backup1": "was not asked",
        "ldap1": "its answer cannot be read",
    }


def test_watching_shows_what_was_seen_and_asks_again_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[str]] = []
    monkeypatch.setattr(watch, "screen", lambda status, _now: drawn.append([*status.hosts]) or "")
    asked = iter([Status(hosts={"two": host()}), Status(hosts={"three": host()})])
    watch.watch(Status(hosts={"one": host()}), lambda: next(asked), rounds=2, pause=0)
    assert drawn == [["one"], ["two"], ["three"]]


def test_ctrl_c_ends_watching_and_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped() -> Status:
        raise KeyboardInterrupt

    watch.watch(Status(hosts={}), stopped, pause=0)


def test_the_watched_screen_is_the_same_as_the_printed_one() -> None:
    screen = io.StringIO()
    status = Status(hosts={"app1": host()}, silent={"db1": "did not answer"}, open=("Open: x",))
    Console(file=screen, width=120).print(watch.screen(status, NOW))
    for text in ("app1", "db1", "did not answer", "Last backup: none yet", "Open: x", "23:00:00"):
        assert text in screen.getvalue()


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as it runs on a host."""
    monkeypatch.setattr(
        ansible.module_utils, "__path__", [*ansible.module_utils.__path__, str(ROOT / "playbooks/module_utils")]
    )
    spec = importlib.util.spec_from_file_location("status_facts", ROOT / "playbooks/library/status_facts.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


PARAMETERS = {"services": ["a*"], "certificates": [], "database": "lf", "health": [], "patient": False}


def test_a_part_that_breaks_does_not_hide_the_others(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_parameters: dict[str, Any]) -> None:
        raise OSError("no such thing")

    monkeypatch.setattr(module, "PARTS", {"mail_queue": broken, "release": lambda _parameters: "trixie"})
    assert module.look(PARAMETERS) == {"unknown": {"mail_queue": "OSError: no such thing"}, "release": "trixie"}


def test_what_the_module_tells_is_what_the_controller_reads(module: ModuleType) -> None:
    assert {*module.PARTS, "unknown"} == {*HostStatus.model_fields}


def test_services_that_ought_to_run_are_counted(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def unit(name: str, state: str, file: str = "enabled", kind: str = "simple", load: str = "loaded") -> str:
        return f"Id={name}\nActiveState={state}\nUnitFileState={file}\nType={kind}\nLoadState={load}"

    blocks = [
        unit("runs.service", "active"),
        unit("stopped.service", "inactive"),
        unit("broken.service", "failed", kind="oneshot", file="static"),
        unit("counted.service", "inactive", file="static", kind="oneshot"),
        unit("off.service", "inactive", file="disabled"),
        unit("gone.service", "inactive", load="not-found"),
    ]
    monkeypatch.setattr(module.state, "run", lambda *_: SimpleNamespace(stdout="\n\n".join(blocks), returncode=0))
    assert module.services(PARAMETERS) == {
        "runs.service": "active",
        "stopped.service": "inactive",
        "broken.service": "failed",
    }


def test_what_runs_on_old_files_waits_for_a_restart(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    using = {
        "/usr/lib/libssl.so (deleted)": {"ssh.service", "dbus.service", "user@0.service"},
        "/usr/lib/libc.so": {"cron.service"},
        "/memfd:x (deleted)": {"cron.service"},
        "/var/tmp/x (deleted)": {"cron.service"},
    }
    monkeypatch.setattr(module.effects, "services_by_file", lambda: using)
    monkeypatch.setattr(module.state, "kernel_newest", lambda: "6.2")
    monkeypatch.setattr(module.state, "kernel_running", lambda: "6.1")
    assert module.pending(PARAMETERS) == {
        "reboot": ["dbus.service runs on old files", "runs kernel 6.1, newest is 6.2"],
        "restart": ["ssh.service"],
    }


def test_the_queue_is_counted_and_a_host_without_one_has_none(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "QUEUES", (str(tmp_path / "deferred"), str(tmp_path / "queue")))
    assert module.mail(PARAMETERS) is None
    (tmp_path / "deferred" / "A").mkdir(parents=True)
    assert module.mail(PARAMETERS) == 0
    (tmp_path / "deferred" / "A" / "A1").touch()
    assert module.mail(PARAMETERS) == 1


def test_the_end_of_a_certificate(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "time", lambda: 1_764_025_200)  # 2025-11-24 23:00:00 UTC
    said = SimpleNamespace(stdout="notAfter=Nov 30 22:00:00 2025 GMT\n", returncode=0)
    monkeypatch.setattr(module.state, "run", lambda *_: said)
    assert module.days_left("/a.crt") == 5


def test_checks_are_asked_once_unless_patient(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    health = importlib.import_module("ansible.module_utils.bordbuch.health")
    monkeypatch.setattr(health, "examine", lambda rows: rows)
    given = {**PARAMETERS, "health": [{"name": "x", "seconds": 30}]}
    assert module.checks(given) == [{"name": "x", "seconds": 0}]
    assert module.checks({**given, "patient": True}) == [{"name": "x", "seconds": 30}]
