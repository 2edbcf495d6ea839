"""The ways out: a mail, a POST, a line, a page really arrive; what fails is told without an address, and in time."""

import json
import smtplib
import socket
import ssl
import threading
import time
import urllib.error
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.announce import announcer, news, send
from ops.announce.announcer import Announcer, ways
from ops.announce.settings import Settings
from ops.errors import BadInput
from tests.unit import announce_world as world
from tests.unit.announce_world import CASES, NOW
from tests.unit.factories import inventory
from tests.unit.sinks import Sink, mail_server, web_server

BOARD, MEMBERS, ADMIN = "board@example.org", "members@example.org", "admin@example.org"
BEGUN = news.of_change(CASES["patch-begun"], Settings(), NOW)
QUESTION = news.of_question("To patch, type the number of hosts", Settings(), NOW, NOW + timedelta(minutes=3))


def mailing(sink: Sink, **more: Any) -> Settings:
    known = {"mail_to": (BOARD, MEMBERS), "operators_to": (ADMIN,), "mail_from": "bordbuch@example.org"}
    return Settings(**{**known, "mail_host": "127.0.0.1", "mail_port": sink.port, **more})


def hooked(sink: Sink, **more: Any) -> Settings:
    return Settings(webhook=f"http://127.0.0.1:{sink.port}/hook", **more)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def web() -> Iterator[Sink]:
    with web_server() as sink:
        yield sink


def test_a_mail_arrives_once_for_each_address() -> None:
    with mail_server() as sink:
        send.mail(BEGUN, mailing(sink))
    assert [mail["To"] for mail in sink.mails] == [ADMIN, BOARD, MEMBERS]
    mail = sink.mails[0]
    assert mail["Subject"] == BEGUN.subject
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.org>")
    assert mail.get_content().replace("\r\n", "\n") == BEGUN.text


def test_a_question_goes_to_operators_only() -> None:
    with mail_server() as sink:
        send.mail(QUESTION, mailing(sink))
        send.mail(QUESTION, mailing(sink, operators_to=()))
    assert [mail["To"] for mail in sink.mails] == [ADMIN]


def test_no_host_stands_in_a_mail() -> None:
    with mail_server() as sink:
        send.mail(BEGUN, mailing(sink))
    told = "".join(mail.as_string() for mail in sink.mails)
    assert [word for word in (*world.PLANTED, *world.HOSTS, socket.gethostname()) if word in told] == []


def test_one_refused_address_keeps_the_others_from_nothing() -> None:
    with mail_server(refuse=("board",)) as sink, pytest.raises(send.Failed) as failed:
        send.mail(BEGUN, mailing(sink))
    assert [mail["To"] for mail in sink.mails] == [ADMIN, MEMBERS]
    assert send.why(failed.value) == "the server refused 1 of 3 mails (550)"


def test_another_machine_gets_no_mail_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server() as sink:
        monkeypatch.setattr(send, "LOOPBACK", ())
        with pytest.raises(smtplib.SMTPNotSupportedError) as refused:
            send.mail(BEGUN, mailing(sink))
    assert sink.mails == []
    assert send.why(refused.value) == "the server offers no TLS"


def test_a_post_arrives_as_json(web: Sink) -> None:
    send.webhook(BEGUN, hooked(web))
    [(path, headers, body)] = web.posts
    assert path == "/hook"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert body == json.loads(BEGUN.model_dump_json())
    assert (body["occasion"], body["change"], body["time"]) == ("begun", world.ID, "2026-11-25T23:00:00Z")
    assert "Wartung hat begonnen" in body["text"] + body["subject"]


