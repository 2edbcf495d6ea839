"""The archive for an auditor: whole, the same each time, and its own program finds each way of tampering with it, offline."""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.change.session import Session
from ops.errors import BadInput, Failed
from ops.logbook.export import OFFLINE, Exported, Span, export
from ops.logbook.finding import Finding
from ops.logbook.operators import Operators
from ops.logbook.repository import Logbook
from ops.runbook import pdf, prints
from ops.tasks import pages
from ops.tasks.audit import days, report_export, verified
from ops.tasks.pages import without
from tests.bench.logbook import Made, make_logbook
from tests.unit import factories
from tests.unit.logbook_world import World, change, file_bytes, path, record_change, run

SPAN = Span(since=datetime(2026, 3, 1, tzinfo=UTC), until=datetime(2026, 9, 30, tzinfo=UTC))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_logbook(tmp_path_factory.mktemp("made"), changes=14, hosts=4, seed=5)


def exported(logbook: Logbook, operators: Operators, to: Path, span: Span = SPAN) -> Exported:
    return export(logbook, operators, span, (), to, without)


def unpacked(archive: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(folder)], check=True)
    [inside] = folder.iterdir()
    return inside


@pytest.fixture(scope="module")
def good(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    exported(made.clone(), made.operators, folder / "x.tar.gz")
    return unpacked(folder / "x.tar.gz", folder / "unpacked")


@pytest.fixture
def handed(good: Path, tmp_path: Path) -> Path:
    """The unpacked archive, to break."""
    return Path(shutil.copytree(good, tmp_path / "handed"))


def verify(folder: Path) -> tuple[int, str]:
    """Run the archive's own program as an auditor does."""
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "verify.py")], capture_output=True, text=True, check=False, cwd="/"
    )
    return done.returncode, done.stdout + done.stderr


