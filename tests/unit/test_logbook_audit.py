"""The audit finds each way of tampering, and nothing in a logbook that is as it should be."""

import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.errors import BadInput
from ops.logbook.model import Model, Record
from ops.logbook.operators import Operators
from ops.logbook.verify import audit
from tests.unit.logbook_world import (
    ID,
    NOW,
    OFFICES,
    World,
    change,
    events,
    file_bytes,
    forge,
    path,
    record_change,
    run,
    take,
    with_page,
)

OTHER = "2026-11-25-2301-aaaa"
THIRD = "2026-11-25-2302-bbbb"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("recorded"))
    record_change(world)
    record_change(world, change(OTHER, category="normal", by="bert"), OTHER)
    assert world.audit().good
    return world


@pytest.fixture
def world(recorded: World, tmp_path: Path) -> World:
    copy = recorded.copy(tmp_path / "copy")
    copy.clone()
    return copy


def found(world: World, operators: Operators | None = None) -> set[str]:
    return {finding.rule for finding in world.audit(operators).findings}


def whats(world: World, operators: Operators | None = None) -> str:
    return "\n".join(f"{finding.path}: {finding.what}" for finding in world.audit(operators).findings)


def head(world: World, back: int = 0) -> str:
    return run(world.folder / "clone", "rev-parse", f"main~{back}")


def received(world: World, line: str) -> None:
    """Write a receipt as root on the server could."""
    with (world.server / "receipts").open("a") as file:
        file.write(line + "\n")


def force(world: World, commit: str) -> None:
    """Replace the server's history as root there could; hooks do not stop root."""
    (world.server / "logbook.git" / "hooks").unlink(missing_ok=True)
    run(world.folder / "clone", "push", "--quiet", str(world.server / "logbook.git"), f"+{commit}:refs/heads/loose")
    run(world.server / "logbook.git", "update-ref", "refs/heads/main", commit)
    run(world.server / "logbook.git", "update-ref", "-d", "refs/heads/loose")


def test_a_good_logbook_is_good(world: World) -> None:
    result = world.audit()
    assert (result.good, result.commits, result.changes, result.off_host, result.not_off_host, result.remote) == (
        True,
        10,
        2,
        10,
        0,
        "checked",
    )


def test_what_is_not_yet_off_host_is_counted_and_judged_by_its_own_date(world: World) -> None:
    world.clone().add({path("plan.json", THIRD): file_bytes(change(THIRD)["plan.json"])}, "x")
    result = world.audit()
    assert (result.good, result.off_host, result.not_off_host) == (True, 10, 1)
    ended = world.with_keys(anna={"valid_until": "2026-01-31"})
    assert {finding.commit for finding in world.audit(ended).findings} > {world.clone().head()}


def test_a_remote_that_is_away_is_said(world: World) -> None:
    (world.server / "logbook.git").rename(world.folder / "away")
    result = world.audit()
    assert (result.good, result.remote.startswith("not compared")) == (True, True)


def test_without_anyone_who_may_sign_nothing_is_judged(world: World) -> None:
    nobody = Operators(all=tuple(person for person in world.operators.all if person.name == "carl"))
    with pytest.raises(BadInput, match="no operator may sign"):
        audit(world.clone(), nobody)


LATER = "2026-11-25-2303-cccc"


def append(world: World, files: dict[str, bytes | None], **how: str) -> None:
    take(world, forge(world, files, **how))


def plan_of(identifier: str, **changes: str) -> dict[str, bytes | None]:
    return {path("plan.json", identifier): file_bytes(change(identifier, **changes)["plan.json"])}


HISTORY: dict[str, tuple[Callable[[World], None], str, str]] = {
    "record edited": (lambda world: append(world, {path("record.json"): b"{}"}), "history", "modifies a file"),
    "record deleted": (lambda world: append(world, {path("record.json"): None}), "history", "deletes a file"),
    "file that is none": (lambda world: append(world, {"README.md": b""}), "form", "no file of a change"),
    "link": (lambda world: append(world, plan_of(LATER), mode="120000"), "form", "no plain file"),
    "program": (lambda world: append(world, plan_of(LATER), mode="100755"), "form", "no plain file"),
    "adds nothing": (lambda world: append(world, {}), "history", "adds nothing"),
    "unsigned": (lambda world: take(world, forge(world, plan_of(LATER), signer=None)), "signature", "is not signed"),
    "unknown key": (lambda world: append(world, plan_of(LATER), signer="mallory"), "signature", "nobody's"),
    "another's key": (lambda world: append(world, plan_of(LATER), signer="bert"), "signer", "differ: anna, bert"),
    "another author": (lambda world: append(world, plan_of(LATER), author="bert"), "signer", "differ: anna, bert"),
    "office": (lambda world: append(world, plan_of(LATER), signer="carl", committer="carl"), "key", "signs no changes"),
    "another person": (
        lambda world: append(world, plan_of(LATER), signer="bert", committer="bert"),
        "person",
        "names anna",
    ),
    "old date": (lambda world: append(world, plan_of(LATER), date="2026-10-01T00:00:00Z"), "clock", "before the entry"),
    "merge": (
        lambda world: take(world, forge(world, {}, parents=(head(world), forge(world, plan_of(LATER), parents=())))),
        "history",
        "merges two",
    ),
    "record copied": (
        lambda world: append(world, {path("plan.json", LATER): file_bytes(change(ID)["plan.json"])}),
        "form",
        "was copied",
    ),
    "page without record": (lambda world: append(world, {path("page.md", LATER): b"x"}), "phase", "without record"),
    "second run without the first": (
        lambda world: append(world, {path("start-3.json"): file_bytes(change()["start-1.json"])}),
        "phase",
        "without start-2",
    ),
    "not canonical": (
        lambda world: append(world, {path("plan.json", LATER): file_bytes(change(LATER)["plan.json"]) + b"\n"}),
        "form",
        "canonical",
    ),
    "not readable": (lambda world: append(world, {path("plan.json", LATER): b"{}"}), "form", "cannot be read"),
}


