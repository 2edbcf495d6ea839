"""The clone: one signed commit an addition, nothing half done, two laptops, a server that is away."""

import fcntl
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.errors import BadInput, Failed, Refused
from ops.logbook.repository import Logbook, Signer
from tests.unit.logbook_world import ID, World, change, file_bytes, path, record_change, run

OTHER = "2026-11-25-2301-aaaa"
THIRD = "2026-11-25-2302-bbbb"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def plan(identifier: str = ID) -> dict[str, bytes]:
    return {path("plan.json", identifier): file_bytes(change(identifier)["plan.json"])}


def test_plain_git_says_good_and_names_the_operator(world: World) -> None:
    world.clone().add(plan(), f"{ID}: plan, 2 hosts, 2 packages")
    shown = run(world.folder / "clone", "log", "--show-signature")
    assert 'Good "git" signature for anna with ED25519 key' in shown
    assert run(world.folder / "clone", "log", "--format=%an %cn %ce %s") == (
        f"anna anna anna@bordbuch.invalid {ID}: plan, 2 hosts, 2 packages"
    )
    assert run(world.folder / "clone", "status", "--porcelain") == ""


def test_what_is_recorded_is_never_rewritten(world: World) -> None:
    logbook = world.clone()
    commit = logbook.add(plan(), "x")
    with pytest.raises(Refused, match=r"plan\.json exists already"):
        logbook.add({path("approval.json"): b"{}", **plan()}, "x")
    assert (logbook.head(), logbook.files(ID)) == (commit, ("plan.json",))


@pytest.mark.parametrize(
    "bad",
    ["../x", "/etc/passwd", "changes/2026/11/x", "changes/2025/11/" + ID + "/plan.json", path("notes.txt"), "README"],
)
def test_only_files_of_changes_are_added(world: World, bad: str) -> None:
    with pytest.raises(BadInput, match="no file of a change"):
        world.clone().add({bad: b""}, "x")


def test_what_is_read_is_what_was_added(world: World) -> None:
    phases = change()
    record_change(world, phases)
    files = world.clone().read(ID)
    assert (files.plan, files.approval, files.starts, files.record) == tuple(
        (phases[name],) if name == "start-1.json" else phases[name]
        for name in ("plan.json", "approval.json", "start-1.json", "record.json")
    )
    assert [event.host for event in files.events] == ["app1", "db1"]


def test_open_changes_are_those_without_a_record(world: World) -> None:
    record_change(world)
    logbook = world.clone()
    logbook.add(plan(OTHER), "x")
    logbook.add(plan(THIRD), "x")
    logbook.add({path("start-1.json", THIRD): file_bytes(change(THIRD)["start-1.json"])}, "x")
    assert [(one.id, one.state) for one in logbook.open_changes()] == [(OTHER, "planned"), (THIRD, "running")]
    assert logbook.change_ids() == (ID, OTHER, THIRD)


def test_a_malformed_file_is_named(world: World) -> None:
    logbook = world.clone()
    logbook.add({path("plan.json"): b'{"schema_version":"bordbuch/plan/9"}'}, "x")
    with pytest.raises(Failed, match=rf"{ID}/plan\.json cannot be read"):
        logbook.read(ID)
    with pytest.raises(BadInput, match="no change"):
        logbook.read(OTHER)


def test_an_empty_allowed_signers_is_refused(world: World) -> None:
    with pytest.raises(BadInput, match="nobody may sign"):
        Logbook.open(world.folder / "empty", "", None, "\n")


def test_a_key_that_does_not_sign_adds_nothing(world: World) -> None:
    logbook = Logbook.open(world.folder / "x", "", Signer("anna", world.folder / "gone"), "anna ssh-ed25519 AAAA")
    with pytest.raises(Failed, match="did not sign"):
        logbook.add(plan(), "x")
    assert (logbook.head(), logbook.change_ids(), logbook.push().state) == ("", (), "local")


def test_a_clone_for_reading_adds_nothing(world: World) -> None:
    with pytest.raises(BadInput, match="reading only"):
        Logbook.open(world.folder / "x", "", None, "anna ssh-ed25519 AAAA").add(plan(), "x")


def test_the_users_own_git_settings_do_not_matter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.folder / ".gitconfig").write_text(
        "[commit]\n gpgsign = true\n[gpg]\n format = openpgp\n[core]\n autocrlf = true\n hooksPath = /nowhere\n"
        "[user]\n name = Somebody Else\n[init]\n defaultBranch = trunk\n[log]\n showSignature = true\n"
    )
    monkeypatch.setenv("HOME", str(world.folder))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody Else")
    record_change(world)
    assert world.clone().change_ids() == (ID,)
    assert world.audit().findings == ()


def test_push_says_what_became_of_it(world: World) -> None:
    logbook = world.clone()
    assert logbook.push().state == "nothing"
    logbook.add(plan(), "x")
    assert logbook.unpushed() == 1
    assert (logbook.push().model_dump(), logbook.unpushed()) == ({"state": "pushed", "count": 1, "reason": ""}, 0)
    (world.server / "logbook.git").rename(world.server / "away")
    logbook.add(plan(OTHER), "x")
    away = logbook.push()
    assert (away.state, away.off_host, bool(away.reason), logbook.unpushed()) == ("unreachable", False, True, 1)


