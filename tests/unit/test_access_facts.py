"""What the module reads on a host: keys, states of passwords, rules of sudo, by texts as programs print them."""

import importlib
import importlib.util
import json
import pwd
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import ansible.module_utils
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.access.facts import HostAccess
from ops.logbook.operators import Key
from tests.unit.runbook_world import KEY, OTHER, ROOT

NOW = 1_795_000_000.0  # 2026-11-18
DAY = int(NOW // 86400)
SSHD = "port 22\npubkeyauthentication yes\nauthorizedkeysfile {files}\nauthorizedkeyscommand {program}\ntrustedusercakeys none"


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """The module as it runs on a host."""
    folder = str(ROOT / "playbooks/module_utils")
    if folder not in ansible.module_utils.__path__:
        ansible.module_utils.__path__.append(folder)
    spec = importlib.util.spec_from_file_location("access_facts", ROOT / "playbooks/library/access_facts.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def key(text: str, **changes: Any) -> dict[str, Any]:
    fields = {"program": "", "restricted": False, "authority": False, **changes}
    return {"fingerprint": Key(public=text).fingerprint, **fields}


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (f"{KEY} anna@example.org", [key(KEY)]),
        (f"  {KEY}  ", [key(KEY)]),
        ("# a comment", []),
        ("", []),
        ("ssh-ed25519 no-base64", []),
        ("no options and no key", []),
        (f'from="10.0.0.0/8,::1",no-pty {KEY} x', [key(KEY)]),
        (f'restrict,command="/usr/bin/a b \\"c\\"" {KEY}', [key(KEY, program="/usr/bin/a", restricted=True)]),
        (f'command="TOKEN=secret /bin/x" {KEY}', [key(KEY, program="another command")]),
        (f"cert-authority {KEY}", [key(KEY, authority=True)]),
        (f'expiry-time="20261101" {KEY}', []),
        (f'expiry-time="20261117235959Z" {KEY}', []),
        (f'expiry-time="20271231235959Z" {KEY}', [key(KEY)]),
        (f'environment="A=ssh-rsa x",restrict {KEY}', [key(KEY, restricted=True)]),
    ],
)
def test_a_line_of_authorized_keys_lets_in(module: ModuleType, line: str, known: list[dict[str, Any]]) -> None:
    assert list(module.access.keys(f"{line}\n{OTHER}\n", NOW)) == [*known, key(OTHER)]


@given(st.text(max_size=80))
def test_no_line_stops_the_reading_or_is_told_whole(module: ModuleType, text: str) -> None:
    told = list(module.access.keys(f"{text}\n{KEY} comment-of-somebody\n", NOW))
    assert key(KEY) in told
    assert "comment-of-somebody" not in json.dumps(told)


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("a:$y$hash:20000:0:99999:7:::", ("set", False)),
        ("a:!$y$hash:20000:0:99999:7:::", ("locked", False)),
        ("a:*:20000:0:99999:7:::", ("locked", False)),
        ("a::20000:0:99999:7:::", ("none", False)),
        (f"a:!:20000:0:99999:7::{DAY}:", ("locked", True)),
        (f"a:!:20000:0:99999:7::{DAY + 1}:", ("locked", False)),
    ],
)
def test_the_state_of_a_password(module: ModuleType, line: str, state: tuple[str, bool]) -> None:
    assert module.access.passwords(f"broken\n{line}\n", NOW) == {"a": state}


@pytest.mark.parametrize(
    ("files", "paths"),
    [
        (".ssh/authorized_keys", ["/home/a/.ssh/authorized_keys"]),
        (
            ".ssh/authorized_keys .ssh/authorized_keys2",
            ["/home/a/.ssh/authorized_keys", "/home/a/.ssh/authorized_keys2"],
        ),
        ("/etc/keys/%u %h/k %U%%", ["/etc/keys/a", "/home/a/k", "/home/a/1000%"]),
        ("none", []),
    ],
)
def test_where_sshd_looks(module: ModuleType, files: str, paths: list[str]) -> None:
    assert module.access.key_files(SSHD.format(files=files, program="none"), "a", 1000, "/home/a") == paths


def test_no_key_counts_where_sshd_takes_none(module: ModuleType) -> None:
    assert module.access.key_files("pubkeyauthentication no\nauthorizedkeysfile x", "a", 1, "/") == []


SUDOERS = {
    "User_Specs": [
        {
            "User_List": [{"username": "anna"}],
            "Host_List": [{"hostname": "ALL"}],
            "Cmnd_Specs": [
                {
                    "runasusers": [{"username": "ALL"}],
                    "runasgroups": [{"usergroup": "ALL"}],
                    "Options": [{"authenticate": False}, {"setenv": True}],
                    "Commands": [{"command": "ALL"}],
                }
            ],
        },
        {
            "User_List": [{"usergroup": "wheel"}, {"username": "eve", "negated": True}, {"userid": 33}],
            "Host_List": [{"hostname": "h1"}],
            "Cmnd_Specs": [
                {"Commands": [{"command": "/bin/a b"}, {"command": "/bin/sh", "negated": True}]},
                {"runasgroups": [{"usergroup": "adm"}], "Commands": [{"command": "sudoedit /etc/x"}]},
            ],
        },
    ]
}
"""As cvtsudoers -e -f json of sudo 1.9.13 prints it."""


