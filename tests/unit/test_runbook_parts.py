"""The parts that the site is made of: words, entries, charts, procedures, verdicts, the tracker, the server."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from ops.errors import BadInput
from ops.logbook.files import ChangeFiles
from ops.logbook.model import Event
from ops.runbook import charts
from ops.runbook.advisories import advisory, as_csv_rows
from ops.runbook.entries import fingerprint, parse_log
from ops.runbook.heads import HEADS
from ops.runbook.language import Words, visible
from ops.runbook.procedures import Sources, Step, carried_out, procedure, read_procedures, tried
from ops.runbook.render import TEMPLATES, host_link, link
from ops.runbook.requirements import Check, Requirement
from ops.runbook.serve import server
from ops.runbook.store import NAME, Exposure, Version
from ops.runbook.summary import Summary, rows
from ops.runbook.tracker import fetch, open_issues, read_tracker

ROOT = Path(__file__).resolve().parents[2]
WHEN = datetime(2026, 11, 25, 23, 5, 59, tzinfo=UTC)
RAW = b"""commit %s
tree 1
author anna <anna@bordbuch.invalid> 1795853502 +0000
committer anna <anna@bordbuch.invalid> 1795853502 +0000
gpgsig -----BEGIN SSH SIGNATURE-----
 U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgGwj9Ui8b9+5sNg4n5Vjr3w0uLX
 g80vdb3lyejXEk7UkAAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5
 AAAAQI/XvQSi++3/6iO6IgLLnI1f411Jk3+gVp54BSQsamzbU9FsYA7lULYS763xgFxaoi
 pscBxkaTSiQSZ2heInrAE=
 -----END SSH SIGNATURE-----

    commit 1111111111111111111111111111111111111111

changes/2026/11/2026-11-28-0811-zlb3/plan.json\0changes/2026/11/2026-11-28-0811-zlb3/approval.json\0""" % (b"a" * 40)


def test_each_reader_has_dates_and_numbers_in_their_form() -> None:
    words = Words()
    assert words.moment(WHEN) == (
        '<time datetime="2026-11-25T23:05:59Z"><span lang="de">25.11.2026, 23:05 UTC</span>'
        '<span lang="en">25 Nov 2026, 23:05 UTC</span></time>'
    )
    assert words.number(1234.56) == '<span lang="de">1.234,6</span><span lang="en">1,234.6</span>'
    assert words.number(7) == "7"
    assert words.month("2026-03") == '<span lang="de">März 2026</span><span lang="en">March 2026</span>'
    assert words.span(3725) == "1 h 2 min"
    assert words.span(4 * 86400) == '<span lang="de">4 Tage</span><span lang="en">4 days</span>'


def test_one_language_needs_no_marks() -> None:
    assert Words(("de",)).text("Hosts") == "Hosts"
    assert Words(("de",)).text("{count} changes.", count=1000) == "1.000 Änderungen."


def test_values_in_texts_are_shown_and_not_run() -> None:
    said = Words(("en",)).text("Host {name}", name="<b>\u202e")
    assert said == "Host &lt;b&gt;\\u202e"
    assert isinstance(said, Markup)


@given(st.text())
def test_what_cannot_be_seen_shows(text: str) -> None:
    assert visible(text).isprintable()


def test_entries_name_change_committer_and_key() -> None:
    (entry,) = parse_log(RAW)
    assert (entry.change, entry.who, entry.at) == ("2026-11-28-0811-zlb3", "anna", 1795853502)
    assert entry.names == ("plan.json", "approval.json")
    assert entry.fingerprint == "SHA256:IvlHTQnDGiGuBZ13giJINR29xOO2jibwuK7CkHldjRk"


@given(st.binary())
def test_the_parsers_of_entries_take_anything(text: bytes) -> None:
    assert isinstance(parse_log(text), list)
    assert isinstance(fingerprint(b"-----BEGIN SSH SIGNATURE-----\n" + text + b"\n-----END SSH SIGNATURE-----"), str)


@given(st.integers(0, len(RAW) - 1), st.binary(max_size=4))
def test_a_damaged_entry_is_no_fault(place: int, other: bytes) -> None:
    assert len(parse_log(RAW[:place] + other + RAW[place + len(other) :])) <= 1


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (1.5, 2), (3, 5), (7, 10), (84, 100), (101, 200), (5001, 10000)]
)
def test_axes_end_at_round_figures(value: float, top: float) -> None:
    assert charts.nice(value) == top


def test_bars_stack_and_stay_within_the_plot() -> None:
    drawn = charts.bars("x", ["a", "<b>"], [[3, 0], [1, 5]])
    assert drawn.count('class="bar"') == 3
    assert drawn.count('fill="url(#x-striped)"') == 2
    assert "&lt;b&gt;" in drawn
    assert "<b>" not in drawn


def test_a_dot_that_is_not_good_is_a_cross() -> None:
    drawn = charts.dots("x", [charts.Mark("1", 5), charts.Mark("2", 7, good=False)], promised=10)
    assert drawn.count("circle class") == 1
    assert drawn.count('class="cross"') == 1
    assert 'class="limit"' in drawn


def test_charts_of_nothing_are_charts() -> None:
    assert "<svg" in charts.bars("x", [], [[]])
    assert "<svg" in charts.line("x", [], [])


def test_every_playbook_has_a_head_and_its_steps() -> None:
    found = read_procedures(ROOT)
    assert {one.name for one in found} == set(HEADS)
    assert all(list(play.steps) for one in found for play in one.plays)
    site = next(one for one in found if one.name == "site")
    base = next(step for play in site.plays for step in play.steps if step.name == "base")
    assert base.module == "role"
    assert all(leaf.name.startswith("base : ") for leaf in base.leaves())


PLAYBOOK = """\
# What for.
- name: Try it
  hosts: all
  tasks:
    - name: Act
      block:
        - name: Do it on {{ item }}
          do_it:
      rescue:
        - name: Mend it
          mend:
