"""Canonical JSON, records, operators, receipts: as pure values."""

import json
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import BadInput, Failed
from ops.logbook import schema
from ops.logbook.canonical import canonical, digest
from ops.logbook.files import change_folder, events_bytes, file_bytes, parse_change, parse_file, split_path, state_of
from ops.logbook.model import Event, Plan, Record
from ops.logbook.operators import Operators
from ops.logbook.receipts import judge_text, parse_receipts
from roles.logbook.filter_plugins.logbook_keys import logbook_keys
from tests.unit.logbook_world import ID, NOW, change, package

KEYS = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPOG2GLaYiCALqdaRGWotsvV47Zqo+jYlqdWfaPR5uGm",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG6paWzvni0z3+TvD9rFNIhnJPejlSwJdvTtJO6eEI7n",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHRcY2Dnh0Zm+Y+u8BiCiiIaquU2rhzLIeBtV8NpBfPt",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_canonical_json_is_json_and_its_own_fixed_point(value: Any) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text
    assert b"\n" not in text


@given(st.dictionaries(st.text(), values, min_size=2, max_size=5), st.randoms())
def test_the_order_of_keys_does_not_change_the_digest(value: dict[str, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert digest(dict(items)) == digest(value)


@given(values, values)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    assert (digest(one) == digest(other)) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


def test_fractions_are_refused_wherever_they_are() -> None:
    with pytest.raises(TypeError, match="integers only"):
        canonical({"a": [{"b": 1.5}]})


texts = st.text(min_size=1, max_size=60)


@given(texts, texts, st.integers(0, 10**12))
def test_a_plan_survives_its_file(reason: str, version: str, size: int) -> None:
    plan = change()["plan.json"]
    assert isinstance(plan, Plan)
    request = plan.request.model_copy(update={"reason": reason})
    actions = plan.actions.hosts["app1"].model_copy(
        update={"packages": (package().model_copy(update={"to_version": version, "size_bytes": size}),)}
    )
    whole = plan.model_copy(
        update={"request": request, "actions": plan.actions.model_copy(update={"hosts": {"app1": actions}})}
    )
    again = parse_file(Plan, ID, "plan.json", file_bytes(whole))
    assert again == whole
    assert file_bytes(again) == file_bytes(whole)
    assert again.computed_digest() == whole.computed_digest()


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(-12, 14))  # given a zone below
def test_a_time_is_written_in_utc_to_the_second(naive: datetime, hours: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(hours=hours)))
    event = Event(time=moment, type="task")
    text = json.loads(file_bytes(event))["time"]
    assert text == moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert Event.model_validate_json(file_bytes(event)) == event


@given(st.dictionaries(texts, values, max_size=3))
def test_events_survive_their_file(data: dict[str, Any]) -> None:
    events = (Event(time=NOW, type="result", host="app1", data=data), Event(time=NOW, type="end"))
    files = parse_change(
        ID, {"start-1.json": file_bytes(change()["start-1.json"]), "events-1.jsonl": events_bytes(events)}
    )
    assert files.events == events


def test_a_fraction_that_a_module_says_does_not_cost_the_record() -> None:
    event = Event(time=NOW, type="result", data={"steps": [{"seconds": 0.1}], "load": 2.5, "whole": 2})
    assert event.data == {"steps": [{"seconds": "0.1"}], "load": "2.5", "whole": 2}
    assert Event.model_validate_json(events_bytes([event])) == event


def test_events_of_runs_stand_in_their_order() -> None:
    runs = {f"events-{run}.jsonl": events_bytes([Event(time=NOW, type="play", play=str(run))]) for run in (10, 2, 1)}
    assert [event.play for event in parse_change(ID, runs).events] == ["1", "2", "10"]


def test_an_unknown_field_is_refused_with_its_place() -> None:
    content = json.loads(file_bytes(change()["record.json"])) | {"member": "x"}
    with pytest.raises(Failed, match=r"record\.json cannot be read: member"):
        parse_file(Record, ID, "record.json", canonical(content))


