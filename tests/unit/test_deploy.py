"""What a check run foresees, and how a deploy ended: from events to rows and results, without a host."""

from typing import Any

import pytest

from ops.deploy import foresee, outcome, procedure, show, site
from ops.deploy.foresee import Change, Foreseen
from ops.errors import Failed, Refused
from ops.logbook.model import Check, Event, HostResult, Record
from ops.playbook import Playbook
from ops.status.facts import HostStatus, Status
from tests.unit.factories import NOW

TASK = "base : Write the settings"
HOSTS = ("app1", "db1")


def event(host: str, status: str = "ok", task: str = TASK, **data: Any) -> Event:
    fields = {"time": NOW, "type": "result", "play": "Base", "action": "ansible.builtin.template"}
    return Event(**fields, host=host, status=status, task=task, data=data)


def end() -> Event:
    return Event(time=NOW, type="end")


def change(*what: str, diff: tuple[str, ...] = (), hidden: str = "") -> dict[str, Any]:
    return {"what": what, "diff": diff, "hidden": hidden}


def good(**changes: Any) -> HostStatus:
    return HostStatus(**{"failed_units": (), **changes})


def stands(*hosts: str, silent: dict[str, str] | None = None, **changes: Any) -> Status:
    return Status(hosts={host: good(**changes) for host in hosts}, silent=silent or {})


def record(**hosts: HostResult) -> Record:
    fields = {"category": "standard", "reason": "deploy: x", "outcome": "failed", "digest": None, "requester": "anna"}
    more = {"operator": "anna", "controller": "laptop", "started": NOW, "ended": NOW}
    return Record(id="2026-11-25-2300-k7xq", kind="playbook", **fields, **more, hosts=hosts)


def test_a_check_run_becomes_changes_by_host_and_file() -> None:
    events = [
        event("app1", "changed", changes=[change("/etc/a"), change("/etc/b", diff=("+x",))]),
        event("db1"),
        event("db1", "skipped"),
        end(),
    ]
    plan = foresee.foreseen(HOSTS, {}, [events])
    assert [(entry.host, entry.what) for entry in plan.changes] == [("app1", ("/etc/a",)), ("app1", ("/etc/b",))]
    assert (plan.changing(), plan.compared, plan.skipped) == (("app1",), 2, 1)


def test_hosts_that_do_not_answer_are_named_and_no_part_of_it() -> None:
    events = [event("db1", "unreachable"), event("app1")]
    plan = foresee.foreseen(("app1", "db1", "backup1"), {"backup1": "did not answer"}, [events])
    assert plan.hosts == ("app1",)
    assert plan.silent == {"backup1": "did not answer", "db1": "did not answer"}


def test_the_digest_is_of_what_changes_where_and_not_of_how_long_it_took() -> None:
    first, second = (
        foresee.foreseen(HOSTS, {}, [[event("app1", "changed", changes=[change("/etc/a", diff=(line,))])]])
        for line in ("+x", "+y")
    )
    other = foresee.foreseen(HOSTS, {}, [[event("db1", "changed", changes=[change("/etc/a")])]])
    assert first.digest == second.digest != other.digest


def test_what_was_foreseen_goes_into_the_record_without_the_content_of_files() -> None:
    plan = foresee.foreseen(HOSTS, {}, [[event("app1", "changed", changes=[change("/etc/a", diff=("+x",))])]])
    (line,) = foresee.as_events(plan, Event(time=NOW, type="result", play="Foreseen"))
    assert (line.host, line.task, line.status, line.data) == ("app1", TASK, "skipped", {"what": ["/etc/a"]})


def test_what_changed_beyond_the_plan_is_said_once() -> None:
    events = [event("app1", "changed"), *[event("app1", "changed", "base : Run it")] * 2, event("db1", "changed")]
    assert foresee.unforeseen([("app1", TASK)], events) == [("app1", "base : Run it"), ("db1", TASK)]
    plan = Foreseen(hosts=HOSTS, changes=(Change(host="app1", task=TASK),))
    assert show.summary(plan, 4, [("db1", TASK)]).endswith(f"changed: 4; not foreseen: db1: {TASK}")


def test_a_difference_stands_once_for_all_its_hosts() -> None:
    shown = change("/etc/a", diff=("-x", "+y"))
    others = [change("/etc/new", diff=("new, 3 lines",)), change("/etc/key", hidden="it is secret")]
    events = [event(host, "changed", changes=[shown, *others]) for host in HOSTS]
    assert list(show.differences(foresee.foreseen(HOSTS, {}, [events]))) == [
        "/etc/a on app1, db1",
        "    -x",
        "    +y",
        "/etc/new on app1, db1: new, 3 lines",
        "/etc/key on app1, db1: not shown, it is secret",
    ]


def test_the_same_change_on_several_hosts_is_one_row() -> None:
    pair = [change("/etc/a"), change("/etc/b")]
    events = [event(host, "changed", changes=pair) for host in ("db1", "app1")]
    plan = foresee.foreseen(HOSTS, {"backup1": "did not answer"}, [events])
    assert show.rows(plan) == [("app1, db1", TASK, "/etc/a, /etc/b"), ("backup1", "did not answer", "")]


def test_the_digest_does_not_depend_on_which_host_is_faster() -> None:
    events = [event(host, "changed", changes=[change("/etc/a")]) for host in HOSTS]
    assert foresee.foreseen(HOSTS, {}, [events]).digest == foresee.foreseen(HOSTS, {}, [events[::-1]]).digest


