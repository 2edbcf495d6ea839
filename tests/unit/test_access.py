"""Who may do what: the comparison, its record, and what pages and requirements make of it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ops.access import outcome
from ops.access.expected import DEBIANS, LOGBOOK, LOGBOOK_SHELL, READER, SUPERUSER, Expected, expected
from ops.access.facts import HostAccess
from ops.access.judge import LAB, PARTS, judge
from ops.logbook.model import Event, Record
from ops.logbook.operators import Key, Operators
from ops.runbook.site import Job, build
from ops.runbook.views.organisation import CHECKS
from tests.unit.factories import NOW
from tests.unit.runbook_world import KEY, OTHER, ROOT, Maker, hosts, inventory, logbook, operators

ANNA, BERT = Key(public=KEY).fingerprint, Key(public=OTHER).fingerprint
LABS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILL7/6OvmfeQhfdIgd95jbS35Gnscj2MPQf5gq+8fPDg"
STRANGE = "SHA256:strange"
ALL = {"as_users": ("ALL",), "as_groups": ("ALL",), "commands": ("ALL",)}
WANTED = expected(operators(), NOW)
ON_LOGBOOK = expected(operators(), NOW, keeps_logbook=True, lab_key=LABS)


def account(name: str, *keys: str, **changes: Any) -> dict[str, Any]:
    known = [{"fingerprint": one} for one in keys]
    return {"name": name, "uid": 1000, "shell": True, "password": "locked", "keys": known, **changes}


def rule(who: str, *accounts: str, **changes: Any) -> dict[str, Any]:
    return {"who": who, "accounts": accounts or ((who,) if who[0] != "%" else ()), "password": False, **ALL, **changes}


ACCOUNTS = (account("root", uid=0), account("sync"), account("postgres"), account("anna", ANNA), account("bert", BERT))
RULES = (rule("root", password=True), rule("%sudo", password=True), rule("anna"), rule("bert"))
MONITORING = {"name": "monitoring", "login": True, "member_of": ("pg_monitor",)}
GIVEN = {"name": "monitoring", "attributes": "LOGIN,NOSUPERUSER", "member_of": ("pg_monitor",)}
ROLES = (SUPERUSER.model_dump(), READER.model_dump(), MONITORING)


def seen(**changes: Any) -> HostAccess:
    server = {"cluster": "17/main", "roles": changes.pop("roles", ROLES)}
    fields = {"accounts": ACCOUNTS, "sudo": RULES, "databases": [server], "wanted": [GIVEN], **changes}
    return HostAccess.model_validate(fields)


def found(answer: HostAccess, wanted: Expected = WANTED) -> dict[str, str]:
    return {check.name: check.detail for check in judge(answer, wanted) if not check.passed}


def test_a_host_as_configured_has_no_difference_and_says_what_was_compared() -> None:
    checks = judge(seen(), WANTED)
    assert [check.name for check in checks] == [*PARTS]
    assert all(check.passed and check.detail for check in checks)


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        (account("mallory"), "account mallory has a shell and is no operator's"),
        (account("clara"), "account clara has a shell and is of office clearing, which has no account on hosts"),
        (account("toor", uid=0), "account toor has the number of root, and is root by that"),
    ],
)
def test_an_account_that_nobody_configured_is_named(planted: dict[str, Any], sentence: str) -> None:
    assert found(seen(accounts=(*ACCOUNTS, planted))) == {"accounts": sentence}


def test_an_account_that_has_expired_or_has_no_shell_lets_nobody_in() -> None:
    assert found(seen(accounts=(*ACCOUNTS, account("old", expired=True), account("www", shell=False)))) == {}
    changed = (*ACCOUNTS[:3], account("anna", ANNA, expired=True), account("bert", BERT, shell=False))
    assert found(seen(accounts=changed)) == {
        "accounts": "account anna has expired: nobody can log in to it; account bert has no shell: nobody can log in to it"
    }


def test_an_operator_without_account_or_rule_is_a_difference() -> None:
    assert found(seen(accounts=ACCOUNTS[:4], sudo=RULES[:3])) == {
        "accounts": "account bert is missing",
        "sudo": "operator bert may not become root by sudo without a password",
    }


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        (
            account("www", STRANGE, shell=False),
            f"account www accepts the key {STRANGE}, which nothing configured gives it",
        ),
        (
            account("root", BERT, uid=0),
            f"account root accepts the key {BERT} (bert's), which nothing configured gives it",
        ),
        (
            account("root", uid=0, keys=[{"fingerprint": STRANGE, "authority": True}]),
            f"account root accepts every key that {STRANGE} has signed",
        ),
        (
            account("anna", keys=[{"fingerprint": ANNA, "program": "/bin/sh"}]),
            f"account anna lets the key {ANNA} (anna's) start /bin/sh only",
        ),
    ],
)
def test_a_key_that_nothing_gives_is_named(planted: dict[str, Any], sentence: str) -> None:
    rest = [one for one in ACCOUNTS if one["name"] != planted["name"]]
    assert found(seen(accounts=(*rest, planted))) == {"keys": sentence}


def test_a_key_that_counts_and_is_not_there_is_named() -> None:
    changed = (*ACCOUNTS[:4], account("bert"))
    sentence = f"account bert does not accept the key {BERT} (bert's), which counts"
    assert found(seen(accounts=changed)) == {"keys": sentence}


def test_the_logbook_is_reached_by_its_one_program_only() -> None:
    bound = {"program": LOGBOOK_SHELL, "restricted": True}
    keys = [{"fingerprint": one, **bound} for one in (ANNA, BERT)]
    assert found(seen(accounts=(*ACCOUNTS, account(LOGBOOK, keys=keys))), ON_LOGBOOK) == {}
    loose = [keys[0], {**keys[1], "restricted": False}]
    said = found(seen(accounts=(*ACCOUNTS, account(LOGBOOK, keys=loose))), ON_LOGBOOK)
    assert said == {
        "keys": f"account logbook lets the key {BERT} (bert's) start {LOGBOOK_SHELL} without restrictions, "
        f"not {LOGBOOK_SHELL} alone"
    }
    assert found(seen(accounts=(*ACCOUNTS, account(LOGBOOK, keys=keys))))["accounts"].startswith(
        "account logbook has a"
    )


def test_the_labs_own_access_is_named_and_not_hidden() -> None:
    labs = Key(public=LABS).fingerprint
    changed = (account("root", labs, uid=0), *ACCOUNTS[1:])
    known = expected(operators(), NOW, lab_key=LABS)
    assert found(seen(accounts=changed), known) == {}
    assert [check.detail for check in judge(seen(accounts=changed), known) if check.name == LAB] == [
        f"account root accepts {labs}, the key by which a lab reaches its own hosts"
    ]
    assert "keys" in found(seen(accounts=changed)), "elsewhere it is a key like any other"


@pytest.mark.parametrize(
    ("state", "sentence"),
    [("set", "account anna has a password, and no role sets one"), ("none", "account anna needs no password")],
)
def test_a_password_is_a_difference(state: str, sentence: str) -> None:
    changed = [account("anna", ANNA, password=state) if one["name"] == "anna" else one for one in ACCOUNTS]
    assert found(seen(accounts=changed)) == {"passwords": sentence}


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        (rule("mallory"), "account mallory may run ALL as anybody by sudo and is no operator's"),
        (
            rule("%sudo", "anna", "clara"),
            "account clara may run ALL as anybody by sudo (rule for %sudo) "
            "and is of office clearing, which has no account on hosts",
        ),
        (rule("%wheel"), "%wheel may run ALL as anybody by sudo, and no role gives that"),
        (rule("ALL", commands=("/bin/ls",), as_users=("root",)), "everybody of ALL may run /bin/ls as root by sudo"),
        (
            rule("#33", "www", as_users=(), as_groups=("adm",), commands=("/a", "!/b")),
            "account www may run /a, !/b as group adm by sudo (rule for #33) and is no operator's",
        ),
    ],
)
def test_a_rule_that_nothing_gives_is_named(planted: dict[str, Any], sentence: str) -> None:
    assert found(seen(sudo=(*RULES, planted))) == {"sudo": sentence}


def test_a_rule_that_gives_an_operator_no_more_is_none() -> None:
    assert found(seen(sudo=(*RULES, rule("%sudo", "anna")))) == {}


@pytest.mark.parametrize(
    ("roles", "sentence"),
    [
        (
            (*ROLES, {"name": "eve", "login": True, "superuser": True}),
            "eve of 17/main is there with login, superuser, and neither inventory nor roles make it",
        ),
        (ROLES[:2], "monitoring of 17/main is missing"),
        (
            (*ROLES[:2], {**MONITORING, "createdb": True}),
            "monitoring of 17/main has createdb, which the configuration does not give it",
        ),
        (
            (*ROLES[:2], {**MONITORING, "login": False}),
            "monitoring of 17/main lacks login, which the configuration gives it",
        ),
        (
            (*ROLES[:2], {**MONITORING, "member_of": ()}),
            "monitoring of 17/main is not a member of pg_monitor, which the configuration says",
        ),
    ],
)
def test_a_database_role_that_differs_is_named(roles: tuple[dict[str, Any], ...], sentence: str) -> None:
    assert found(seen(roles=roles)) == {"database roles": f"database role {sentence}"}


def test_what_could_not_be_read_is_no_match() -> None:
    assert found(seen(unknown={"accounts": "OSError: x"})) == dict.fromkeys(
        ("accounts", "keys", "passwords"), "could not be read: OSError: x"
    )


def test_keys_count_from_their_first_day_to_their_last() -> None:
    entry = {"name": "anna", "office": "administration", "keys": [{"public": KEY, "valid_until": "2026-12-31"}]}
    people = Operators.parse([entry], ROOT)
    assert expected(people, datetime(2026, 12, 31, 23, tzinfo=UTC)).keys == {"anna": {ANNA}}
    gone = expected(people, datetime(2027, 1, 1, tzinfo=UTC))
    assert (gone.keys, dict(gone.others)) == ({}, {"anna": "has no key that counts"})


@given(st.text(min_size=1, max_size=40))
def test_whatever_a_host_calls_something_is_one_difference_in_one_line(name: str) -> None:
    checks = judge(seen(accounts=(*ACCOUNTS, account(name))), WANTED)
    lines = [line for check in checks for line in outcome.differences(check)]
    assert len(lines) == (name not in (*WANTED.accounts, *DEBIANS))
    assert all("\n" not in line for line in lines)


def event(host: str, status: str = "ok", **data: Any) -> Event:
    return Event(time=NOW, type="result", action=outcome.MODULE, host=host, status=status, data=data)


def test_the_record_says_how_each_host_compares() -> None:
    answer = seen().model_dump(mode="json")
    events = (
        event("app1", **answer),
        event("db1", "unreachable"),
        event("web1", accounts=7),
        Event(time=NOW, type="end"),
    )
    told = outcome.fields(
        events, ("app1", "db1", "web1", "gone"), dict.fromkeys(("app1", "db1", "web1", "gone"), WANTED)
    )
    states = {host: (one.state, one.reason) for host, one in told["hosts"].items()}
    assert states == {
        "app1": ("verified", ""),
        "db1": ("unreachable", "did not answer: nothing of it was compared"),
        "web1": ("failed", "its answer cannot be read: nothing of it was compared"),
        "gone": ("unreachable", "did not answer: nothing of it was compared"),
    }
    assert (told["kind"], told["outcome"], told["detail"]) == (
        "access",
        "failed",
        "no difference on 1 hosts, 3 not compared",
    )


@pytest.mark.parametrize(("planted", "ended"), [((), "verified"), ((account("mallory"), account("eve")), "failed")])
def test_the_outcome_is_verified_without_a_difference_only(planted: tuple[Any, ...], ended: str) -> None:
    answer = seen(accounts=(*ACCOUNTS, *planted)).model_dump(mode="json")
    events = (event("app1", **answer), Event(time=NOW, type="end"))
    told = outcome.fields(events, ("app1",), {"app1": WANTED})
    assert told["outcome"] == ended
    assert outcome.fields(events[:1], ("app1",), {"app1": WANTED})["outcome"] == "interrupted"
    known = {"id": "2026-11-25-2300-k7xq", "category": "standard", "reason": "x", "digest": None, "requester": "anna"}
    record = Record(**known, operator="anna", controller="x", started=NOW, ended=NOW, **told)
    assert [row[2] for row in outcome.rows(record)] == [
        f"account {one['name']} has a shell and is no operator's" for one in planted
    ]


def of_role(name: str, file: str) -> Any:
    return yaml.safe_load((ROOT / "roles" / name / file).read_text(encoding="utf-8"))


def test_what_is_expected_is_what_the_roles_make() -> None:
    given_by = of_role("logbook", "vars/main.yml")
    assert (given_by["__logbook_user"], given_by["__logbook_shell"]) == (LOGBOOK, LOGBOOK_SHELL)
    sql = (ROOT / "roles/backup/files/watch.sql").read_text(encoding="utf-8")
    assert f"CREATE ROLE {READER.name} NOLOGIN" in sql
    assert f"GRANT {READER.member_of[0]} TO {READER.name}" in sql
    base = (ROOT / "roles/base/tasks/operators.yml").read_text(encoding="utf-8")
    assert "{{ account.name }} ALL=(ALL:ALL) NOPASSWD: ALL" in base


def test_no_role_makes_another_account_with_a_shell_or_a_rule_of_sudo() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in ROOT.glob("roles/*/tasks/*.yml")}
    shells = {
        (path.parts[-3], shell)
        for path, text in texts.items()
        for shell in re.findall(r"^\s+shell: (/\S+)", text, re.MULTILINE)
        if not shell.endswith("nologin")
    }
    assert shells == {("base", "/bin/bash"), ("logbook", "/bin/sh")}
    assert [path.parts[-3] for path, text in texts.items() if "sudoers" in text] == ["base"]


def site_with(folder: Path, days: int, *comparisons: dict[str, Any]) -> dict[str, str]:
    """Return the pages of a logbook that holds *comparisons*, *days* after the first."""
    maker = Maker(hosts(3), NOW, timedelta(hours=1))
    changes = []
    for planted in comparisons:
        answers = [event(host, **seen(**planted).model_dump(mode="json")) for host in ("app1", "db1")]
        events = (*answers, event("backup1", "unreachable"), Event(time=NOW, type="end"))
        told = outcome.fields(events, hosts(3), dict.fromkeys(hosts(3), WANTED))
        told.pop("kind")
        changes.append(maker.access(**told))
        maker.now += timedelta(hours=1)
    book = logbook(folder / "book", changes)
    build(Job(folder / "site", ROOT, book, inventory(), operators(), now=NOW + timedelta(days=days)))
    return {name: (folder / "site" / name).read_text(encoding="utf-8") for name in ("duties.html", "requirements.html")}


def test_the_page_shows_the_newest_comparison_of_each_host(tmp_path: Path) -> None:
    pages = site_with(tmp_path, 2, {"accounts": (*ACCOUNTS, account("mallory"))}, {"sudo": (*RULES, rule("eve"))})
    page = pages["duties.html"]
    assert "account eve may run ALL as anybody by sudo and is no operator&#39;s" in page
    assert "mallory" not in page, "the newest counts"
    assert "did not answer: nothing of it was compared" in page
    assert "older than 31 days" not in page
    assert page.count(">differs<") == 2
    assert "its access rights differ from what is configured" in pages["requirements.html"]
    assert "its access rights could not be compared" in pages["requirements.html"]


def test_an_old_comparison_is_marked_and_is_no_evidence(tmp_path: Path) -> None:
    pages = site_with(tmp_path, 40, {})
    assert "older than 31 days" in pages["duties.html"]
    assert "its access rights were compared more than 31 days ago" in pages["requirements.html"]


def test_without_a_comparison_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    pages = site_with(tmp_path, 1)
    assert "invoke access compares them on every host" in pages["duties.html"]
    assert pages["requirements.html"].count("its access rights were never compared") == 6


def test_the_page_has_words_for_every_check() -> None:
    assert {*CHECKS} == {*PARTS, LAB}