def sum_up(folder: Path) -> None:
    """Write the checksums anew, as who tampers would."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder)}\n" for file in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def test_a_good_archive_verifies_and_says_what_it_holds(handed: Path) -> None:
    code, said = verify(handed)
    folders = {file.parent for file in handed.glob("changes/*/*/*/*")}
    commits = int(said.split()[0])
    assert (code, said) == (0, f"{commits} commits, {len(folders)} changes: signed, received, unchanged.\n")
    assert 0 < len(folders) < 14
    assert (
        f"{commits} entries since the beginning, {len(folders)} changes in the span."
        in (handed / "README.md").read_text()
    )
    assert {file.name for file in handed.iterdir()} == {
        *("README.md", "SHA256SUMS", "allowed_signers", "changes", "findings.json", "logbook.bundle"),
        *("operators.json", "receipts", "span.json", "verify.py"),
    }
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=handed, check=True)


def test_the_program_is_short_and_needs_nothing() -> None:
    text = (OFFLINE / "verify.py").read_text()
    assert len(text.splitlines()) < 100
    modules = {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert modules <= sys.stdlib_module_names


def test_what_the_readme_says_is_printed(handed: Path) -> None:
    """Each command of the English part that needs no name of a change."""
    script = (handed / "README.md").read_text().partition("## English")[2]
    block = script.split("```sh\n")[2].partition("```")[0]
    lines = [line for line in block.splitlines() if not line.startswith("jq")]
    done = subprocess.run(["bash", "-c", "\n".join(lines)], cwd=handed, capture_output=True, text=True, check=False)
    said = done.stdout.splitlines()
    letters = [line for line in said if line[1:2] == " "]
    assert {line[0] for line in letters} == {"G"}
    receipt, head = said[-2:]
    assert receipt.split()[3] == head
    assert len(said) == len(letters) + 2


def test_the_same_gives_the_same_bytes(made: Made, tmp_path: Path) -> None:
    made.clone(name="two")
    run(made.folder / "two", "repack", "-adfq", "--depth=3")
    for name in ("one", "two"):
        exported(made.clone(name=name), made.operators, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_span_ends_the_history_too(made: Made, tmp_path: Path) -> None:
    early = Span(since=SPAN.since, until=SPAN.since + timedelta(days=60))
    less = exported(made.clone(), made.operators, tmp_path / "a", early)
    more = exported(made.clone(), made.operators, tmp_path / "b")
    assert (less.commits, less.changes) < (more.commits, more.changes)
    assert verify(unpacked(tmp_path / "a", tmp_path / "unpacked"))[0] == 0


def a_file(folder: Path, name: str) -> Path:
    return sorted(folder.glob(f"changes/*/*/*/{name}"))[0]


def edit(file: Path, old: bytes, new: bytes) -> None:
    assert old in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(old, new, 1))


def in_bundle(folder: Path, tamper: Callable[[Path], str], keep_receipts: bool = False) -> None:
    """Exchange the bundle for one whose history *tamper* has changed, and make the last receipt fit."""
    clone = folder.with_name("clone")
    run(folder, "clone", "--quiet", "-b", "main", str(folder / "logbook.bundle"), str(clone))
    old = run(clone, "rev-parse", "main")
    new = tamper(clone)
    run(clone, "update-ref", "refs/heads/main", new)
    run(clone, "bundle", "create", "--quiet", str(folder / "logbook.bundle"), "main")
    if not keep_receipts:
        edit(folder / "receipts", f" {old}\n".encode(), f" {new}\n".encode())
    for file in (clone / "changes").rglob("*"):
        if (folder / file.relative_to(clone)).is_file():
            shutil.copy(file, folder / file.relative_to(clone))


def again(clone: Path, key: Path | None, **changes: str) -> str:
    """Commit the newest entry again, by somebody else."""
    who = run(clone, "log", "-1", "--format=%an")
    people = {
        "GIT_AUTHOR_NAME": who,
        "GIT_COMMITTER_NAME": who,
        "GIT_AUTHOR_EMAIL": "x",
        "GIT_COMMITTER_EMAIL": "x",
        **changes,
    }
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key}") if key else ()
    return run(
        clone, *signing, "commit-tree", *(["-S"] if key else []), "-p", "main~1", "main^{tree}", stdin=b"x", **people
    )


def stranger(folder: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder.with_name("stranger"))], check=True)
    return folder.with_name("stranger")


TAMPERED: dict[str, tuple[Callable[[Path, Made], object], str]] = {
    "record edited": (
        lambda folder, _: edit(a_file(folder, "record.json"), b'"verified"', b'"failed"'),
        "is not what the logbook holds",
    ),
    "page edited": (
        lambda folder, _: edit(a_file(folder, "page.md"), b"#", b"##"),
        "page.md: is not what the logbook holds",
    ),
    "record removed": (
        lambda folder, _: a_file(folder, "record.json").unlink(),
        "record.json: is not what the logbook holds",
    ),
    "change removed": (
        lambda folder, _: shutil.rmtree(a_file(folder, "record.json").parent),
        "is not what the logbook holds",
    ),
    "change added": (
        lambda folder, _: shutil.copytree(
            a_file(folder, "page.md").parent, a_file(folder, "page.md").parent.with_name("x")
        ),
        "is not what the logbook holds",
    ),
    "receipt removed": (lambda folder, _: cut(folder / "receipts", 2), "there is a gap before the one of"),
    "last receipt removed": (lambda folder, _: cut(folder / "receipts", -1), "has no receipt"),
    "receipts removed": (lambda folder, _: (folder / "receipts").write_text(""), "has no receipt"),
    "no receipts": (lambda folder, _: (folder / "receipts").unlink(), "cannot be verified: FileNotFoundError"),
    "receipt that is none": (lambda folder, _: edit(folder / "receipts", b"Z ", b"Z  "), "there is a gap"),
    "bundle cut": (
        lambda folder, _: in_bundle(folder, lambda clone: run(clone, "rev-parse", "main~3"), keep_receipts=True),
        "not in the history",
    ),
    "bundle broken": (lambda folder, _: (folder / "logbook.bundle").write_bytes(b"x"), "cannot be verified"),
    "not signed": (lambda folder, _: in_bundle(folder, lambda clone: again(clone, None)), "or is not signed"),
    "key of a stranger": (
        lambda folder, _: in_bundle(folder, lambda clone: again(clone, stranger(folder))),
        "did not sign it with a key that counted",
    ),
    "key of another office": (
        lambda folder, made: in_bundle(folder, lambda clone: again(clone, made.folder / "carl", **named("carl"))),
        "carl did not sign it with a key that counted",
    ),
    "signed by another than its author": (
        lambda folder, made: in_bundle(
            folder, lambda clone: again(clone, made.folder / "anna", GIT_COMMITTER_NAME="anna", GIT_AUTHOR_NAME="bert")
        ),
        "not by one person",
    ),
    "key that had ended": (
        lambda folder, _: edit(
            folder / "allowed_signers", b'namespaces="git"', b'namespaces="git",valid-before="20260101Z"'
        ),
        "did not sign it with a key that counted at 2026",
    ),
    "record edited in the history": (
        lambda folder, made: in_bundle(folder, lambda clone: rewritten(clone, made)),
        "does more than add changes/",
    ),
}


def named(name: str) -> dict[str, str]:
    return {"GIT_AUTHOR_NAME": name, "GIT_COMMITTER_NAME": name}


def cut(file: Path, place: int) -> None:
    lines = file.read_text().splitlines(keepends=True)
    del lines[place]
    file.write_text("".join(lines))


def rewritten(clone: Path, made: Made) -> str:
    """Replace the newest entry by one of anna that edits a record, signed with her own key."""
    record = sorted(clone.glob("changes/*/*/*/record.json"))[0]
    edit(record, b'"reason":"', b'"reason":"no ')
    run(clone, "add", "-A")
    key = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={made.folder / 'anna'}")
    tree, people = run(clone, "write-tree"), {**named("anna"), "GIT_AUTHOR_EMAIL": "x", "GIT_COMMITTER_EMAIL": "x"}
    return run(clone, *key, "commit-tree", "-S", "-p", "main~1", tree, stdin=b"x", **people)


@pytest.mark.parametrize("case", TAMPERED)
def test_tampering_is_found_offline_with_and_without_new_checksums(handed: Path, made: Made, case: str) -> None:
    tamper, words = TAMPERED[case]
    tamper(handed, made)
    code, said = verify(handed)
    assert code == 1
    assert "Traceback" not in said
    assert "is not what SHA256SUMS says" in said
    sum_up(handed)
    code, said = verify(handed)
    assert (code, "Traceback" in said, "SHA256SUMS" in said) == (1, False, False)
    assert words in said


RECORDED: dict[str, tuple[dict[str, object], str]] = {
    "approver is the requester": ({"by": "anna", "basis": "operator"}, "anna allowed what anna asked for"),
    "approval of another plan": ({"digest": "f" * 64}, "approval.json: is of another change than"),
    "approval of another change": ({"id": "2026-11-25-2359-zzzz"}, "approval.json: is of another change than"),
}


@pytest.mark.parametrize("case", RECORDED)
def test_what_the_records_say_is_verified(tmp_path: Path, case: str) -> None:
    fields, words = RECORDED[case]
    world, phases = World(tmp_path), change(category="normal", by="bert")
    phases["approval.json"] = phases["approval.json"].model_copy(update=fields)
    record_change(world, phases)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    exported(world.clone(), world.operators, tmp_path / "x", Span(since=today - timedelta(days=1), until=today))
    code, said = verify(unpacked(tmp_path / "x", tmp_path / "unpacked"))
    assert (code, words in said) == (1, True), said


def on_paper(monkeypatch: pytest.MonkeyPatch, world: World, to: Path, span: Span) -> list[str]:
    """Export with pages, in which the text of a page stands for its PDF, and return their names."""

    def make(documents: Iterable[tuple[Path, str]]) -> int:
        return sum(
            path.parent.mkdir(parents=True, exist_ok=True) or path.write_text(text) > 0 for path, text in documents
        )

    monkeypatch.setattr(pdf, "make", make)
    session = Session(factories.inventory(), world.operators, "anna", world.clone(), world.folder / "spool")
    show = pages.on_paper(session, f"{span.since:%Y-%m-%d}", verified(session, None, cold=True))
    export(session.logbook, world.operators, span, (), to, show)
    with tarfile.open(to) as archive:
        return [name.partition("/pages/")[2] for name in archive.getnames() if "/pages/" in name]


def test_pages_of_just_what_goes_along_are_in_it_with_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, today = World(tmp_path), datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    record_change(world)
    world.clone().add(
        {path("plan.json", "2026-11-25-2301-aaaa"): file_bytes(change("2026-11-25-2301-aaaa")["plan.json"])}, "x"
    )
    span = Span(since=today - timedelta(days=400), until=today)
    names = on_paper(monkeypatch, world, tmp_path / "x", span)
    assert len(names) == 2 * (len(prints.SINGLE) + 1)
    assert {"changes-2026-11-1-de.pdf", "requirements-en.pdf", "vulnerabilities-de.pdf"} <= set(names)
    inside = unpacked(tmp_path / "x", tmp_path / "unpacked")
    assert verify(inside)[0] == 0
    text = (inside / "pages/changes-2026-11-1-en.pdf").read_text()
    assert "2026-11-25-2300-k7xq" in text
    assert not any("2301-aaaa" in page.read_text() for page in (inside / "pages").iterdir()), "it is not off-host"
    on_paper(monkeypatch, world, tmp_path / "again", span)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "x").read_bytes()
    edit(inside / "pages/changes-2026-11-1-en.pdf", b"verified", b"failed")
    assert "is not what SHA256SUMS says" in verify(inside)[1]


def test_what_is_not_yet_off_host_is_left_out(tmp_path: Path) -> None:
    world = World(tmp_path)
    record_change(world)
    world.clone().add(
        {path("plan.json", "2026-11-25-2301-aaaa"): file_bytes(change("2026-11-25-2301-aaaa")["plan.json"])}, "x"
    )
    span = Span(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2100, 1, 1, tzinfo=UTC))
    assert exported(world.clone(), world.operators, tmp_path / "x", span).changes == 1


def test_findings_go_along_and_are_told(made: Made, tmp_path: Path) -> None:
    found = [Finding(rule="page", what="is not what the record gives")]
    written = export(made.clone(), made.operators, SPAN, found, tmp_path / "x", without)
    assert json.loads((unpacked(tmp_path / "x", tmp_path / "u") / "findings.json").read_text())[0]["rule"] == "page"
    with pytest.raises(Failed, match="1 findings"):
        report_export(written)


def test_what_cannot_be_exported_is_said(made: Made, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    with pytest.raises(BadInput, match="is there already"):
        exported(made.clone(), made.operators, tmp_path / "there")
    early = Span(since=datetime(2001, 1, 1, tzinfo=UTC), until=datetime(2001, 2, 1, tzinfo=UTC))
    with pytest.raises(BadInput, match="nothing was received until 2001-02-01"):
        exported(made.clone(), made.operators, tmp_path / "x", early)
    alone = Logbook.open(tmp_path / "alone", "", None, made.operators.allowed_signers())
    with pytest.raises(BadInput, match="no off-host repository"):
        exported(alone, made.operators, tmp_path / "x")
    (made.folder / "server").rename(made.folder / "away")
    try:
        with pytest.raises(Failed, match="did not answer"):
            exported(made.clone(), made.operators, tmp_path / "x")
    finally:
        (made.folder / "away").rename(made.folder / "server")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("since", "until"), [("", ""), ("2026-02-01", "2026-01-01"), ("today", ""), ("2026-01-01", "x")]
)
def test_a_span_that_cannot_be_meant_is_refused(since: str, until: str) -> None:
    with pytest.raises(BadInput, match="is no"):
        days(since, until)
