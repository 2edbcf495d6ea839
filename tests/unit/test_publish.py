"""Publishing the pages: what is carried, what is new, what goes live on the host, and when there is nothing to do."""

import io
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.change import collect
from ops.change.session import Session
from ops.errors import BadInput, Failed, Waiting
from ops.logbook.model import Event, Record
from ops.publish import parcel, procedure
from ops.publish.parcel import Made
from ops.publish.procedure import Site, Wish
from tests.unit.factories import inventory, load_program
from tests.unit.logbook_world import World

ROOT = Path(__file__).resolve().parents[2]
FILES = {"index.html": b"<p>one", "changes/2026/11/changes.csv": b"a,b\n", "site.js": b"1"}
program = load_program("roles/pages/files/pages.py")


def made(head: str = "h", basis: str = "b", **files: bytes) -> Made:
    return parcel.listed({f"{name}.html": text for name, text in files.items()}, head, basis)


# What is carried


def test_a_site_is_read_without_what_a_build_keeps_for_itself(tmp_path: Path) -> None:
    for name, text in {**FILES, ".state.sqlite": b"x", ".state.sqlite-journal": b"x"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text)
    assert parcel.read(tmp_path) == FILES


@pytest.mark.parametrize("name", ["notes.txt", "members.sql", ".htaccess", "changes/.hidden/page.html", "key"])
def test_what_no_build_has_made_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(BadInput, match="is none of the pages"):
        parcel.read(tmp_path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.html").symlink_to("/etc/hostname")
    with pytest.raises(BadInput, match="is none of the pages"):
        parcel.read(tmp_path)


def test_what_is_new_is_told_by_content() -> None:
    old, new = made(same=b"1", changed=b"1", gone=b"1"), made(same=b"1", changed=b"2", new=b"1")
    assert parcel.compare(old, new) == parcel.Difference(("new.html",), ("changed.html",), ("gone.html",))
    assert parcel.compare(None, old).new == ("same.html", "changed.html", "gone.html")


def test_the_same_files_give_the_same_archive() -> None:
    listed = parcel.listed(FILES, "h", "b")
    assert parcel.packed(FILES, listed) == parcel.packed(dict(reversed(FILES.items())), listed)


# On the host


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program's folders, without its account."""
    monkeypatch.setattr(program, "HOME", tmp_path)
    monkeypatch.setattr(program.shutil, "chown", lambda *_: None)
    (tmp_path / "site/releases").mkdir(parents=True)
    (tmp_path / "status").mkdir()
    return tmp_path


def archive(folder: Path, text: bytes) -> Path:
    """Write the archive of a site that says *text*."""
    files = {**FILES, "index.html": text}
    path = folder / "brought.tar.gz"
    path.write_bytes(parcel.packed(files, parcel.listed(files, "h", "b")))
    return path


def page(home: Path) -> bytes:
    return (home / "site/live/site/index.html").read_bytes()


def releases(home: Path) -> set[str]:
    return {path.name for path in (home / "site/releases").iterdir()}


def test_what_was_before_stays_once_and_comes_back(home: Path) -> None:
    for text in (b"one", b"two", b"three"):
        assert program.live(archive(home, text)).endswith("is live")
    assert (page(home), len(releases(home))) == (b"three", 2)
    assert program.back().endswith("is live again")
    assert page(home) == b"two"
    assert program.live(archive(home, b"four")).endswith("is live")
    assert (page(home), len(releases(home))) == (b"four", 2)


def test_the_same_again_changes_nothing(home: Path) -> None:
    program.live(archive(home, b"one"))
    before = releases(home)
    assert program.live(archive(home, b"one")) == "unchanged"
    assert releases(home) == before


def test_what_was_before_may_come_again(home: Path) -> None:
    for text in (b"one", b"two", b"one"):
        program.live(archive(home, text))
    assert (page(home), len(releases(home))) == (b"one", 2)
    program.back()
    assert page(home) == b"two"


def test_the_first_one_can_be_taken_back(home: Path) -> None:
    program.live(archive(home, b"one"))
    program.back()
    assert not (home / "site/live").exists()


def test_files_are_for_the_server_alone(home: Path) -> None:
    program.live(archive(home, b"one"))
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (home / "site/releases").rglob("*")}
    assert modes == {True: 0o750, False: 0o640}


def members() -> list[tuple[str, bytes]]:
    """Return names, each with the kind of a member, that an archive must not hold."""
    names = ("../x", "/etc/x", "site/../../x", "site/.x", "x", "site//x", "site/")
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE)
    return [*((name, tarfile.REGTYPE) for name in names), *(("site/x", kind) for kind in kinds)]


@pytest.mark.parametrize(("name", "kind"), members())
def test_an_archive_of_anything_else_replaces_nothing(home: Path, name: str, kind: bytes) -> None:
    program.live(archive(home, b"one"))
    before = releases(home)
    with tarfile.open(home / "bad.tar", "w") as tar:
        for good in (parcel.LIST, "site/index.html"):
            tar.addfile(tarfile.TarInfo(good), io.BytesIO())
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, parcel.LIST
        tar.addfile(member, io.BytesIO())
    with pytest.raises(program.Fault, match="none of the pages"):
        program.live(home / "bad.tar")
    assert (page(home), releases(home)) == (b"one", before)


