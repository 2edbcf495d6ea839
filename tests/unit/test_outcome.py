"""From events to the outcome of hosts and of the whole change."""

import pytest

from ops.logbook.model import Event
from ops.patch import outcome
from tests.unit.factories import plan, result

STARTED = result("app1", outcome.START, "changed", state="started", reasons=[])
DONE = result("app1", outcome.WAIT, "ok", state="done", exit_code=0, restarted=["ssh.service"])
OPEN = result(
    "app1",
    outcome.GATE,
    "ok",
    checks=[{"name": "versions", "passed": True, "detail": ""}],
    package_states={"openssl:amd64": "installed"},
)
CLOSED = result(
    "app1",
    outcome.GATE,
    "failed",
    checks=[{"name": "health", "passed": False, "detail": "status 503"}],
    package_states={"openssl:amd64": "installed"},
)
HELD = result("app1", outcome.HOLD, "changed", reasons=[])
LET_GO = result(
    "app1",
    outcome.HOLD,
    "changed",
    checks=[{"name": "requests waited on proxy1", "passed": True, "detail": "held for 9.1 s"}],
)
FREED = result("app1", "change_lock", "changed")


@pytest.mark.parametrize(
    ("events", "state", "words"),
    [
        ([], "not-begun", ""),
        ([STARTED], "interrupted", "before its result"),
        ([STARTED, DONE, OPEN, FREED], "verified", ""),
        ([STARTED, DONE, CLOSED, FREED], "failed", "status 503"),
        ([result("app1", outcome.START, "failed", reasons=["locked by change x"]), FREED], "refused", "locked by"),
        ([result("app1", outcome.START, "unreachable")], "unreachable", "before anything"),
        (
            [STARTED, result("app1", outcome.WAIT, "failed", state="done", exit_code=100, complaint="E: no")],
            "failed",
            "E: no",
        ),
        ([STARTED, result("app1", outcome.WAIT, "failed", state="lost")], "failed", "without a result"),
        ([STARTED, result("app1", outcome.WAIT, "unreachable")], "interrupted", "goes on"),
        (
            [STARTED, result("app1", outcome.WAIT, "unreachable"), result("app1", outcome.RECONNECT), DONE, OPEN],
            "verified",
            "",
        ),
        ([STARTED, DONE, result("app1", outcome.REBOOT, "failed")], "failed", "did not return"),
        ([STARTED, DONE, result("app1", outcome.GATE, "unreachable")], "interrupted", "before the gate"),
        ([STARTED, STARTED, DONE, OPEN], "verified", ""),
        ([HELD, STARTED, DONE, LET_GO, OPEN], "verified", ""),
        ([HELD, STARTED, DONE, CLOSED, FREED, LET_GO], "failed", "status 503"),
        ([HELD, STARTED, DONE, CLOSED, FREED, result("app1", outcome.HOLD, "unreachable")], "failed", "status 503"),
        ([result("app1", outcome.HOLD, "failed", reasons=["not held: 3 left"]), FREED, LET_GO], "refused", "3 left"),
        ([result("app1", outcome.HOLD, "unreachable")], "refused", "did not answer"),
        ([result("app1", "ansible.builtin.uri", "failed"), FREED], "refused", "nothing was touched"),
        ([result("app1", outcome.FAIL, "failed")], "not-begun", ""),
    ],
)
def test_the_last_word_of_a_host_counts(events: list[Event], state: str, words: str) -> None:
    found = outcome.host_results(plan(("app1",)), events)["app1"]
    assert (found.state, words in found.reason) == (state, True)


def test_packages_are_never_installed_for_want_of_news() -> None:
    for events, state in (
        ([], "missing"),
        ([result("app1", outcome.START, "failed", reasons=["locked by change x"])], "missing"),
        ([STARTED], "unknown"),
        ([STARTED, result("app1", outcome.WAIT, "failed", state="done", exit_code=100)], "unknown"),
    ):
        found = outcome.host_results(plan(("app1",)), events)["app1"]
        assert [package.state for package in found.packages] == [state]
    seen = outcome.host_results(plan(("app1",)), [STARTED, DONE, OPEN])["app1"]
    assert [(package.state, package.advisories) for package in seen.packages] == [("installed", ("CVE-2026-1234",))]


@pytest.mark.parametrize(
    ("events", "whole"),
    [
        ([STARTED, DONE, OPEN], "failed"),
        ([STARTED, DONE, CLOSED], "failed"),
        ([STARTED], "interrupted"),
        ([result("app1", outcome.START, "failed", reasons=["drift"])], "refused"),
    ],
)
def test_a_change_is_verified_only_if_every_host_is(events: list[Event], whole: str) -> None:
    assert outcome.outcome(outcome.host_results(plan(), events)) == whole
    alone = outcome.host_results(plan(("app1",)), [STARTED, DONE, OPEN])
    assert outcome.outcome(alone) == "verified"


def test_the_record_says_how_long_requests_waited() -> None:
    found = outcome.host_results(plan(("app1",)), [HELD, STARTED, DONE, LET_GO, OPEN])["app1"]
    assert [(check.name, check.detail) for check in found.checks][-1] == ("requests waited on proxy1", "held for 9.1 s")