"""


def test_steps_count_as_tried_by_name_module_and_form() -> None:
    one = procedure("x", PLAYBOOK, Sources(ROOT))
    first, second = (leaf for step in one.plays[0].steps for leaf in step.leaves())
    done = {("Do it on app1", "do_it"): {first.form}, ("Mend it", "other"): {second.form}}
    assert tried(first, done)
    assert not tried(second, done)
    assert second.branch == "rescue"
    assert not tried(Step("Do it on app1", "did_it", form=first.form), done)
    changed = procedure("x", PLAYBOOK.replace("do_it:", "do_it: {twice: true}"), Sources(ROOT))
    assert not tried(next(changed.plays[0].steps[0].leaves()), done)


@pytest.mark.parametrize(("forms", "counts"), [({""}, True), ({"", "0" * 12}, False), (set(), False)])
def test_where_no_form_was_ever_noted_name_and_module_are_enough(forms: set[str], counts: bool) -> None:
    assert tried(Step("Do it", "do_it", form="1" * 12), {("Do it", "do_it"): forms}) is counts


WRITTEN = """- name: Say {{ 1 + 1 }}
  ansible.builtin.debug:
    msg: "{{ word | default('a') }}"
  when: [true, 1 < 2]
  tags: [a]
- name: Mend
  block:
    - name: Break
      ansible.builtin.assert:
        that: false
  rescue:
    - name: Note
      ansible.builtin.set_fact:
        day: 2026-01-01
        text: |
          Größe
          1.0
