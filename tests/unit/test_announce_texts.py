"""What is said of a change and of a month: the texts in both languages, and what must never be in them.

The texts stand in ``announced/``. After a change on purpose: ``BORDBUCH_GOLDEN=write pytest tests/unit/test_announce_texts.py``,
and read the difference.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ops.announce import meaning, news, page, reader, report
from ops.announce.figures import Figures, closing_seconds, figures, month_of
from ops.announce.notice import gate_notice, notice, question_notice
from ops.announce.reader import Reader
from ops.announce.settings import Language, Settings
from ops.errors import BadInput
from ops.logbook.files import ChangeFiles
from ops.logbook.model import HostResult
from tests.unit import announce_world as world
from tests.unit.announce_world import CASES, HOSTS, NOW, PLANTED

GOLDEN = Path(__file__).parent / "announced"
ROOT = Path(__file__).resolve().parents[2]
GATE = world.patch(
    events=(
        world.event(60, "patch_gate", "app1", "ok"),
        world.event(90, "patch_gate", "backup1", "failed"),
        world.event(91, "ansible.builtin.fail", "app1", "failed"),
    )
)
LATER = NOW + timedelta(days=20)

both = pytest.mark.parametrize("lang", news.LANGUAGES)
every_case = pytest.mark.parametrize("name", sorted(CASES))


def compare(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("BORDBUCH_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{name} was written: read it")
    assert text == path.read_text(encoding="utf-8")


def whole(made: news.Notice) -> str:
    return f"{made.subject}\n\n{made.text}"


@both
@every_case
def test_a_notice_says_what_it_says(name: str, lang: Language) -> None:
    compare(f"{name}.{lang}.txt", whole(notice(CASES[name], Reader(lang))))


@both
def test_a_gate_that_closed(lang: Language) -> None:
    compare(f"gate-closed.{lang}.txt", whole(gate_notice(GATE, Reader(lang), NOW + timedelta(seconds=91))))


@both
def test_a_question_that_waits(lang: Language) -> None:
    compare(f"question.{lang}.txt", whole(question_notice("To patch, type the number of hosts", NOW, Reader(lang))))


@both
def test_planned_work_may_have_a_time(lang: Language) -> None:
    at = datetime(2026, 11, 28, 21, 0, tzinfo=UTC)
    said = notice(CASES["patch-planned"], Reader(lang), at).text
    assert {"de": "ab 28. November 2026, 22:00 Uhr (MEZ)", "en": "from 28 November 2026, 22:00 (CET)"}[lang] in said


@every_case
def test_neither_people_nor_reasons_nor_hosts_are_named(name: str) -> None:
    made = news.of_change(CASES[name], Settings(), NOW)
    told = news.News.model_dump_json(made) + page.render(made, "Europe/Berlin")
    assert [word for word in (*PLANTED, *HOSTS) if word in told] == []


def test_the_gate_names_nobody_either() -> None:
    told = news.of_gate(GATE, Settings(), NOW).model_dump_json()
    assert [word for word in (*PLANTED, *HOSTS) if word in told] == []


@both
def test_hosts_are_named_to_who_asks(lang: Language) -> None:
    said = notice(CASES["patch-begun"], Reader(lang, hosts=True)).lines
    assert {"de": ("Server", "app1, backup1 und db1"), "en": ("Servers", "app1, backup1 and db1")}[lang] in said


@pytest.mark.parametrize(
    ("files", "procedure", "told"),
    [
        (world.patch(), "patch", True),
        (world.patch(starts=()), "patch", False),
        (world.restore("newest"), "restore", True),
        (world.without_plan("invoke deploy --yes"), "deploy", True),
        (world.without_plan("invoke upgrade 4.2.2"), "upgrade", True),
        (world.without_plan("invoke deploy --reason 'cut off in the mid"), "deploy", True),
        (world.without_plan("ansible-playbook playbooks/site.yml --limit db1", "verified"), "deploy", False),
        (world.without_plan("ansible-playbook patch.yml", "verified"), "patch", False),
        (world.without_plan("invoke backup --yes"), None, False),
        (world.without_plan("invoke backup", "verified", kind="backup"), None, False),
        (world.without_plan("systemd timer", "verified", kind="drill"), None, False),
        (world.without_plan("invoke patch.unlock db1", "verified"), None, False),
        (world.without_plan("invoke patch.repair --limit db1"), None, False),
        (world.without_plan(""), None, False),
    ],
)
def test_what_users_may_notice_is_told_by_itself(files: ChangeFiles, procedure: str | None, told: bool) -> None:
    assert (meaning.procedure_of(files), meaning.is_news(files)) == (procedure, told)


def test_there_is_no_notice_of_what_nobody_notices() -> None:
    with pytest.raises(BadInput, match="do not notice"):
        notice(world.without_plan("systemd timer", "verified", kind="backup"), Reader("en"))


@pytest.mark.parametrize(
    ("observed", "effect"),
    [
        ({}, "none"),
        ({"restarts": {"openssl": ()}}, "none"),
        ({"restarts": {"openssl": ("ssh",)}}, "waits"),
        ({"reboots": ("dbus",)}, "away"),
        ({"staged": False}, "waits"),
    ],
)
def test_the_plan_says_what_it_means(observed: dict[str, object], effect: str) -> None:
    assert meaning.effect_of(world.patch(plan=world.plan(**{"staged": True, **observed}))) == effect


def test_the_names_of_tasks_and_actions_are_those_of_the_playbooks() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "playbooks").glob("**/*.yml")]
    for task in (meaning.PAGE_UP, meaning.PAGE_DOWN):
        assert sum(f"name: {task}\n" in text for text in texts) == 2  # a restore and an upgrade
    gates = yaml.safe_load((ROOT / "playbooks/patch.yml").read_text(encoding="utf-8"))[1]["tasks"]
    assert [task["name"] for task in gates if meaning.FAIL in task] == ["Gate before the next wave"]
    assert all((ROOT / "playbooks" / name).is_file() for name in meaning.BY_HAND)
    assert all((ROOT / f"playbooks/library/{name}.py").is_file() for name in (meaning.HOLD, meaning.GATE))


def test_a_page_that_was_not_taken_down_counts_to_the_end() -> None:
    files = world.without_plan("invoke upgrade 4.2.2", "failed", world.page_was_up(95)[:1])
    assert meaning.page_seconds(files) == 9 * 60 - 150


def test_holds_of_several_proxies_are_one_time() -> None:
    hold, release = {"reasons": []}, {"checks": []}
    told = [
        world.event(at, "patch_hold", **data) for at, data in ((10, hold), (11, hold), (20, release), (21, release))
    ]
    assert meaning.held_seconds(told) == 9


def test_what_is_closed_on_one_host_only_is_not_closed() -> None:
    said = notice(world.patch("failed", world.some()), Reader("en")).text
    assert "known weakness" not in said


@both
def test_the_status_page(lang: Language) -> None:
    written = NOW + timedelta(minutes=3)
    html = page.render(news.of_change(CASES["restore-begun"], Settings(), written), "Europe/Berlin")
    compare("status.html", html)
    assert "<script" not in html
    assert all(f">{words}</dd>" in html for _label, words in notice(CASES["restore-begun"], Reader(lang)).lines)


@pytest.mark.parametrize(
    ("name", "line"), [("patch-begun", "dashed"), ("patch-failed", "dashed"), ("patch-verified", "solid")]
)
def test_the_page_shows_whether_something_is_open(name: str, line: str) -> None:
    html = page.render(news.of_change(CASES[name], Settings(), NOW), "Europe/Berlin")
    assert f"border-left: .4rem {line}" in html


def test_hostile_text_is_shown_on_the_page_not_run() -> None:
    made = news.of_question("<script>alert(1)</script>", Settings(), NOW, NOW)
    html = page.render(made, "Europe/Berlin")
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_data_is_utc_and_people_get_their_own_time() -> None:
    made = news.of_change(CASES["patch-begun"], Settings(timezone="America/New_York", language="en"), NOW)
    data = json.loads(made.model_dump_json())
    assert data["time"] == "2026-11-25T23:00:00Z"
    assert "25 November 2026, 18:02" in data["text"]


@pytest.mark.parametrize(("language", "count"), [("de", 1), ("en", 1), ("both", 2)])
def test_a_mail_is_in_the_languages_of_the_inventory(language: str, count: int) -> None:
    made = news.of_change(CASES["patch-begun"], Settings(language=language), NOW)  # type: ignore[arg-type]  # checked by the model
    assert made.text.count("2026-11-25-2300-k7xq") == count
    assert made.subject.count(" / ") == count - 1


# The month


def at(identifier: str, days: int, files: ChangeFiles) -> ChangeFiles:
    """Return *files* as a change of its own, so many *days* later."""
    update: dict[str, object] = {"id": identifier}
    if files.plan:
        request = files.plan.request.model_copy(
            update={"id": identifier, "time": files.plan.request.time + timedelta(days=days)}
        )
        update["plan"] = files.plan.model_copy(update={"request": request})
    if files.record:
        times = {name: getattr(files.record, name) + timedelta(days=days) for name in ("started", "ended")}
        update["record"] = files.record.model_copy(update={"id": identifier, **times})
    return files.model_copy(update=update)


def drill(identifier: str, days: int, outcome: str = "verified", follow_up: tuple[str, ...] = ()) -> ChangeFiles:
    seconds = {"drill": 70, "recovery_time": 41, "recovery_point": 95}
    told = {
        "kind": "drill",
        "hosts": {"backup1": HostResult(state="verified")},
        "follow_up": follow_up,
        "seconds": seconds,
    }
    return at(identifier, days, world.without_plan("systemd timer", outcome, **told))


def month() -> list[ChangeFiles]:
    """Return what happened around November."""
    failed = world.patch("failed", world.some())
    rebooted = {host: world.result(boot_before="a", boot_after="b" if host == "db1" else "a") for host in HOSTS}
    rebooted["app1"] = world.result(configuration_files_left=("/etc/x",), still_on_old_files=("ssh",))
    return [
        at("2026-10-31-2259-aaaa", -25, world.without_plan("invoke deploy", "verified")),
        drill("2026-10-30-0100-aaab", -26),
        at("2026-11-20-2300-aaac", -5, failed),
        at("2026-11-21-2300-aaad", -4, world.patch("verified", rebooted, events=world.held())),
        at("2026-11-22-2300-aaae", -3, world.without_plan("invoke upgrade 4.2.2", "verified", world.page_was_up(95))),
        at("2026-11-22-2310-aaaf", -3, world.without_plan("systemd timer", "verified", kind="backup")),
        drill("2026-11-23-0100-aaag", -2, follow_up=("not proven: the application",)),
        drill("2026-11-24-0100-aaah", -1, "failed"),
        at("2026-11-24-2300-aaai", -1, CASES["patch-rejected"]),
        at("2026-11-25-2300-aaaj", 0, world.without_plan("invoke patch.unlock db1", "verified")),
        at("2026-11-25-2300-aaak", 0, CASES["patch-planned"]),
        at("2026-12-01-2300-aaal", 6, CASES["patch-verified"]),
    ]


def of(text: str = "2026-11", now: datetime = LATER, hosts: bool = False) -> Figures:
    return figures(month(), month_of(text, "Europe/Berlin", now), hosts=hosts)


@both
def test_the_report_of_a_month(lang: Language) -> None:
    compare(f"report.{lang}.md", report.report(of(), Reader(lang)))


@both
def test_the_report_of_a_month_with_hosts(lang: Language) -> None:
    compare(f"report-hosts.{lang}.md", report.report(of(hosts=True), Reader(lang, hosts=True)))


@both
def test_the_report_of_a_quiet_month(lang: Language) -> None:
    quiet = figures([], month_of("2026-11", "Europe/Berlin", NOW))
    compare(f"report-quiet.{lang}.md", report.report(quiet, Reader(lang)))


def test_a_report_names_neither_people_nor_hosts() -> None:
    told = "".join(report.report(of(), Reader(lang)) for lang in news.LANGUAGES) + of().model_dump_json()
    assert [word for word in (*PLANTED, *HOSTS, "/etc/x") if word in told] == []


def test_the_figures_are_those_of_the_records() -> None:
    seen = of()
    assert {count.work: (count.done, count.not_well) for count in seen.counts} == {
        "deploy": (1, 0),  # on 1 November, half an hour past midnight in Berlin
        "backup": (1, 0),
        "drill": (2, 1),
        "other": (1, 0),
        "patch": (2, 1),
        "upgrade": (1, 0),
    }
    assert (seen.closed, seen.packages, seen.held_seconds, seen.page_seconds, seen.reboots) == (1, 4, 12, 95, 1)
    assert seen.seconds_to_close_longest == seen.seconds_to_close_median == 24 * 3600 + 9 * 60
    assert seen.points == {"configuration": 1, "old-files": 1, "other": 4}  # of deploy, upgrade, drill and unlock
    assert (seen.waiting, seen.not_ended, seen.approvals_owed) == (1, 0, 0)
    assert seen.proof
    assert (seen.proof.change, seen.proof.partial, seen.proof.recovery_time_seconds) == (
        "2026-11-23-0100-aaag",
        True,
        41,
    )


def test_a_month_is_one_of_the_readers_zone_and_ends_with_now() -> None:
    november = month_of("2026-11", "Europe/Berlin", NOW)
    assert (november.begin, november.seen) == (datetime(2026, 10, 31, 23, tzinfo=UTC), NOW)
    assert month_of("2026-12", "Europe/Berlin", LATER).begin == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert month_of("2026-03", "Europe/Berlin", NOW).seconds == (31 * 24 - 1) * 3600  # the clock goes forward


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-11-01", "november", "2027-01", "0000-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        month_of(text, "Europe/Berlin", NOW)


@given(st.text(max_size=12))
def test_no_text_for_a_month_crashes(text: str) -> None:
    try:
        month_of(text, "Europe/Berlin", NOW)
    except BadInput as refused:
        assert refused.next_step  # noqa: PT017  (either of the two is right)


def test_an_advisory_that_no_plan_named_has_no_time_to_close() -> None:
    assert closing_seconds([], [CASES["patch-verified"]]) == []


def test_what_one_patch_left_the_next_may_have_done() -> None:
    first = at("2026-11-20-2300-aaac", -5, world.patch("failed", world.some()))
    assert figures([first], of().month).points == {"not-done": 2}
    assert figures([first, at("2026-11-21-2300-aaad", -4, CASES["patch-verified"])], of().month).points == {}


def test_an_emergency_owes_its_approval() -> None:
    owed = CASES["patch-verified"].record
    assert owed
    files = CASES["patch-verified"].model_copy(
        update={"record": owed.model_copy(update={"approval_owed_until": LATER})}
    )
    assert figures([files], of().month).approvals_owed == 1


def test_ten_years_are_read_quickly() -> None:
    one = CASES["patch-verified"]
    many = [
        at(f"2026-11-{day:02}-{hour:02}{minute:02}-aaaa", day - 25, one)
        for day in range(1, 29)
        for hour in range(24)
        for minute in range(15)
    ]
    began = datetime.now(UTC)
    assert figures(many, of().month).counts[0].done == len(many)
    assert datetime.now(UTC) - began < timedelta(seconds=10)


@given(st.integers(min_value=0, max_value=10**8))
def test_a_span_has_two_units_at_most(seconds: int) -> None:
    assert len(reader.Reader("en").span(seconds).split()) in (2, 4)
