"""What the callback of check runs shows of a task, and what it never shows."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECRET = "hunter2"
COPY = "ansible.builtin.copy"


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "bordbuch_check", ROOT / "playbooks/callback_plugins/bordbuch_check.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def result(before: Any = "old", after: Any = SECRET, **more: Any) -> dict[str, Any]:
    return {"changed": True, "diff": [{"before": before, "after": after}], **more}


def only(check: ModuleType, found: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    (entry,) = check.changes(found, COPY, {"dest": "/etc/x.conf", **arguments})
    return dict(entry)


def test_a_file_that_everybody_may_read_is_shown(check: ModuleType) -> None:
    entry = only(check, result("a\nb\nc\n", "a\nB\nc\n"), mode="0644")
    assert entry == {"what": ["/etc/x.conf"], "diff": ["-b", "+B"], "hidden": ""}


@pytest.mark.parametrize("mode", ["0600", "0640", "640", "u=rw,go=r", "{{ mode }}", "preserve", None])
def test_a_file_that_not_everybody_may_read_is_not_shown(check: ModuleType, mode: str | None) -> None:
    entry = only(check, result(), mode=mode)
    assert entry["diff"] == []
    assert entry["hidden"] == "not everybody on the host may read it"


def test_a_file_that_was_not_for_everybody_before_is_not_shown(check: ModuleType) -> None:
    assert only(check, result(mode="0600"), mode="0644")["diff"] == []


@pytest.mark.parametrize(
    "path", ["/etc/ssl/private/x.pem", "/etc/x/host.key", "/root/.pgpass", "/etc/db-password", "/root/.ssh/config"]
)
def test_what_lies_where_secrets_do_is_not_shown(check: ModuleType, path: str) -> None:
    entry = only(check, result(), dest=path, mode="0644")
    assert (entry["diff"], entry["hidden"]) == ([], "it lies where secrets do")


def test_public_keys_are_no_secret(check: ModuleType) -> None:
    entry = only(check, result("# keys", "# keys\nssh-ed25519 A"), dest="/etc/ssh/.ssh/authorized_keys", mode="0644")
    assert entry["diff"] == ["+ssh-ed25519 A"]


def test_a_task_with_no_log_is_not_shown(check: ModuleType) -> None:
    censored = {"censored": "hidden", "changed": True, "_ansible_no_log": True}
    assert only(check, censored, mode="0644") == {
        "what": ["/etc/x.conf"],
        "diff": [],
        "hidden": "the task hides what it does",
    }


def test_each_item_of_a_loop_is_an_entry(check: ModuleType) -> None:
    items = [
        {**result("", "one\ntwo"), "dest": "/etc/one"},
        {"changed": False, "dest": "/etc/two"},
        {"changed": True, "_ansible_no_log": True, "censored": "hidden"},
    ]
    entries = check.changes({"changed": True, "results": items}, COPY, {"mode": "0644", "dest": "{{ item }}"})
    assert [(entry["what"], entry["diff"]) for entry in entries] == [(["/etc/one"], ["new, 2 lines"]), ([], [])]


def test_a_change_of_mode_or_owner_is_shown(check: ModuleType) -> None:
    found = result({"mode": "0644", "path": "/etc/key"}, {"mode": "0600", "path": "/etc/key"}, path="/etc/key")
    (entry,) = check.changes(found, "ansible.builtin.file", {})
    assert entry == {"what": ["/etc/key"], "diff": ["mode: 0644 → 0600"], "hidden": ""}


def test_a_new_file_is_said_to_be_one_and_never_shown(check: ModuleType) -> None:
    assert only(check, result("", f"{SECRET}\n"), mode="0644")["diff"] == ["new, 1 lines"]
    assert only(check, result("", f"{SECRET}\n"), mode="0600")["diff"] == ["new, 1 lines"]
    folder = result({"state": "absent"}, {"state": "directory", "mode": "0755"}, path="/etc/x")
    assert check.changes(folder, "ansible.builtin.file", {})[0]["diff"] == []


def test_data_of_other_modules_is_not_shown(check: ModuleType) -> None:
    (entry,) = check.changes(result({"a": "x"}, {"a": SECRET}), "community.postgresql.postgresql_user", {"name": "lf"})
    assert SECRET not in str(entry)
    assert entry["what"] == ["lf"]


def test_packages_are_named(check: ModuleType) -> None:
    found = {"changed": True, "invocation": {"module_args": {"name": ["git", "jq"]}}, "diff": {"prepared": "text"}}
    assert check.changes(found, "ansible.builtin.apt", {"name": "{{ packages }}"})[0]["what"] == ["git", "jq"]


def test_what_cannot_be_described_is_a_change_none_the_less(check: ModuleType) -> None:
    found = {"changed": True, "diff": [{"before": "", "after": "x"}], "invocation": "no such thing"}
    task = SimpleNamespace(action=COPY)
    (entry,) = check.described(SimpleNamespace(result=found, task=task, task_fields={"args": None}))["changes"]
    assert entry["hidden"] == "it cannot be described (AttributeError)"


def test_a_long_difference_is_shortened(check: ModuleType) -> None:
    entry = only(check, result("0", "\n".join(map(str, range(101)))), mode="0644")
    assert len(entry["diff"]) == check.LINES + 1
    assert entry["diff"][-1] == f"… {100 - check.LINES} more lines"


def test_a_failure_is_said_in_its_own_words_unless_hidden(check: ModuleType) -> None:
    assert check.complaint({"msg": "non-zero return code", "stderr": "no such\nuser"}) == (
        "non-zero return code no such user"
    )
    assert check.complaint({"results": [{"msg": "fine"}, {"failed": True, "msg": "bad"}]}) == "bad"
    assert SECRET not in check.complaint({"msg": SECRET, "censored": "hidden"})
    assert len(check.complaint({"msg": "x" * 1000})) < 500