@pytest.mark.parametrize("case", HISTORY)
def test_tampering_with_the_history_is_found(world: World, case: str) -> None:
    tamper, rule, words = HISTORY[case]
    tamper(world)
    findings = world.audit().findings
    hits = [finding for finding in findings if finding.rule == rule and words in finding.what]
    assert hits, findings
    assert all(finding.commit for finding in hits)


def recommit(world: World, count: int, edit: Callable[[dict[str, bytes]], None], order: tuple[int, ...] = ()) -> str:
    """Make the newest *count* commits anew with edited files, as their signers could, and return the tip."""
    old = [head(world, back) for back in reversed(range(count))]
    tip = head(world, count)
    for place in order or range(count):
        who = run(world.folder / "clone", "log", "-1", "--format=%cn", old[place])
        names = run(world.folder / "clone", "diff-tree", "-r", "--no-commit-id", "--name-only", old[place]).split()
        files = {name: run_bytes(world, old[place], name) for name in names}
        edit(files)
        if files:
            tip = forge(world, files, parents=(tip,), signer=who, committer=who)
    return tip


def run_bytes(world: World, commit: str, name: str) -> bytes:
    return b"".join(world.clone().contents([f"{commit}:{name}"]))


def test_history_that_was_made_anew_is_found_by_the_clone_and_by_the_receipts(world: World) -> None:
    force(world, recommit(world, 5, lambda _files: None))
    assert "not the one that this clone saw before" in whats(world)
    shutil.rmtree(world.folder / "clone")
    assert "is not in the history" in whats(world)


def test_entries_in_another_order_are_found(world: World) -> None:
    """Also where whoever is root on the server wrote history and receipts anew, and no older clone is left."""
    force(world, recommit(world, 5, lambda _files: None, order=(0, 2, 1, 4, 3)))
    shutil.rmtree(world.folder / "clone")
    (world.server / "receipts").write_text("")
    received(world, f"2026-11-26T00:00:00Z anna {'0' * 40} {run(world.server / 'logbook.git', 'rev-parse', 'main')}")
    said = whats(world)
    assert "approval.json: came after start-1.json" in said
    assert "events-1.jsonl: came after record.json" in said


def test_history_that_was_cut_off_is_found(world: World) -> None:
    force(world, head(world, 5))
    assert "not the one that this clone saw before" in whats(world)
    shutil.rmtree(world.folder / "clone")
    assert "is not in the history" in whats(world)


def test_history_that_is_gone_is_found(world: World) -> None:
    run(world.server / "logbook.git", "update-ref", "-d", "refs/heads/main")
    assert "not the one that this clone saw before" in whats(world)
    shutil.rmtree(world.folder / "clone")
    assert "empty" in whats(world)


def test_receipts_that_were_cut_or_changed_are_found(world: World) -> None:
    world.audit()
    lines = world.receipts()
    for text in (lines[:1], lines[1:], lines[::-1], [lines[0].replace("2026", "2025", 1), lines[1]], []):
        (world.server / "receipts").write_text("".join(f"{line}\n" for line in text))
        assert "not those that this clone saw before" in whats(world)


def test_receipts_that_are_missing_are_found_without_a_second_copy(world: World) -> None:
    lines = world.receipts()
    for text, words in ((lines[:1], "without a receipt"), (lines[1:], "a receipt is missing"), (["x"], "line 1")):
        (world.folder / "clone" / ".git" / "receipts").unlink(missing_ok=True)
        (world.server / "receipts").write_text("".join(f"{line}\n" for line in text))
        assert words in whats(world)


def test_other_refs_on_the_server_and_here_are_found(world: World) -> None:
    for place, words in (
        (world.server / "logbook.git", "off-host repository has"),
        (world.folder / "clone", "clone has"),
    ):
        run(place, "update-ref", f"refs/replace/{head(world)}", head(world, 1))
        run(place, "tag", "v1", "main")
        assert f"{words} refs/replace/{head(world)}" in whats(world)
        assert f"{words} refs/tags/v1" in whats(world)


