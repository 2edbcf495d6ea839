"""The server's side by its real hooks: it takes signed commits that add files, on one branch, and nothing else."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.logbook_world import ID, ROLE, GitError, World, change, file_bytes, forge, path, record_change, run

PLAN = {path("plan.json", "2026-11-25-2301-aaaa"): b"{}"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("server"))
    record_change(world)
    return world


@pytest.fixture
def world(recorded: World, tmp_path: Path) -> World:
    copy = recorded.copy(tmp_path / "copy")
    copy.clone()
    return copy


def push(world: World, *refspecs: str, who: str = "anna", options: tuple[str, ...] = ()) -> str:
    """Push with plain git; return what the server said, or raise what it refused with."""
    return run(world.folder / "clone", "push", *options, "origin", *refspecs, GIT_SSH_COMMAND=f"{world.ssh} {who}")


def server_refs(world: World) -> str:
    return run(world.server / "logbook.git", "for-each-ref")


def test_a_signed_entry_is_taken_with_a_receipt(world: World) -> None:
    before = world.receipts()[-1].split()
    commit = forge(world, PLAN)
    push(world, f"{commit}:refs/heads/main")
    time, who, old, new = world.receipts()[-1].split()
    assert (who, old, new) == ("anna", before[3], commit)
    assert time.endswith("Z")
    assert server_refs(world).split()[0] == commit


HOSTILE: dict[str, tuple[Callable[[World], str], str]] = {
    "unsigned": (lambda world: forge(world, PLAN, signer=None), "other headers"),
    "by a key that is nobody's": (lambda world: forge(world, PLAN, signer="mallory"), "not signed by a key"),
    "by an office that signs nothing": (
        lambda world: forge(world, PLAN, signer="carl", committer="carl"),
        "not signed by",
    ),
    "by another operator's key": (
        lambda world: forge(world, PLAN, signer="bert"),
        "not signed by a key that counts now for",
    ),
    "with another author": (lambda world: forge(world, PLAN, author="bert"), "not by one operator"),
    "dated in the future": (lambda world: forge(world, PLAN, date="2099-01-01T00:00:00Z"), "in the future"),
    "that modifies": (lambda world: forge(world, {path("record.json"): b"{}"}), "changes or removes"),
    "that deletes": (lambda world: forge(world, {path("record.json"): None}), "changes or removes"),
    "with a link": (
        lambda world: forge(world, {path("page.md", "2026-11-25-2301-aaaa"): b"/x"}, mode="120000"),
        "as 120000",
    ),
    "with a program": (lambda world: forge(world, PLAN, mode="100755"), "as 100755"),
    "outside of changes": (lambda world: forge(world, {"README.md": b"x"}), "no file of a change"),
    "in the folder of another month": (
        lambda world: forge(world, {"changes/2026/10/2026-11-25-2301-aaaa/plan.json": b"{}"}),
        "no file of a change",
    ),
    "too large": (lambda world: forge(world, {**PLAN, next(iter(PLAN)): b"x" * 8_388_609}), "more than"),
    "that adds nothing": (lambda world: forge(world, {}), "adds nothing"),
    "that merges": (
        lambda world: forge(
            world, {}, parents=(run(world.folder / "clone", "rev-parse", "main"), forge(world, PLAN, parents=()))
        ),
        "no merges",
    ),
    "below a good one": (
        lambda world: forge(world, PLAN, parents=(forge(world, {}, signer="mallory"),)),
        "not signed by",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_no_commit_is_taken(world: World, case: str) -> None:
    make, words = HOSTILE[case]
    before = (server_refs(world), world.receipts())
    commit = make(world)
    with pytest.raises(GitError, match=words):
        push(world, f"{commit}:refs/heads/main")
    assert (server_refs(world), world.receipts()) == before


@pytest.mark.parametrize(
    ("refspec", "options", "words"),
    [
        ("+main^:refs/heads/main", ("--force",), "only grows"),
        ("+{root}:refs/heads/main", ("--force",), "no second beginning"),
        (":refs/heads/main", (), "never deleted|deletion"),
        ("main:refs/heads/other", (), "only refs/heads/main"),
        ("main:refs/tags/v1", (), "only refs/heads/main"),
        ("main^:refs/replace/{head}", (), "only refs/heads/main"),
        ("main:refs/notes/commits", (), "only refs/heads/main"),
        ("main:refs/heads/main refs/heads/main:refs/heads/two", (), "only refs/heads/main"),
    ],
)
def test_no_other_ref_is_taken(world: World, refspec: str, options: tuple[str, ...], words: str) -> None:
    before = (server_refs(world), world.receipts())
    names = {"root": forge(world, PLAN, parents=()), "head": run(world.folder / "clone", "rev-parse", "main")}
    with pytest.raises(GitError, match=words):
        push(world, *refspec.format(**names).split(), options=options)
    assert (server_refs(world), world.receipts()) == before


def test_one_bad_ref_takes_the_good_one_with_it(world: World) -> None:
    before = server_refs(world)
    commit = forge(world, PLAN)
    with pytest.raises(GitError, match="only refs/heads/main"):
        push(world, f"{commit}:refs/heads/main", f"{commit}:refs/heads/other")
    assert server_refs(world) == before


def test_a_key_that_counts_no_longer_or_not_yet_signs_nothing_whatever_its_date(world: World) -> None:
    for validity in ({"valid_until": "2026-01-31"}, {"valid_from": "2099-01-01"}):
        world.trust(world.with_keys(anna=validity))
        for date in ("", "2026-01-02T00:00:00Z"):
            with pytest.raises(GitError, match="not signed by a key that counts now"):
                push(world, f"{forge(world, PLAN, date=date)}:refs/heads/main")


def test_a_history_of_several_operators_goes_into_a_fresh_repository(tmp_path: Path) -> None:
    world = World(tmp_path)
    record_change(world, change(category="normal", by="bert"))
    assert len(world.receipts()) == 1
    (world.server / "logbook.git").rename(tmp_path / "lost")
    (world.server / "receipts").unlink()
    world._serve()
    push(world, "main:refs/heads/main")
    assert world.receipts()[0].split()[2] == "0" * 40


def test_a_lost_receipt_is_made_up_for_by_the_next(world: World) -> None:
    first, second = forge(world, PLAN), path("plan.json", "2026-11-25-2302-bbbb")
    kept = (world.server / "receipts").read_text()
    push(world, f"{first}:refs/heads/main")
    (world.server / "receipts").write_text(kept)
    newest = forge(world, {second: b"{}"}, parents=(first,))
    push(world, f"{newest}:refs/heads/main")
    assert world.receipts()[-1].split()[2:] == [kept.split()[-1], newest]


def shell(world: World, command: str | None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]} | ({"SSH_ORIGINAL_COMMAND": command} if command is not None else {})
    words = [str(ROLE / "logbook-shell"), "anna", str(world.server)]
    return subprocess.run(words, capture_output=True, text=True, timeout=20, env=environment, check=False, input="")


def test_the_shell_prints_receipts(world: World) -> None:
    assert shell(world, "receipts").stdout.splitlines() == world.receipts()


@pytest.mark.parametrize(
    "command",
    [
        None,
        "",
        "sh",
        "receipts x",
        "git-upload-pack",
        "git-upload-pack '../other.git'",
        "git-upload-pack logbook.git --upload-pack=sh",
        "git-receive-pack 'logbook.git'; sh",
        "git-receive-pack '/logbook.git'",
        "git-upload-archive logbook.git",
        "git upload-pack logbook.git",
        "scp -t logbook.git",
        "git-upload-pack 'logbook.git",
    ],
)
def test_the_shell_does_nothing_else(world: World, command: str | None) -> None:
    done = shell(world, command)
    assert (done.returncode, done.stdout) == (1, "")
    assert "It may do nothing else" in done.stderr


def test_a_replacement_that_lies_on_the_server_does_not_hide_what_is_pushed(world: World) -> None:
    server = world.server / "logbook.git"
    head = run(server, "rev-parse", "main")
    run(server, "update-ref", f"refs/replace/{head}", run(server, "rev-parse", "main~2"))
    with pytest.raises(GitError, match="changes or removes"):
        push(world, f"{forge(world, {path('record.json'): b'{}'})}:refs/heads/main")


def test_entries_are_what_the_models_write(world: World) -> None:
    assert file_bytes(change()["plan.json"]) == (world.folder / "clone" / path("plan.json", ID)).read_bytes()
