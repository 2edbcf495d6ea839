"""The audit of one change: each way in which its files can contradict each other is found, and nothing else. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import pytest

from ops.logbook.files import file_bytes, parse_change
from ops.logbook.finding import Finding
from ops.logbook.judge import APPROVAL_RULES, Added, judge_change
from ops.logbook.model import HostResult, Model, Record
from ops.logbook.page import render_change
from tests.unit.logbook_world import ID, NOW, change, events, path, with_page

THIRD = ID
Phases = Mapping[str, Model]


def added(phases: Phases) -> list[Added]:
    """Return the files of *phases* as their commits add them: one a phase, the record with its page."""
    entries = [
        Added(f"c{number}", getattr(phases[name], "by", "anna"), name, file_bytes(phases[name]))
        for number, name in enumerate(("plan.json", "approval.json", "start-1.json"))
        if name in phases
    ]
    if "start-1.json" in phases:
        entries.append(Added("c3", "anna", "events-1.jsonl", events()))
    contents = {entry.name: entry.content for entry in entries} | {"record.json": file_bytes(phases["record.json"])}
    page = render_change(parse_change(ID, contents)).encode()
    return [*entries, Added("c4", "anna", "page.md", page), Added("c4", "anna", "record.json", contents["record.json"])]


def judged(entries: list[Added], now: datetime = NOW + timedelta(hours=25)) -> list[Finding]:
    return list(judge_change(ID, entries, APPROVAL_RULES, now))


@pytest.mark.parametrize(
    ("category", "by"), [("standard", "anna"), ("standard", "bert"), ("normal", "bert"), ("emergency", "bert")]
)
def test_a_change_as_it_should_be_has_no_finding(category: str, by: str) -> None:
    assert judged(added(change(category=category, by=by))) == []


def altered(name: str, category: str = "normal", by: str = "bert", **fields: object) -> Phases:
    phases = dict(change(THIRD, category=category, by=by))
    return {**phases, name: phases[name].model_copy(update=fields)}


def record(world_change: Phases, **fields: object) -> Phases:
    return {**world_change, "record.json": world_change["record.json"].model_copy(update=fields)}


def hosts(**fields: object) -> dict[str, HostResult]:
    one = change(THIRD)["record.json"]
    assert isinstance(one, Record)
    return {host: result.model_copy(update=fields) for host, result in one.hosts.items()}


def without(*names: str, category: str = "normal", by: str = "bert") -> Phases:
    return {name: phase for name, phase in change(THIRD, category=category, by=by).items() if name not in names}


def by_hand(**fields: object) -> Phases:
    """Return a playbook that was started by hand, without a plan."""
    phases = without("plan.json", "approval.json")
    phases = {**phases, "start-1.json": phases["start-1.json"].model_copy(update={"digest": None})}
    return record(phases, **{"kind": "playbook", "digest": None, "approver": None, "waves": (), **fields})


SAID: dict[str, tuple[Callable[[], Phases], str, str]] = {
    "approver is the requester": (
        lambda: altered("approval.json", by="anna", basis="operator"),
        "approval",
        "asked for",
    ),
    "approval of another digest": (lambda: altered("approval.json", digest="f" * 64), "digest", "is about ffff"),
    "begun with another digest": (lambda: altered("start-1.json", digest="f" * 64), "digest", "is about ffff"),
    "record of another digest": (lambda: altered("record.json", digest="f" * 64), "digest", "is about ffff"),
    "plan's digest is not its own": (lambda: altered("plan.json", digest="f" * 64), "digest", "its actions have"),
    "rejected and begun": (lambda: altered("approval.json", verdict="rejected"), "approval", "had rejected it"),
    "policy where an operator is needed": (
        lambda: altered("approval.json", basis="policy"),
        "approval",
        "needs an operator",
    ),
    "approval missing": (lambda: record(without("approval.json"), approver=None), "approval", "without the approval"),
    "approver made up": (lambda: altered("record.json", approver="dora"), "approval", "no such approval"),
    "plan missing": (lambda: without("plan.json", "approval.json"), "phase", "begun without a plan"),
    "host left out": (
        lambda: altered("record.json", hosts={"app1": hosts()["app1"]}),
        "result",
        "leaves out db1",
    ),
    "host left out, no plan": (
        lambda: by_hand(hosts={"app1": hosts()["app1"]}),
        "result",
        "leaves out db1, on which events show work",
    ),
    "host left out, given up": (
        lambda: altered("record.json", outcome="aborted", hosts={"app1": hosts()["app1"]}),
        "result",
        "leaves out db1, on which events show work",
    ),
    "host added": (
        lambda: altered("record.json", hosts={**hosts(), "web1": hosts()["app1"]}),
        "result",
        "was not planned",
    ),
    "package left out": (lambda: altered("record.json", hosts=hosts(packages=())), "result", "not said to be applied"),
    "another reason": (lambda: altered("record.json", reason="because"), "result", "another reason"),
    "other waves": (lambda: altered("record.json", waves=(("app1", "db1"),)), "result", "other waves"),
    "failed called verified": (lambda: altered("record.json", hosts=hosts(state="failed")), "result", "is failed"),
    "ended before it began": (lambda: altered("record.json", ended=NOW - timedelta(hours=1)), "clock", "before"),
    "signed by another": (lambda: altered("record.json", operator="bert"), "person", "names bert"),
    "emergency without its approval": (
        lambda: record(
            without("approval.json", category="emergency"), approver=None, approval_owed_until=NOW + timedelta(hours=24)
        ),
        "approval",
        "more than 24 h",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_records_that_contradict_are_found(case: str) -> None:
    make, rule, words = SAID[case]
    findings = judged(added(make()))
    hits = [one for one in findings if one.rule == rule and words in one.what]
    assert hits, findings
    assert all(one.commit and ID in one.path for one in findings)


def test_an_emergency_is_good_while_its_approval_is_owed_and_after_it_came() -> None:
    phases = record(
        without("approval.json", category="emergency"), approver=None, approval_owed_until=NOW + timedelta(hours=24)
    )
    assert judged(added(phases), NOW + timedelta(hours=23)) == []
    given = change(category="emergency", by="bert")["approval.json"]
    late = Added("c9", "bert", "approval.json", file_bytes(given))
    assert judged([*added(phases), late], NOW + timedelta(hours=30)) == []
    slow = given.model_copy(update={"time": NOW + timedelta(hours=25)})
    [finding] = judged([*added(phases), Added("c9", "bert", "approval.json", file_bytes(slow))])
    assert "until when it was owed" in finding.what


def test_a_refusal_before_anything_was_planned_is_no_finding() -> None:
    fields = {"outcome": "refused", "digest": None, "approver": None, "hosts": {}, "waves": (), "detail": "freeze"}
    assert judged(added({"record.json": change()["record.json"].model_copy(update=fields)})) == []


def test_a_playbook_that_was_started_by_hand_needs_no_plan() -> None:
    assert judged(added(by_hand())) == []


@pytest.mark.parametrize("edit", [lambda page: page.replace(b"done", b"DONE"), lambda _: b"", lambda page: page + b" "])
def test_a_page_that_is_not_what_the_record_gives_is_found(edit: Callable[[bytes], bytes]) -> None:
    entries = [one._replace(content=edit(one.content)) if one.name == "page.md" else one for one in added(change())]
    assert [(one.rule, one.what) for one in judged(entries)] == [("page", "is not what the record gives")]


def test_a_page_of_an_earlier_version_is_taken_as_it_is() -> None:
    old = b"# old\n\n<!-- bordbuch/page/0 -->\n"
    entries = [one._replace(content=old) if one.name == "page.md" else one for one in added(change())]
    assert judged(entries) == []


def test_phases_out_of_order_are_found() -> None:
    said = [f"{one.path.rpartition('/')[2]}: {one.what}" for one in judged(added(change())[::-1])]
    assert {
        "plan.json: came after record.json",
        "plan.json: came after approval.json",
        "approval.json: came after start-1.json",
        "start-1.json: came after events-1.jsonl",
    } <= set(said)


@pytest.mark.parametrize("name", ["plan.json", "start-1.json", "events-1.jsonl", "page.md"])
def test_a_phase_that_is_missing_is_found(name: str) -> None:
    assert judged([one for one in added(change()) if one.name != name])


def test_a_record_that_was_copied_is_found() -> None:
    findings = list(judge_change("2026-11-25-2359-aaaa", added(change()), APPROVAL_RULES, NOW))
    assert len([one for one in findings if "was copied" in one.what]) == 4


def test_a_package_beyond_the_plan_is_found() -> None:
    one = hosts()["app1"]
    more = one.packages[0].model_copy(update={"name": "mallory"})
    phases = altered(
        "record.json", hosts={**hosts(), "app1": one.model_copy(update={"packages": (*one.packages, more)})}
    )
    assert [one.what for one in judged(added(phases))] == ["app1: mallory:amd64 2 was applied and not planned so"]


def test_the_page_of_the_world_is_the_page_of_its_files() -> None:
    assert with_page(ID, change())[path("page.md")] in {one.content for one in added(change())}