"""


def test_only_what_was_done_is_kept_with_the_form_that_it_had() -> None:
    told = {"time": WHEN, "play": "Play", "task": "Do it", "action": "do_it"}
    events = [
        Event(type=kind, form=form, status=status, **told)
        for kind, form, status in (
            ("task", "a" * 12, ""), ("result", "", "changed"), ("result", "", "ok"),
            ("task", "b" * 12, ""), ("result", "", "skipped"),
        )
    ]  # fmt: skip
    kept = rows(ChangeFiles(id="2026-11-25-2300-k7xq", events=tuple(events))).steps
    assert kept == [("Play", "Do it", "do_it", "a" * 12)]


def test_a_run_notes_the_forms_that_playbooks_have(tmp_path: Path) -> None:
    for name, text in (
        ("playbooks/one.yml", "- name: Play\n  hosts: localhost\n  gather_facts: false\n  roles: [part]\n"),
        ("roles/part/tasks/main.yml", "- name: Go on\n  ansible.builtin.import_tasks: more.yml\n" + WRITTEN),
        ("roles/part/tasks/more.yml", "---\n" + WRITTEN.replace("Say", "Tell")),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    spool = tmp_path / "spool"
    spool.mkdir()
    plugins = {"ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "playbooks/callback_plugins"), "BORDBUCH_SPOOL": str(spool)}
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", tmp_path / "playbooks/one.yml"]
    environment = {
        **os.environ,
        **plugins,
        "ANSIBLE_ROLES_PATH": str(tmp_path / "roles"),
    }
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    events = [Event.model_validate_json(line) for line in (spool / "events.jsonl").read_text().splitlines()]
    (one,) = read_procedures(tmp_path)
    wanted = {leaf.form for step in one.plays[0].steps for leaf in step.leaves()}
    assert {event.form for event in events if event.type == "task"} == wanted
    assert len(wanted) == 4


def test_runs_belong_to_the_playbook_whose_plays_they_name() -> None:
    one = procedure("x", PLAYBOOK, Sources(ROOT))
    drill = procedure("drill", "- name: Other\n  hosts: all\n", Sources(ROOT))
    runs = [
        Summary(id="1", state="ended", plays=("Try it",), kind="playbook"),
        Summary(id="2", state="ended", kind="drill", begun=WHEN),
        Summary(id="3", state="ended", plays=("Gone",), kind="playbook"),
    ]
    found = carried_out([one, drill], runs)
    assert {name: [run.id for run in some] for name, some in found.items()} == {"x": ["1"], "drill": ["2"]}


def verdict(*checks: Check, limits: tuple[str, ...] = ()) -> str:
    return Requirement(("X.1",), "x", (), checks, limits).verdict


FULL, PART, NONE, EMPTY = Check("a", 3, 3), Check("b", 3, 2), Check("c", 3, 0), Check("d", 0, 0)
LUCKY = Check("e", 0, 0, needed=False)


@pytest.mark.parametrize(
    ("checks", "limits", "expected"),
    [
        ((FULL,), (), "met"),
        ((FULL, LUCKY), (), "met"),
        ((FULL,), ("not looked at",), "partly"),
        ((FULL, PART), (), "partly"),
        ((FULL, EMPTY), (), "partly"),
        ((FULL, NONE), (), "not-met"),
        ((NONE,), ("not looked at",), "not-met"),
        ((EMPTY,), (), "not-met"),
        ((), (), "not-met"),
        ((LUCKY,), (), "partly"),
    ],
)
def test_a_verdict_is_never_better_than_the_evidence(
    checks: tuple[Check, ...], limits: tuple[str, ...], expected: str
) -> None:
    assert verdict(*checks, limits=limits) == expected


def test_the_tracker_names_what_is_open_in_the_release(tmp_path: Path) -> None:
    state = {"status": "open", "urgency": "high", "fixed_version": "2"}
    issues = {
        "CVE-1": {"releases": {"trixie": state}},
        "CVE-2": {"releases": {"trixie": {"status": "resolved"}, "bookworm": state}},
        "CVE-3": "none",
    }
    (tmp_path / "data.json").write_text(json.dumps({"openssl": issues, "other": issues}))
    versions = [
        Version("openssl", "amd64", "1", "installed", 0, "x"),
        Version("none", "amd64", "1", "installed", 0, "x"),
    ]
    found = open_issues(read_tracker(tmp_path / "data.json"), "trixie", versions)
    assert [(one.package, one.name, one.urgency) for one in found] == [("openssl", "CVE-1", "high")]


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', "{"])
def test_what_is_no_tracker_data_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(BadInput):
        read_tracker(tmp_path / "data.json")


def test_the_trackers_data_is_fetched_and_nothing_else_replaces_it(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text('{"openssl": {}}')
    (tmp_path / "bad.json").write_text("[]")
    kept = tmp_path / "kept.json"
    with server(tmp_path, 0) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{serving.server_address[1]}"
        assert read_tracker(fetch(f"{here}/good.json", kept)) == {"openssl": {}}
        for address in (f"{here}/bad.json", f"{here}/none.json", "http://example.org/x", "https://a:b@example.org/x"):
            with pytest.raises(BadInput):
                fetch(address, kept)
        serving.shutdown()
    with pytest.raises(BadInput, match="could not be fetched"):
        fetch(f"{here}/good.json", kept)
    assert (read_tracker(kept), (tmp_path / "kept.new").exists()) == ({"openssl": {}}, False)


def test_the_server_gives_pages_and_nothing_hidden(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("here")
    (tmp_path / "empty").mkdir()
    (tmp_path / NAME).write_text("secret")
    with server(tmp_path, 0) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        assert ask(serving.server_port, "/") == (200, b"here")
        assert {ask(serving.server_port, path)[0] for path in (f"/{NAME}", "/empty/", "/../../etc/passwd")} == {404}
        serving.shutdown()


def ask(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize("make", [link, host_link])
def test_what_was_kept_of_markup_is_not_given_for_the_same_text(make: Callable[[str, str], Markup]) -> None:
    make("", Markup("<i>"))  # equal to the text, but known to be markup
    assert "<i>" not in make("", "<i>")


def test_no_template_loads_macros_that_it_does_not_use() -> None:
    texts = {path.name: path.read_text() for path in TEMPLATES.rglob("*.html")}
    loading = {name for name, text in texts.items() if 'import "macros.html" as m' in text}
    assert loading == {name for name, text in texts.items() if re.search(r"\bm\.\w+\(", text)}


def test_an_advisory_is_whole_when_the_last_host_has_it() -> None:
    first = Exposure("CVE-1", "app1", 3600, 7200, "a", open=False, published=1800)
    late = Exposure("CVE-1", "db1", 3600, 9000, "b", open=False, published=None)
    assert (advisory("CVE-1", [first, late]).whole, advisory("CVE-1", [late]).whole) == (7200, None)
    still = advisory("CVE-1", [first, late._replace(installed=None, change="", open=True)])
    assert (still.whole, still.published) == (None, datetime(1970, 1, 1, 0, 30, tzinfo=UTC))
    assert [row[-1] for row in as_csv_rows({"CVE-1": [first, late]})] == ["published", "1970-01-01T00:30:00Z", ""]
