"""Where a change tells others by itself: at its start, at a gate that closes, at a question that waits, at its end."""

import io
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from invoke import Context, Exit
from invoke.config import Config

from ops import terminal
from ops.announce.announcer import Announcer
from ops.announce.settings import Settings
from ops.change import collect, decide
from ops.change import run as change
from ops.change.session import Session
from ops.deploy import apply as deploy
from ops.deploy.foresee import Foreseen
from ops.errors import BadInput
from ops.logbook.files import events_bytes
from ops.logbook.model import Event, Plan, Start
from ops.patch import apply
from ops.patch.procedure import by_policy
from ops.playbook import Playbook
from ops.tasks import announce as tasks
from ops.tasks import work
from tests.unit import announce_world, factories
from tests.unit.announce_world import HOSTS
from tests.unit.logbook_world import World

CLOSED = (
    factories.result("app1", "patch_start", "changed"),
    factories.result("app1", "patch_gate", "failed", checks=[{"name": "health", "passed": False, "detail": "503"}]),
    factories.result("app1", "ansible.builtin.fail", "failed"),
    factories.result("backup1", "ansible.builtin.fail", "failed"),
)
GOOD = tuple(
    factories.result(host, action, status, **data)
    for host in HOSTS
    for action, status, data in (
        ("patch_start", "changed", {}),
        ("patch_wait", "ok", {}),
        ("patch_gate", "ok", {"package_states": {"openssl:amd64": "installed"}}),
    )
)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def world(pristine: World, tmp_path: Path) -> World:
    return pristine.copy(tmp_path)


@pytest.fixture
def session(world: World, tmp_path: Path) -> Session:
    """A session that tells others by a file."""
    told = Announcer(Settings(file=str(tmp_path / "news.jsonl")), limit_seconds=2)
    return Session(factories.inventory(), world.operators, "anna", world.clone(), tmp_path / "spool", told)


def deaf(session: Session, **settings: Any) -> Session:
    """Return *session* where the news do not arrive."""
    told = Announcer(Settings(**settings), limit_seconds=0.5)
    return Session(session.inventory, session.operators, "anna", session.logbook, session.spools, told)


def news(folder: Path) -> list[dict[str, Any]]:
    """Return what was told by the file."""
    path = folder / "news.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def playing(*events: Event) -> Callable[[Start, Path], Playbook]:
    """Return what makes a run of a playbook that has *events*, without hosts."""

    def make(_start: Start, spool: Path) -> Playbook:
        def run(report: Callable[[Event], None]) -> None:
            spool.mkdir(parents=True, exist_ok=True)
            now = [event.model_copy(update={"time": datetime.now(UTC)}) for event in events]
            (spool / "events.jsonl").write_bytes(events_bytes(now))
            for event in now:
                report(event)

        return cast(Playbook, SimpleNamespace(run=run))

    return make


def patched(session: Session, *events: Event) -> Plan:
    """Carry out a patch as `invoke patch` does once the question is answered."""
    now = datetime.now(UTC)
    plan = factories.plan(time=now, id=f"{now:%Y-%m-%d-%H%M}-k7xq", reason=announce_world.REASON)
    change.record_plan(session, plan)
    change.record_approval(session, by_policy(session, plan))
    change.run(session, plan, 1, playing(*events), lambda _event: None)
    return plan


def test_a_patch_tells_when_it_begins_and_how_it_ended(world: World, session: Session, tmp_path: Path) -> None:
    record = apply.conclude(session, patched(session, *GOOD))
    assert record
    assert [(one["occasion"], one["outcome"]) for one in news(tmp_path)] == [("begun", ""), ("ended", "verified")]
    assert not any("not announced" in line for line in record.follow_up)
    session.logbook.push()
    assert world.audit(now=datetime.now(UTC)).findings == ()


def test_a_gate_that_closes_is_told_once_and_at_once(session: Session, tmp_path: Path) -> None:
    plan = patched(session, *CLOSED)
    session.announcer.settle()
    assert [one["occasion"] for one in news(tmp_path)] == ["begun", "gate-closed"]
    assert news(tmp_path)[1]["audience"] == "operators"
    assert "Done: 0 of 3" in news(tmp_path)[1]["text"]
    record = apply.conclude(session, plan)
    assert record
    assert (record.outcome, news(tmp_path)[2]["outcome"]) == ("failed", "failed")