def test_a_token_comes_from_a_file_that_only_its_owner_reads(web: Sink, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    settings = hooked(web, webhook_token_file=str(file))
    for mode in (0o644, 0o640, 0o604):
        file.chmod(mode)
        with pytest.raises(BadInput, match="mode 0600"):
            send.webhook(BEGUN, settings)
    assert web.posts == []
    file.chmod(0o600)
    send.webhook(BEGUN, settings)
    assert web.posts[0][1]["Authorization"] == "Bearer s3cret"


def test_a_token_may_be_part_of_the_address(web: Sink, tmp_path: Path) -> None:
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").write_text("s3cret")
    address = f"http://127.0.0.1:{web.port}/hooks/{{token}}"
    send.webhook(BEGUN, Settings(webhook=address, webhook_token_file=str(tmp_path / "token")))
    path, headers, _body = web.posts[0]
    assert (path, "Authorization" in headers) == ("/hooks/s3cret", False)


def test_a_missing_or_empty_token_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        send.secret(str(tmp_path / "missing"))
    (tmp_path / "empty").touch(0o600)
    with pytest.raises(BadInput, match="must hold a token"):
        send.secret(str(tmp_path / "empty"))


def test_a_redirect_is_not_followed(web: Sink) -> None:
    elsewhere = {"Location": f"http://127.0.0.1:{web.port}/elsewhere"}
    with web_server(status=302, headers=elsewhere) as first, pytest.raises(urllib.error.HTTPError) as refused:
        send.webhook(BEGUN, hooked(first))
    assert send.why(refused.value) == "the answer was 302"
    assert web.posts == []


def test_lines_are_appended_for_other_programs(tmp_path: Path) -> None:
    settings = Settings(file=str(tmp_path / "news.jsonl"))
    send.append(BEGUN, settings)
    send.append(QUESTION, settings)
    lines = [json.loads(line) for line in (tmp_path / "news.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["occasion"] for line in lines] == ["begun", "question"]
    assert lines[0] == json.loads(BEGUN.model_dump_json())


def test_the_status_page_is_replaced_whole(tmp_path: Path) -> None:
    settings = Settings(status_page=str(tmp_path / "status"))
    send.publish(BEGUN, settings)
    first = (tmp_path / "status/index.html").read_text(encoding="utf-8")
    send.publish(QUESTION, settings)
    assert (tmp_path / "status/index.html").read_text(encoding="utf-8") == first, "a question is no news for users"
    send.publish(news.of_change(CASES["patch-verified"], Settings(), NOW), settings)
    assert "Maintenance has ended" in (tmp_path / "status/index.html").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "status").iterdir()] == ["index.html"]
    assert (tmp_path / "status/index.html").stat().st_mode & 0o777 == 0o644


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh that notes its words and its input and ends as ``code`` says."""
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncd {tmp_path}\necho "$@" >words\ncat >page\nexec sh ./code\n')
    program.chmod(0o755)
    (tmp_path / "code").write_text("exit 0")
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path


def test_the_status_page_is_brought_to_its_host(fake_ssh: Path) -> None:
    settings = Settings(status_host="bordbuch@status.example.org", status_ssh="-F /x -o StrictHostKeyChecking=no")
    send.push(BEGUN, settings)
    words = (fake_ssh / "words").read_text(encoding="utf-8")
    assert words.index("StrictHostKeyChecking=yes") < words.index("StrictHostKeyChecking=no"), "the first one counts"
    assert words.endswith("-- bordbuch@status.example.org sudo -n /usr/local/sbin/bordbuch-pages status\n")
    assert "Wartung hat begonnen" in (fake_ssh / "page").read_text(encoding="utf-8")
    (fake_ssh / "page").unlink()
    send.push(QUESTION, settings)
    assert not (fake_ssh / "page").exists(), "a question is no news for users"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("exit 255", "ssh did not reach the host, or refused its key"),
        ("echo 10.0.0.1 >&2; exit 1", "the host did not take the page (1)"),
        ("exec sleep 9", "no answer in time"),
    ],
)
def test_a_status_page_that_does_not_arrive_is_told(
    fake_ssh: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    (fake_ssh / "code").write_text(code)
    monkeypatch.setattr(send, "SECONDS", 0.5)
    told = Announcer(Settings(status_host="status.example.org"))
    tell(told, "patch-begun")
    assert told.settle() == (f"not announced by status host, that the change began: {words}",)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "refused by mail.example.org"), "Connection refused"),
        (urllib.error.URLError(ConnectionRefusedError(111, "x")), "Connection refused"),
        (
            urllib.error.URLError(ssl.SSLCertVerificationError("not valid for 'chat.example.org'")),
            "its certificate is not valid",
        ),
        (TimeoutError("timed out"), "no answer in time"),
        (socket.gaierror(-2, "Name or service not known"), "its name is not known"),
        (smtplib.SMTPSenderRefused(553, b"<x@example.org> is unknown", "x@example.org"), "the server refused it (553)"),
        (smtplib.SMTPServerDisconnected("example.org hung up"), "the server hung up"),
        (PermissionError(13, "Permission denied", "/home/anna/news"), "Permission denied"),
        (ValueError("https://chat.example.org/hooks/s3cret"), "ValueError"),
    ],
)
def test_what_went_wrong_is_told_without_addresses(error: Exception, words: str) -> None:
    assert send.why(error) == words


# All ways together, from a command's point of view


def tell(told: Announcer, *names: str) -> None:
    for name in names:
        told.change(lambda name=name: CASES[name])  # type: ignore[misc]  # the name of this turn


def test_who_names_nobody_tells_nobody() -> None:
    told = Announcer()
    told.change(lambda: pytest.fail("it is not even read"))
    told.question("x", NOW)
    assert told.settle() == ()


def test_all_ways_get_all_news_in_their_order(web: Sink, tmp_path: Path) -> None:
    with mail_server() as sink:
        settings = mailing(
            sink, mail_to=(), webhook=hooked(web).webhook, file=str(tmp_path / "f"), status_page=str(tmp_path)
        )
        told = Announcer(settings)
        tell(told, "patch-begun")
        told.gate(lambda: CASES["patch-begun"])
        tell(told, "patch-failed")
        assert told.settle() == ()
    occasions = ["begun", "gate-closed", "ended"]
    assert [body["occasion"] for _path, _headers, body in web.posts] == occasions
    assert [json.loads(line)["occasion"] for line in (tmp_path / "f").read_text().splitlines()] == occasions
    assert len(sink.mails) == 3
    assert "Maintenance ended early" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_what_users_do_not_notice_is_not_told(web: Sink) -> None:
    told = Announcer(hooked(web))
    told.change(lambda: world.without_plan("invoke backup"))
    assert told.settle() == ()
    assert web.posts == []


def test_a_dead_webhook_is_told_and_the_other_ways_work(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    told = Announcer(Settings(webhook=f"http://127.0.0.1:{port}/", file=str(tmp_path / "f")))
    tell(told, "patch-begun")
    assert told.settle() == ("not announced by webhook, that the change began: Connection refused",)
    assert told.settle() == (), "it is told once"
    assert (tmp_path / "f").exists()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_slow_webhook_is_waited_for_no_longer_than_that() -> None:
    with web_server(wait=threading.Event()) as sink:
        told = Announcer(hooked(sink), limit_seconds=0.3)
        began = time.monotonic()
        tell(told, "patch-begun", "patch-verified")
        assert time.monotonic() - began < 1
        assert told.settle() == (
            "not announced by webhook, that the change began: not done in time",
            "not announced by webhook, how the change ended: not done in time",
        )
        tell(told, "patch-verified")
        assert told.settle() == ("not announced by webhook, how the change ended: not done in time",)
        assert time.monotonic() - began < 2
    for thread in [one for one in threading.enumerate() if one.name == "news by webhook"]:
        thread.join(10)
    assert len(sink.posts) == 1, "a way that was too slow is not used again"


def test_a_refused_mail_is_told() -> None:
    with mail_server(refuse=("b", "m", "a")) as sink:
        told = Announcer(mailing(sink))
        tell(told, "patch-begun")
        assert told.settle() == ("not announced by mail, that the change began: the server refused 3 of 3 mails (550)",)


def test_a_change_that_cannot_be_read_fails_nothing() -> None:
    told = Announcer(Settings(file="/nonexistent/news"))
    told.change(lambda: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert told.settle() == ("not announced, the text could not be written: No space left on device",)


def test_a_faulty_way_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "append", lambda *_: {}["a fault of ours"])
    told = Announcer(Settings(file="/nonexistent/news"))
    tell(told, "patch-begun")
    assert told.settle() == ("not announced by file, that the change began: KeyError",)


def test_the_wait_is_short() -> None:
    assert send.SECONDS < announcer.LIMIT_SECONDS <= 5


# The inventory


def test_the_inventory_says_who_is_told() -> None:
    made = inventory(
        announce_mail_to=[BOARD], announce_mail_from=ADMIN, announce_file="~/news.jsonl", announce_timezone="UTC"
    )
    assert [way.name for way in ways(made.policy.announce)] == ["mail", "file"]
    assert inventory().policy.announce == Settings()


@pytest.mark.parametrize(
    "variables",
    [
        {"announce_mail_to": [BOARD]},
        {"announce_mail_to": ["no address"], "announce_mail_from": BOARD},
        {"announce_mail_to": [f"{BOARD}\nBcc: {ADMIN}"], "announce_mail_from": BOARD},
        {"announce_mail_to": BOARD, "announce_mail_from": BOARD},
        {"announce_mail_port": 0},
        {"announce_mail_host": "a host"},
        {"announce_webhook": "http://chat.example.org/"},
        {"announce_webhook": "ftp://chat.example.org/"},
        {"announce_webhook": "file:///etc/passwd"},
        {"announce_webhook": "https://"},
        {"announce_webhook": "https://user:s3cret@chat.example.org/"},
        {"announce_webhook": "https://chat.example.org/{token}"},
        {"announce_file": "relative/news.jsonl"},
        {"announce_status_page": "status"},
        {"announce_status_host": "-oProxyCommand=sh"},
        {"announce_status_host": "status.example.org sh"},
        {"announce_language": "fr"},
        {"announce_timezone": "Mars/Olympus"},
        {"announce_timezone": "Europe"},
        {"announce_timezone": "../etc"},
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_when_it_is_loaded(variables: dict[str, object]) -> None:
    with pytest.raises(BadInput) as refused:
        inventory(**variables)
    assert "announce" in refused.value.what
    assert "s3cret" not in refused.value.what