def test_what_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(Failed) as error:
        parse_file(Record, ID, "record.json", b'{"reason": "hunter2"}')
    assert "hunter2" not in error.value.what


@pytest.mark.parametrize(
    ("names", "state"),
    [
        ((), "planned"),
        (("plan.json",), "planned"),
        (("plan.json", "approval.json"), "approved"),
        (("plan.json", "approval.json", "start-1.json", "events-1.jsonl"), "running"),
        (("plan.json", "record.json", "page.md"), "ended"),
        (("start-12.json",), "running"),
    ],
)
def test_how_far_a_change_came(names: tuple[str, ...], state: str) -> None:
    assert state_of(names) == state


def test_paths_of_changes() -> None:
    assert split_path(f"{change_folder(ID)}/start-2.json") == (ID, "start-2.json")
    for bad in ("start-0.json", "start-01.json", "events-1.json", "PLAN.json", "page.md.md", "", "../plan.json"):
        assert split_path(f"{change_folder(ID)}/{bad}") is None


def test_schemas_are_those_that_are_published() -> None:
    published = {path.name: path.read_text(encoding="utf-8") for path in schema.FOLDER.glob("*.json")}
    assert published == schema.schemas(), "python -m ops.logbook.schema writes them"


def operators(*entries: dict[str, Any]) -> Operators:
    return Operators.parse(entries, Path("inventory/none"))


def person(number: int = 0, name: str = "anna", **key: str) -> dict[str, Any]:
    return {"name": name, "office": "administration", "keys": [{"public": KEYS[number], **key}]}


def test_allowed_signers_have_validity_in_utc() -> None:
    signers = operators(person(valid_from="2026-01-01", valid_until="2026-12-31"), person(1, "bert")).allowed_signers()
    assert signers == (
        f'anna namespaces="git",valid-after="20260101000000Z",valid-before="20261231235959Z" {KEYS[0]}\n'
        f'bert namespaces="git" {KEYS[1]}\n'
    )


def test_who_signs_nothing_stands_not_in_allowed_signers() -> None:
    carl = {**person(1, "carl"), "office": "clearing"}
    both = operators(person(), carl)
    assert (both.may_change("anna"), both.may_change("carl"), both.may_change("dora")) == (True, False, False)
    assert "carl" not in both.allowed_signers()
    with pytest.raises(BadInput, match="no operator may sign"):
        operators(carl).allowed_signers()