@pytest.mark.parametrize(
    "settings",
    [
        {"webhook": "http://127.0.0.1:1/"},
        {"mail_to": ["erika@example.org"], "mail_from": "b@example.org", "mail_host": "127.0.0.1", "mail_port": 1},
        {"file": "/nonexistent/news.jsonl"},
        {"status_page": "/proc/status-page"},
    ],
)
def test_news_that_do_not_arrive_fail_no_change_and_are_recorded(
    world: World, session: Session, settings: dict[str, Any]
) -> None:
    hindered = deaf(session, **settings)
    record = apply.conclude(hindered, patched(hindered, *GOOD))
    assert record
    assert record.outcome == "verified"
    written = session.logbook.read(record.id).record
    assert written
    assert written.follow_up == record.follow_up
    about = [
        line.partition(", ")[2].partition(":")[0] for line in written.follow_up if line.startswith("not announced by ")
    ]
    assert about == ["that the change began", "how the change ended"]
    assert "erika" not in "".join(written.follow_up)
    assert (
        "not announced by"
        in (session.logbook.path / f"changes/{record.id[:4]}/{record.id[5:7]}/{record.id}/page.md").read_text()
    )
    session.logbook.push()
    assert world.audit(now=datetime.now(UTC)).findings == ()


def test_a_way_that_hangs_holds_no_change_up(session: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes the connection and never answers
        hindered = deaf(session, webhook=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        plan = patched(hindered, *GOOD)
        began = time.monotonic()
        record = apply.conclude(hindered, plan)
        assert time.monotonic() - began < 5
    assert record
    assert "not announced by webhook, how the change ended: not done in time" in record.follow_up


def test_a_change_that_stays_open_is_told_when_somebody_ends_it(session: Session, tmp_path: Path) -> None:
    plan = patched(session, factories.result("app1", "patch_start", "changed"))
    assert apply.conclude(session, plan) is None
    session.announcer.settle()
    assert [one["occasion"] for one in news(tmp_path)] == ["begun"]
    decide.close(session, plan.request.id, "enough", lambda *_: {})
    assert [(one["occasion"], one["outcome"]) for one in news(tmp_path)][1:] == [("ended", "aborted")]


def test_a_deploy_is_told(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["invoke", "deploy", "--yes"])
    request = factories.request(kind="playbook", command="invoke deploy --yes")
    plan = Foreseen(hosts=HOSTS, silent={}, changes=(), complaints={}, ended=True, seconds=1)
    deploy.begin(session, request, plan)
    session.announcer.settle()
    assert [(one["occasion"], one["procedure"]) for one in news(tmp_path)] == [("begun", "deploy")]


@pytest.mark.parametrize(("typed", "told"), [("upgrade", ["begun", "ended"]), ("backup", []), ("patch.unlock", [])])
def test_a_playbook_of_a_command_is_told_if_users_notice_it(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, told: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["invoke", typed])
    monkeypatch.setattr(Playbook, "run", lambda *_: [Event(time=datetime.now(UTC), type="end")])
    record, why_not = collect.run_playbook(session, "x.yml", announce_world.REASON)
    assert (record.outcome, why_not) == ("verified", "")
    assert [one["occasion"] for one in news(tmp_path)] == told


# The question


class Screen(io.StringIO):
    """A terminal on which the answer comes once it is allowed to."""

    def __init__(self, may_answer: threading.Event) -> None:
        super().__init__()
        self.may_answer = may_answer

    def isatty(self) -> bool:
        return True

    def readline(self, _size: int = -1) -> str:  # type: ignore[override]  # a terminal gives a line
        assert self.may_answer.wait(20)
        return "3\n"


def screen(monkeypatch: pytest.MonkeyPatch, answer: threading.Event, patience: float) -> None:
    monkeypatch.setattr(sys, "stdin", Screen(answer))
    monkeypatch.setattr(sys, "stderr", Screen(answer))
    monkeypatch.setattr(terminal, "PATIENCE_SECONDS", patience)


def test_a_question_that_waits_is_told_and_can_still_be_answered(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    screen(monkeypatch, answer, 0.05)

    def told(question: str, since: datetime) -> None:
        session.announcer.question(question, since)
        answer.set()

    with terminal.when_a_question_waits(told):
        assert terminal.ask_number("To patch, type the number of hosts", 3)
    session.announcer.settle()
    [one] = news(tmp_path)
    assert (one["occasion"], one["audience"]) == ("question", "operators")
    assert "To patch, type the number of hosts" in one["text"]


def test_a_question_that_is_answered_in_time_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, told = threading.Event(), list[str]()
    answer.set()
    screen(monkeypatch, answer, 0.3)
    with terminal.when_a_question_waits(lambda question, _since: told.append(question)):
        assert terminal.ask_number("How many", 3)
        time.sleep(0.5)
    assert told == []


def test_the_patience_is_three_minutes() -> None:
    assert terminal.PATIENCE_SECONDS == 180


def test_each_command_has_its_questions_told(session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(work, "open_session", lambda _path: session)
    answer = threading.Event()
    screen(monkeypatch, answer, 0.05)
    threading.Timer(0.5, answer.set).start()
    with work.at_work(tmp_path):
        assert terminal.ask_number("To patch, type the number of hosts", 3)
    assert [one["occasion"] for one in news(tmp_path)] == ["question"]


def test_news_that_no_record_tells_of_are_told_on_the_screen(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hindered = deaf(session, file="/nonexistent/news")
    monkeypatch.setattr(work, "open_session", lambda _path: hindered)
    with work.at_work(tmp_path):
        hindered.announcer.question("To patch", datetime.now(UTC))
    assert "Not announced by file, that a question waits: No such file or directory" in capsys.readouterr().err


# The commands


@pytest.fixture
def recorded(session: Session, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a patch that the commands find in the logbook."""
    monkeypatch.setattr(work, "open_session", lambda _path: session)
    record = apply.conclude(session, patched(session, *GOOD))
    assert record
    return record.id


def test_notice_prints_both_languages_or_the_one_that_is_wanted(
    recorded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = Context(Config())
    tasks.notice(context, recorded, inventory=str(tmp_path))
    both = capsys.readouterr().out
    assert "Wartung beendet: Sicherheitsaktualisierungen\n\nWas: " in both
    assert "Maintenance has ended: security updates\n\nWhat: " in both
    assert [word for word in (*announce_world.PLANTED, *HOSTS) if word in both] == []
    tasks.notice(context, recorded, lang="en", hosts=True, inventory=str(tmp_path))
    english = capsys.readouterr().out
    assert "Servers: app1, backup1 and db1" in english
    assert "Wartung" not in english


def test_notice_and_report_print_json(recorded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks.notice(Context(Config()), recorded, json=True, inventory=str(tmp_path))
    assert json.loads(capsys.readouterr().out)["change"] == recorded
    tasks.report(Context(Config()), month=recorded[:7], json=True, inventory=str(tmp_path))
    assert json.loads(capsys.readouterr().out)["counts"] == [{"work": "patch", "done": 1, "not_well": 0}]


def test_report_is_of_the_last_month_that_is_over(
    recorded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks.report(Context(Config()), inventory=str(tmp_path))
    told = capsys.readouterr().out
    assert told.startswith("# Betrieb im ")
    assert "the month goes on" not in told


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"lang": "fr"}, "no words in the language"),
        ({"at": "tonight"}, "is no time"),
        ({"change": "nope"}, "no change nope"),
    ],
)
def test_what_cannot_be_meant_is_bad_usage(
    recorded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, str], complaint: str
) -> None:
    with pytest.raises(Exit) as ended:
        tasks.notice(Context(Config()), **{"change": recorded, "inventory": str(tmp_path), **options})
    assert ended.value.code == BadInput.exit_code
    assert complaint in capsys.readouterr().err


def test_a_time_is_in_the_inventorys_zone_unless_it_names_one() -> None:
    local = tasks.moment("2026-11-28T22:00", "Europe/Berlin")
    named = tasks.moment("2026-11-28T22:00Z", "Europe/Berlin")
    assert local
    assert named
    assert (local.astimezone(UTC).hour, named.astimezone(UTC).hour, tasks.moment("", "UTC")) == (21, 22, None)