def test_the_rules_of_sudo(module: ModuleType) -> None:
    told = [tuple(one.values()) for one in module.access.rules(SUDOERS, lambda kind, name: [f"{kind} {name}"])]
    assert told == [
        ("anna", ["username anna"], ["ALL"], ["ALL"], ["ALL"], False),
        ("%wheel", ["usergroup wheel"], ["root"], [], ["/bin/a b", "!/bin/sh"], True),
        ("%wheel", ["usergroup wheel"], [], ["adm"], ["sudoedit /etc/x"], True),
        ("#33", ["userid 33"], ["root"], [], ["/bin/a b", "!/bin/sh"], True),
        ("#33", ["userid 33"], [], ["adm"], ["sudoedit /etc/x"], True),
    ]


def person(name: str, uid: int, shell: str, home: Path) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", uid, uid, "", str(home), shell))


@pytest.fixture
def planted(module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A host with four accounts: one with a shell, one with a key only, one by sudo only, one that nobody can use."""
    people = [
        person("anna", 1000, "/bin/bash", tmp_path / "anna"),
        person("keyed", 101, "/usr/sbin/nologin", tmp_path / "keyed"),
        person("ruled", 102, "/bin/false", tmp_path / "ruled"),
        person("www", 33, "/usr/sbin/nologin", tmp_path / "www"),
    ]
    (tmp_path / "keyed/.ssh").mkdir(parents=True)
    (tmp_path / "keyed/.ssh/authorized_keys").write_text(f"{KEY} somebody\n")
    (tmp_path / "shadow").write_text("anna:$y$hash:1::::::\nkeyed:!:1::::::\nruled:*:1::::::\nwww:*:1::::::\n")
    (tmp_path / "sudoers").touch()
    sudoers = {"User_Specs": [{**SUDOERS["User_Specs"][0], "User_List": [{"usergroup": "wheel"}]}]}
    answers = {
        module.SSHD: SSHD.format(files=".ssh/authorized_keys", program="none"),
        "cvtsudoers": json.dumps(sudoers),
        "runuser": json.dumps([{"name": "postgres", "login": True}]),
    }
    host = SimpleNamespace(answers=answers, path=tmp_path)
    monkeypatch.setattr(module.state, "run", lambda argv: SimpleNamespace(
        returncode=0 if answers[argv[0]] else 1, stdout=answers[argv[0]], stderr="no\nanswer"
    ))  # fmt: skip
    monkeypatch.setattr(module.pwd, "getpwall", lambda: people)
    monkeypatch.setattr(module.grp, "getgrall", lambda: [SimpleNamespace(gr_name="wheel", gr_gid=102, gr_mem=["anna"])])
    for name, place in (("SHADOW", "shadow"), ("SUDOERS", "sudoers"), ("CLUSTERS", "postgresql")):
        monkeypatch.setattr(module, name, tmp_path / place)
    return host


def test_a_host_is_told_without_a_secret(module: ModuleType, planted: SimpleNamespace) -> None:
    (planted.path / "postgresql/17/main").mkdir(parents=True)
    (planted.path / "postgresql/17/main/postgresql.conf").touch()
    told = module.look([["monitoring", "LOGIN", ["pg_monitor"]]])
    seen = HostAccess.model_validate(told)
    assert [(one.name, one.shell, one.password, len(one.keys)) for one in seen.accounts] == [
        ("anna", True, "set", 0),
        ("keyed", False, "locked", 1),
        ("ruled", False, "locked", 0),
    ]
    assert [(one.who, one.accounts) for one in seen.sudo] == [("%wheel", ("anna", "ruled"))]
    assert [(one.cluster, one.roles[0].name) for one in seen.databases] == [("17/main", "postgres")]
    assert (seen.wanted[0].member_of, seen.unknown) == (("pg_monitor",), {})
    assert "hash" not in json.dumps(told)
    assert "somebody" not in json.dumps(told)


@pytest.mark.parametrize(
    ("program", "answer", "unknown"),
    [
        ("cvtsudoers", "", {"sudo": "OSError: cvtsudoers: no answer"}),
        ("sshd", "", {"accounts": "OSError: sshd -T: no answer"}),
        (
            "sshd",
            SSHD.format(files="none", program="/usr/bin/ask"),
            {"accounts": "OSError: sshd asks for keys by authorizedkeyscommand, too"},
        ),
    ],
)
def test_a_part_that_cannot_be_read_is_told(
    module: ModuleType, planted: SimpleNamespace, program: str, answer: str, unknown: dict[str, str]
) -> None:
    planted.answers[module.SSHD if program == "sshd" else program] = answer
    assert module.look([])["unknown"] == unknown


def test_a_host_without_sudo_has_no_rule(module: ModuleType, planted: SimpleNamespace) -> None:
    (planted.path / "sudoers").unlink()
    assert module.look([])["sudo"] == []