def test_a_refusal_is_told_in_the_servers_words(world: World) -> None:
    world.trust(world.with_keys(anna={"valid_until": "2026-01-01"}))
    world.clone().add(plan(), "x")
    result = world.clone().push()
    assert (result.state, world.receipts()) == ("refused", [])
    assert "not signed by a key that counts now for anna" in result.reason


def test_a_second_laptop_takes_over_and_signs_anew_only_its_own(world: World) -> None:
    first, second = world.clone("anna", "one"), world.clone("bert", "two")
    first.add(plan(), "x")
    first.push()
    kept = first.head()
    second.add(plan(OTHER), "x")
    assert (second.push().state, second.unpushed()) == ("pushed", 0)
    assert second.change_ids() == (ID, OTHER)
    assert run(second.path, "rev-parse", "main^") == kept
    assert run(second.path, "log", "--format=%G? %GS") == "G bert\nG anna"
    assert first.push().state == "nothing"
    assert first.change_ids() == (ID, OTHER)


def test_two_operators_in_one_clone_that_was_overtaken_push_in_turns(world: World) -> None:
    world.clone("anna", "one").add(plan(), "x")
    world.clone("bert", "one").add({path("approval.json"): file_bytes(change(by="bert")["approval.json"])}, "x")
    world.clone("bert", "two").add(plan(OTHER), "x")
    world.clone("bert", "two").push()
    first = world.clone("anna", "one").push()
    assert first.state == "waits"
    assert "bert has to push" in first.reason
    assert world.clone("anna", "one").unpushed() == 1
    assert world.clone("bert", "one").push().state == "pushed"
    assert world.clone("anna", "one").files(ID) == ("approval.json", "plan.json")
    assert run(world.folder / "one", "log", "--format=%G? %GS") == "G bert\nG anna\nG bert"


def test_two_laptops_that_contradict_each_other_are_told(world: World) -> None:
    world.clone("anna", "one").add(plan(), "x")
    world.clone("anna", "one").push()
    world.clone("bert", "two").push()
    world.clone("bert", "two").add({path("approval.json"): b"{}"}, "x")
    world.clone("anna", "one").add({path("approval.json"): b"[]"}, "x")
    assert world.clone("bert", "two").push().state == "pushed"
    result = world.clone("anna", "one").push()
    assert (result.state, world.clone("anna", "one").unpushed()) == ("refused", 1)
    assert "another laptop added another" in result.reason


ADD = """
import sys
from pathlib import Path
from tests.unit.logbook_world import change, file_bytes, path
from ops.logbook.repository import Logbook, Signer
folder = Path(sys.argv[1])
logbook = Logbook.open(folder / "clone", "", Signer("anna", folder / "anna"), (folder / "signers").read_text())
for identifier in sys.argv[2:]:
    logbook.add({path("plan.json", identifier): file_bytes(change(identifier)["plan.json"])}, identifier)
"""


def adding(world: World, *identifiers: str) -> subprocess.Popen[bytes]:
    (world.folder / "signers").write_text(world.operators.allowed_signers())
    return subprocess.Popen([sys.executable, "-c", ADD, str(world.folder), *identifiers], start_new_session=True)


def ids(letter: str, count: int = 6) -> list[str]:
    return [f"2026-11-25-23{number:02}-{letter * 4}" for number in range(count)]


def test_two_processes_add_to_one_clone_at_once(world: World) -> None:
    world.clone()
    both = [adding(world, *ids(letter)) for letter in "ab"]
    assert [process.wait(60) for process in both] == [0, 0]
    assert set(world.clone().change_ids()) == {*ids("a"), *ids("b")}
    assert run(world.folder / "clone", "log", "--format=%G?").split() == ["G"] * 12


@pytest.mark.parametrize("after_seconds", [0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6])
def test_a_killed_add_leaves_nothing_or_a_commit(world: World, after_seconds: float) -> None:
    world.clone()
    process = adding(world, *ids("a", 50))
    time.sleep(after_seconds)
    subprocess.run(["kill", "-s", "KILL", "--", f"-{process.pid}"], check=True)
    assert process.wait(10) == -signal.SIGKILL
    logbook = world.clone()
    logbook.add(plan(), "x")
    assert logbook.read(ID).plan == change()["plan.json"]
    assert len(list(logbook.read_all())) == int(run(logbook.path, "rev-list", "--count", "main"))
    assert run(logbook.path, "status", "--porcelain") == ""
    assert run(logbook.path, "fsck", "--no-dangling", "--strict") == ""
    assert list(logbook.path.glob(".git/add-*")) == []


def test_leftovers_of_a_killed_git_do_not_block(world: World) -> None:
    logbook = world.clone()
    logbook.add(plan(), "x")
    for name in ("index.lock", "HEAD.lock", "refs/heads/main.lock", "config.lock"):
        (logbook.path / ".git" / name).touch()
    (logbook.path / path("plan.json")).unlink()
    fresh = world.clone()
    fresh.add(plan(OTHER), "x")
    assert (fresh.path / path("plan.json")).exists()
    assert run(fresh.path, "status", "--porcelain") == ""


def test_a_logbook_that_is_held_too_long_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    logbook = world.clone()
    monkeypatch.setattr("ops.logbook.repository.LOCK_SECONDS", 0.2)
    with (logbook.path / ".git" / "bordbuch-add").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Failed, match="another command has held the logbook"):
            logbook.add(plan(), "x")