def test_half_a_site_is_refused(home: Path) -> None:
    with tarfile.open(home / "bad.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(parcel.LIST), io.BytesIO())
    with pytest.raises(program.Fault, match="no whole site"):
        program.live(home / "bad.tar")


def test_the_status_page_is_replaced_by_html_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def comes(text: bytes) -> None:
        monkeypatch.setattr(program.sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))

    comes(b"<!DOCTYPE html><p>news")
    program.status()
    for bad in (b"", b"root:x:0:0", b"<!DOCTYPE html>" + b"x" * program.LARGEST_STATUS_BYTES):
        comes(bad)
        with pytest.raises(program.Fault):
            program.status()
    assert [path.read_bytes() for path in (home / "status").iterdir()] == [b"<!DOCTYPE html><p>news"]


# The command


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def session(pristine: World, tmp_path: Path) -> Session:
    world = pristine.copy(tmp_path)
    return Session(inventory(pages_host="backup1"), world.operators, "anna", world.clone(), tmp_path / "spool")


def recorded(session: Session, number: int, play: str) -> None:
    """Record a run of a playbook with *play*."""
    now = datetime.now(UTC)
    result = Event(time=now, type="result", play=play, task="t", action="a", host="backup1", status="ok")
    start = collect._start(session, f"{now:%Y-%m-%d-%H%M}-aaa{number}", now, "invoke x")
    collect._end(session, start, "why", [result, Event(time=now, type="end")])


def test_publications_alone_are_nothing_new(session: Session) -> None:
    recorded(session, 2, "Patch")
    live = made(head=session.logbook.head())
    recorded(session, 3, procedure.PLAY)
    assert procedure.nothing_new(session, live, made(head=session.logbook.head()))
    assert not procedure.nothing_new(session, live, made(head=session.logbook.head(), basis="another day"))
    recorded(session, 4, "Patch")
    assert not procedure.nothing_new(session, live, made(head=session.logbook.head()))


def test_another_history_is_new(session: Session) -> None:
    recorded(session, 2, procedure.PLAY)
    assert not procedure.nothing_new(session, made(head="0" * 40), made(head=session.logbook.head()))
    assert not procedure.nothing_new(session, made(head=""), made(head=session.logbook.head()))


class Hosts:
    """The host, as the command sees it: what is live, how a run ends, what was brought."""

    def __init__(self, live: Made | None = None, outcome: str = "verified") -> None:
        self.live, self.outcome, self.brought = live, outcome, [b""]

    def run(self, session: Session, name: str, reason: str, **variables: str) -> tuple[Record, str]:
        """Note what was brought, and say how it ended."""
        assert (name, variables["publish_on"]) == (procedure.DO, "backup1")
        self.brought.append(Path(variables["publish_archive"]).read_bytes())
        now = datetime.now(UTC)
        start = collect._start(session, f"{now:%Y-%m-%d-%H%M}-zzzz", now, "invoke runbook.publish")
        record = collect._end(session, start, reason, [Event(time=now, type="end")])
        return record.model_copy(update={"outcome": self.outcome}), "it said why" if self.outcome == "failed" else ""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/index.html").write_bytes(b"<p>one")
    return Site(tmp_path / "pages", "h", "b")


def publish(monkeypatch: pytest.MonkeyPatch, session: Session, site: Site, hosts: Hosts, **wish: Any) -> None:
    monkeypatch.setattr(procedure, "look", lambda *_: hosts.live)
    monkeypatch.setattr(procedure, "run_playbook", hosts.run)
    procedure.publish(session, lambda: site, Wish("why", **{"yes": True, **wish}))


def test_what_is_new_is_shown_and_brought(
    monkeypatch: pytest.MonkeyPatch, session: Session, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts = Hosts(made(index=b"<p>old", gone=b""))
    publish(monkeypatch, session, site, hosts)
    told = capsys.readouterr().out
    assert "0 files new, 1 changed, 1 gone" in told
    assert "changed  index.html" in told
    assert "verified" in told
    with tarfile.open(fileobj=io.BytesIO(hosts.brought[1])) as tar:
        assert tar.getnames() == [parcel.LIST, "site/index.html"]


def test_without_an_answer_nothing_is_brought(monkeypatch: pytest.MonkeyPatch, session: Session, site: Site) -> None:
    hosts = Hosts()
    with pytest.raises(Waiting):
        publish(monkeypatch, session, site, hosts, yes=False)
    assert hosts.brought == [b""]


def test_a_failure_says_what_is_live(monkeypatch: pytest.MonkeyPatch, session: Session, site: Site) -> None:
    with pytest.raises(Failed, match="it said why") as failed:
        publish(monkeypatch, session, site, Hosts(outcome="failed"))
    assert failed.value.left == "what was live is live as before"


@pytest.mark.parametrize("name", ["", "backup2"])
def test_an_inventory_without_a_host_of_pages_is_refused(
    monkeypatch: pytest.MonkeyPatch, session: Session, site: Site, name: str
) -> None:
    without = replace(session, inventory=inventory(pages_host=name))
    with pytest.raises(BadInput, match="pages_host"):
        publish(monkeypatch, without, site, Hosts())


def test_a_list_of_another_form_counts_as_none(tmp_path: Path) -> None:
    assert procedure.read_list(tmp_path / "missing") is None
    (tmp_path / "old").write_text('{"files": 1}')
    assert procedure.read_list(tmp_path / "old") is None


def test_the_playbook_has_the_play_that_is_looked_for() -> None:
    [play] = yaml.safe_load((ROOT / "playbooks" / procedure.DO).read_text(encoding="utf-8"))
    assert play["name"] == procedure.PLAY
    [look] = yaml.safe_load((ROOT / "playbooks" / procedure.LOOK).read_text(encoding="utf-8"))
    assert look["name"] != procedure.PLAY
