"""The places that backups go to: what is made, what comes back from another, and that looking changes nothing."""

import getpass
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.factories import load_program
from tests.unit.pgbackrest_says import printed, seam

places = load_program("roles/backup/files/bordbuch_places.py")
program = load_program("roles/backup/files/backup.py")

Prepare = Callable[..., dict[str, list[str]]]


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Prepare two places, `one` and `two`, with a pgBackRest that makes and lists stanzas as the real one does."""
    both = [places.Repository(number, str(tmp_path / name), 4) for number, name in enumerate(("one", "two"), 1)]
    monkeypatch.setattr(places, "ACCOUNT", getpass.getuser())
    broken: dict[int, str] = {}

    def answer(command: Sequence[str]) -> str:
        if command[-1] == "stanza-create":
            for place in both:
                for name in ("archive/main/archive.info", "backup/main/backup.info"):
                    path = Path(place.path) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
            return ""
        number = next(int(word[-1]) for word in command if word.startswith("--repo="))
        there = (Path(both[number - 1].path) / "backup/main/backup.info").exists()
        key = {"id": 1, "repo-key": number}
        state = {"code": 2, "message": "no valid backups"} if there else {"code": 1, "message": "missing stanza path"}
        if number in broken:
            state = {"code": 99, "message": broken[number]}
        own = [{"key": number, "status": state}]
        return json.dumps([printed(**state, repo=own, db=[{**key, "version": "17"}] if there else [], archive=[])])

    def run(command: Sequence[str], _seconds: float) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, answer(command), "")

    def prepare(*, only_look: bool = False, wrong: str = "") -> dict[str, list[str]]:
        broken.update({2: wrong} if wrong else {})
        told: dict[str, list[str]] = places.prepare(seam.Stanza("main", run=run), both, only_look=only_look)
        return told

    return prepare


def made(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_new_places_get_a_stanza_and_folders_for_wal_and_the_next_run_finds_nothing_to_do(
    prepare: Prepare, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    said = f"the stanza main is made in {one}, {two}"
    assert prepare(only_look=True) == {"did": [said], "wal": []}
    assert made(tmp_path) == []
    wal = [f"{place}/archive/main/17-1" for place in (one, two)]
    assert prepare() == {"did": [said, *(f"{folder} is made" for folder in wal)], "wal": wal}
    assert all(Path(folder).stat().st_mode & 0o777 == 0o750 for folder in wal)
    assert prepare() == {"did": [], "wal": wal}
    assert prepare(only_look=True) == {"did": [], "wal": []}


def test_a_first_place_that_is_lost_comes_back_from_the_second(prepare: Prepare, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    prepare()
    (two / "archive/main/17-1/wal").write_text("kept")
    shutil.rmtree(one)
    before = made(tmp_path)
    assert prepare(only_look=True)["did"] == [f"{one} comes back from {two}"]
    assert made(tmp_path) == before
    assert prepare()["did"] == [f"{one} comes back from {two}"]
    assert (one / "archive/main/17-1/wal").read_text() == "kept"
    assert made(one) == made(two)


def test_a_second_place_that_is_lost_is_made_anew_and_not_copied(prepare: Prepare, tmp_path: Path) -> None:
    prepare()
    (tmp_path / "one/archive/main/17-1/wal").write_text("kept")
    shutil.rmtree(tmp_path / "two")
    assert len(prepare()["did"]) == 2
    assert "archive/main/17-1/wal" not in made(tmp_path / "two")


def test_a_place_that_does_not_open_is_a_fault_and_nothing_is_made(prepare: Prepare, tmp_path: Path) -> None:
    prepare()
    before = made(tmp_path)
    for only_look in (True, False):
        with pytest.raises(seam.Fault, match="repository 2: the passphrase does not open the repository"):
            prepare(only_look=only_look, wrong="[CryptoError] unable to load")
    assert made(tmp_path) == before


def test_foretold_before_anything_is_set_up_all_of_it_is_to_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "CONFIGURATION", tmp_path / "none.json")
    monkeypatch.setattr("sys.argv", ["backup.py", "prepare", "--check"])
    assert program.main() == 0
    told: Any = json.loads(capsys.readouterr().out)
    assert (len(told["did"]), told["wal"], made(tmp_path)) == (1, [], [])