def test_a_file_that_was_edited_in_the_work_tree_is_found(world: World) -> None:
    (world.folder / "clone" / path("page.md")).write_text("all is well\n")
    (world.folder / "clone" / "changes" / "extra.md").write_text("x")
    assert whats(world).count("differs in the work tree") == 2


def test_a_key_counts_at_the_time_of_the_receipt_and_not_of_the_date(world: World) -> None:
    ended = world.with_keys(anna={"valid_until": "2026-10-31"})
    append(world, plan_of(LATER), date="2026-10-01T00:00:00Z")
    force(world, head(world))
    received(world, f"2026-11-26T00:00:00Z anna {head(world, 1)} {head(world)}")
    assert head(world) in {finding.commit for finding in world.audit(ended).findings if finding.rule == "key"}
    assert "counts from ever to 2026-10-31, not on 2026-11-26" in whats(world, ended)


def test_old_records_stay_good_after_their_key_has_ended(world: World) -> None:
    day = world.receipts()[0][:10]
    text = (world.server / "receipts").read_text()
    (world.server / "receipts").write_text(text.replace(day, "2026-11-20"))
    (world.folder / "clone" / ".git" / "receipts").unlink()
    ended = world.with_keys(anna={"valid_until": "2026-11-20"}, bert={"valid_until": "2026-11-20"})
    assert {finding.rule for finding in world.audit(ended).findings} == {"clock"}
    assert "key" in found(world, world.with_keys(anna={"valid_from": "2026-11-21"}))


def test_a_lost_key_ends_to_the_second(world: World) -> None:
    """What reached the server up to that second stays good on the very day."""
    last = datetime.fromisoformat(world.receipts()[-1].split()[0])
    for seconds, rules in ((0, set()), (-1, {"key"})):
        end = {"valid_until": f"{last + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"}
        assert found(world, world.with_keys(anna=end, bert=end)) == rules


def test_a_key_that_was_withdrawn_signs_nothing_more(world: World) -> None:
    """A key that was lost gets an end; who left is absent. What was signed before stays good (above), what came after not."""
    day = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    entries = [{"name": name, "office": office, "keys": [{"file": f"{name}.pub"}]} for name, office in OFFICES.items()]
    entries[1] |= {"state": "absent", "keys": [{"file": "bert.pub", "valid_until": day}]}
    said = whats(world, Operators.parse(entries, world.folder))
    assert f"is signed by a key of bert that counts from ever to {day}" in said


def altered(name: str, category: str = "normal", **fields: object) -> Mapping[str, Model]:
    phases = change(LATER, category=category, by="bert")
    return {**phases, name: phases[name].model_copy(update=fields)}


def without_db1() -> Mapping[str, Model]:
    phases = change(LATER, category="normal", by="bert")
    record = phases["record.json"]
    assert isinstance(record, Record)
    return {**phases, "record.json": record.model_copy(update={"hosts": {"app1": record.hosts["app1"]}})}


RECORDED: dict[str, tuple[Callable[[], Mapping[str, Model]], str]] = {
    "approver is the requester": (
        lambda: altered("approval.json", by="anna", basis="operator"),
        "anna allowed what anna",
    ),
    "approval of another plan": (lambda: altered("approval.json", digest="f" * 64), "approval.json: is about ffff"),
    "begun with another plan": (lambda: altered("start-1.json", digest="f" * 64), "start-1.json: is about ffff"),
    "a host left out": (without_db1, "record.json: leaves out db1, which was planned"),
    "the controller's clock set back": (
        lambda: altered("start-1.json", time=NOW - timedelta(days=3)),
        "start-1.json: says 2026-11-22 23:00:00 UTC, before plan.json",
    ),
}


@pytest.mark.parametrize("case", RECORDED)
def test_records_that_are_signed_and_wrong_are_found(world: World, case: str) -> None:
    """The server takes them: they are signed and only add files."""
    make, words = RECORDED[case]
    record_change(world, make(), LATER)
    assert world.clone().unpushed() == 0
    assert words in whats(world)


def test_a_page_that_was_signed_and_says_something_else_is_found(world: World) -> None:
    phases = change(LATER)
    for name in ("plan.json", "approval.json", "start-1.json"):
        world.clone().add({path(name, LATER): file_bytes(phases[name])}, "x")
    world.clone().add({path("events-1.jsonl", LATER): events()}, "x")
    files = with_page(LATER, phases)
    page = path("page.md", LATER)
    world.clone().add({**files, page: files[page].replace(b"app1", b"app2")}, "x")
    assert f"{page}: is not what the record gives" in whats(world)


def test_every_finding_stands_alone(world: World) -> None:
    append(world, {path("record.json"): b"{}"})
    [finding] = world.audit().findings
    assert finding.model_dump() == {
        "rule": "history",
        "what": "modifies a file; records are only added",
        "commit": head(world),
        "path": path("record.json"),
    }