def test_nothing_to_change_says_how_that_is_known() -> None:
    plan = foresee.foreseen(HOSTS, {}, [[event("app1"), event("db1"), event("db1", "skipped")]], 7)
    assert show.nothing(plan) == (
        "Nothing to change on 2 hosts: a check run of playbooks/site.yml compared 2 tasks with them in 7 s; "
        "1 did not apply, or can only be judged by running them."
    )


def test_a_check_run_that_fails_is_no_plan() -> None:
    plan = foresee.foreseen(HOSTS, {}, [[event("app1", "failed", complaint="no such user"), event("db1", "changed")]])
    with pytest.raises(Failed, match=f"{TASK}: no such user") as raised:
        procedure.refuse_unknown(plan)
    assert raised.value.host == "app1"


def test_a_check_run_that_was_killed_is_no_plan() -> None:
    plan = foresee.foreseen(HOSTS, {}, [[event("app1"), end()], [event("db1")]])
    with pytest.raises(Failed, match="stopped before its end"):
        procedure.refuse_unknown(plan)
    procedure.refuse_unknown(foresee.foreseen(HOSTS, {}, [[event("app1"), end()], [event("db1"), end()]]))


def test_a_run_on_no_host_is_no_plan() -> None:
    with pytest.raises(Failed, match="no host answered"):
        procedure.refuse_unknown(Foreseen(hosts=(), silent={"app1": "did not answer"}))


def test_another_change_on_a_host_refuses() -> None:
    held = {"change": "2026-11-25-2200-aaaa", "operator": "bert", "controller": "x", "since": "10:00"}
    with pytest.raises(Refused, match="2026-11-25-2200-aaaa of bert"):
        procedure.refuse_locked(stands("app1", lock=held))
    procedure.refuse_locked(stands("app1"))


def test_drift_is_a_failure_and_so_is_a_host_that_is_not_known() -> None:
    procedure.drifted(Foreseen(hosts=HOSTS))
    with pytest.raises(Failed, match="db1 differs"):
        procedure.drifted(Foreseen(hosts=HOSTS, changes=(Change(host="db1", task=TASK),)))
    with pytest.raises(Failed, match="not known: app1"):
        procedure.drifted(Foreseen(hosts=("db1",), silent={"app1": "did not answer"}))


def results(events: list[Event], before: Status, after: Status, silent: dict[str, str] | None = None) -> dict[str, Any]:
    found = outcome.results(HOSTS, silent or {}, events, before, after)
    return {host: (result.state, result.reason) for host, result in found.items()}


def test_a_run_without_a_fault_is_verified() -> None:
    events = [event("app1", "changed"), event("db1"), end()]
    assert results(events, stands(*HOSTS), stands(*HOSTS)) == {"app1": ("verified", ""), "db1": ("verified", "")}


def test_what_was_foreseen_is_not_taken_for_what_was_done() -> None:
    planned = [event("db1", "skipped").model_copy(update={"action": foresee.PLANNED})]
    states = results([*planned, event("app1", "failed"), end()], stands(*HOSTS), stands(*HOSTS))
    assert states == {"app1": ("failed", TASK), "db1": ("not-begun", "the run ended early, by app1")}


def test_a_mate_of_a_failed_host_did_not_get_all_its_tasks() -> None:
    states = results([event("app1"), event("db1", "failed"), end()], stands(*HOSTS), stands(*HOSTS))
    assert states["app1"] == ("interrupted", "the run ended early, by db1")


def test_a_host_that_had_not_answered_is_unreachable() -> None:
    silent = {"db1": "did not answer"}
    assert results([event("app1"), end()], stands("app1"), stands("app1"), silent)["db1"] == (
        "unreachable",
        "did not answer",
    )


def test_a_host_that_is_lost_afterwards_is_not_verified() -> None:
    after = stands("app1", silent={"db1": "did not answer"})
    states = results([event("app1"), event("db1"), end()], stands(*HOSTS), after)
    assert states["db1"] == ("interrupted", "done, but it did not answer afterwards")


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ({"failed_units": ("a.service", "b.service")}, "no further unit failed: b.service"),
        ({"failed_units": None, "unknown": {"failed_units": "systemctl does not answer"}}, "systemctl does not answer"),
        ({"checks": (Check(name="page", passed=False, detail="status 503"),)}, "page: status 503"),
        ({"unknown": {"checks": "KeyError: 'name'"}}, "own checks: KeyError: 'name'"),
    ],
)
def test_a_host_that_is_not_well_afterwards_is_failed(after: dict[str, Any], reason: str) -> None:
    before = stands(*HOSTS, failed_units=("a.service",))
    state, why = results([event("app1"), event("db1"), end()], before, stands(*HOSTS, **after))["app1"]
    assert state == "failed"
    assert reason in why


def test_a_failure_says_what_where_what_was_left_and_what_next() -> None:
    hosts = {"app1": HostResult(state="failed", reason=TASK), "db1": HostResult(state="not-begun", reason="")}
    fault = procedure.failure(record(**hosts), {"app1": f"{TASK}: no such user"})
    assert fault.what == f"app1: {TASK}: no such user"
    assert "db1" in fault.left
    assert "invoke changes.show 2026-11-25-2300-k7xq" in fault.next_step


def test_a_person_can_run_the_same(tmp_path: Any) -> None:
    play = site.Site(site.NAME, tmp_path, tmp_path, {}, "db1", options=site.options("base:sshd", check=True))
    assert isinstance(play, Playbook)
    words = play.command()
    assert words[1:5] == ["--check", "--diff", "--tags", "base:sshd"]
    assert words[-1].endswith("playbooks/site.yml")
    assert site.options("", check=False) == ()