def test_who_has_left_signs_nothing_new_and_what_was_signed_stays_good() -> None:
    left = {**person(valid_until="2026-06-30"), "state": "absent"}
    both = operators(left, person(1, "bert"))
    assert (both.names(), both.may_change("anna")) == (("bert",), False)
    assert 'anna namespaces="git",valid-before="20260630235959Z"' in both.allowed_signers()
    with pytest.raises(BadInput, match="has no end"):
        operators({**person(), "state": "absent"})


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([person(), {**person(1), "office": "clearing"}], "stands twice"),
        ([person(), person(0, "bert")], "the key SHA256:"),
        ([{**person(), "office": "admin"}], "office"),
        ([{**person(), "keys": []}], "keys"),
        ([{**person(), "colour": "red"}], "colour"),
        ([person(name="Anna")], "name"),
        ([person(name="a b")], "name"),
        ([{**person(), "keys": [{"public": "ssh-ed25519 AAAA"}]}], "type and its content differ|no OpenSSH"),
        (
            [{**person(), "keys": [{"public": KEYS[0].replace("ssh-ed25519", "ssh-rsa")}]}],
            "type and its content differ",
        ),
        ([{**person(), "keys": [{"public": KEYS[0] + "\n" + KEYS[1]}]}], "no OpenSSH public key"),
        ([{**person(), "keys": [{"public": f'command="sh" {KEYS[0]}'}]}], "no OpenSSH public key"),
        ([{**person(), "keys": [{"file": "gone.pub"}]}], "gone.pub"),
        ([{**person(), "keys": [{"public": KEYS[0], "valid_until": "soon"}]}], "neither a day"),
        ([{**person(), "keys": [{"public": KEYS[0], "valid_until": "2026-11-28T14:05:00+01:00"}]}], "in quotes"),
        ([{**person(), "keys": [{"public": KEYS[0], "valid_until": "2026-02-31"}]}], "valid_until"),
        (["anna"], "anna"),
        ([{"office": "administration"}], "without a name"),
    ],
)
def test_operators_that_cannot_be_meant_are_refused(entries: list[Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        operators(*entries)


@given(st.text())
def test_no_text_but_a_key_is_a_key(text: str) -> None:
    with pytest.raises(BadInput):
        operators({**person(), "keys": [{"public": text}]})


def test_fingerprints_are_those_of_openssh(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEYS[0] + "\n")
    said = subprocess.run(
        ["ssh-keygen", "-lf", str(tmp_path / "key")], capture_output=True, text=True, check=True
    ).stdout
    assert operators(person()).all[0].keys[0].fingerprint == said.split()[1]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
def test_openssh_counts_days_in_utc_whatever_the_zone(tmp_path: Path, zone: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    entry = {**person(), "keys": [{"file": "key.pub", "valid_from": "2026-01-01", "valid_until": "2026-12-31"}]}
    (tmp_path / "signers").write_text(Operators.parse([entry], tmp_path).allowed_signers())
    (tmp_path / "text").write_text("x")
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", "key", "text"], cwd=tmp_path, check=True)
    good = []
    for moment in ("20251231235959Z", "20260101000000Z", "20261231235959Z", "20270101000000Z"):
        command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "anna", "-n", "git", "-s", "text.sig"]
        done = subprocess.run(
            [*command, f"-Overify-time={moment}"],
            cwd=tmp_path,
            input=b"x",
            env={"TZ": zone},
            check=False,
            capture_output=True,
        )
        good.append(done.returncode == 0)
    assert good == [False, True, True, False]


def test_a_key_that_is_withdrawn_counts_to_the_second() -> None:
    key = operators(person(valid_from="2026-11-28T00:00:00Z", valid_until="2026-11-28T14:05:00Z")).all[0].keys[0]
    moments = (datetime(2026, 11, 27, 23, 59, 59, 9, UTC), datetime(2026, 11, 28, tzinfo=UTC))
    assert [key.valid_at(moment) for moment in moments] == [False, True]
    moments = (datetime(2026, 11, 28, 14, 5, 0, 999_999, UTC), datetime(2026, 11, 28, 14, 5, 1, tzinfo=UTC))
    assert [key.valid_at(moment) for moment in moments] == [True, False]


def test_the_role_writes_the_same_allowed_signers() -> None:
    entries = [
        person(valid_from="2026-01-01", valid_until="2026-12-31"),
        person(3, "dora", valid_from="2026-11-25T08:00:00Z", valid_until="2026-11-25T11:59:59Z"),
        {**person(1, "bert", valid_until="2026-06-30"), "state": "absent"},
        {**person(2, "carl"), "office": "clearing"},
    ]
    lines = logbook_keys(entries, "", "2026-11-25T12:00:00Z", "shell {name} /srv")
    assert "".join(f"{line}\n" for line in lines["allowed_signers"]) == operators(*entries).allowed_signers()
    assert lines["authorized_keys"] == [
        f'restrict,expiry-time="20261231235959Z",command="shell anna /srv" {KEYS[0]} anna'
    ]
    assert logbook_keys(entries, "", "2027-01-01T00:00:00Z", "x")["authorized_keys"] == []


def test_receipts() -> None:
    line = f"2026-11-25T23:00:00Z anna {'0' * 40} {'a' * 40}"
    [receipt] = parse_receipts(line + "\n")
    assert (receipt.time, receipt.by, receipt.new) == (NOW, "anna", "a" * 40)
    assert list(judge_text(f"{line}\n", f"{line}\n")) == []
    assert [one.rule for one in judge_text("nonsense\n", "")] == ["receipt"]
    assert [one.rule for one in judge_text("", f"{line}\n")] == ["receipt"]
