"""A base image is used while it is sound, and built once however many ask for it."""

import fcntl
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops.lab import image
from ops.lab.mirror import Mirror

NOW = 1_800_000_000.0
MIRROR = Mirror({"": "http://mirror.example/debian"}, "", "")


def make_image(images: Path, name: str = "trixie-20270115T080000", built: float = NOW) -> Path:
    made = images / name
    for path in (*image._NEEDED, "var/lib/dpkg/status"):
        (made / "root" / path).parent.mkdir(parents=True, exist_ok=True)
        (made / "root" / path).write_text("x")
    image._stamp(made)
    stamp = json.loads((made / "stamp.json").read_text())
    (made / "stamp.json").write_text(json.dumps({**stamp, "built": built}))
    return made


def test_the_newest_sound_image_is_used(tmp_path: Path) -> None:
    make_image(tmp_path, "trixie-20270101T080000")
    newest = make_image(tmp_path)
    make_image(tmp_path, "bookworm-20270201T080000")
    assert image.find_image(tmp_path, "trixie", NOW) == newest


def test_an_old_image_is_not_used(tmp_path: Path) -> None:
    make_image(tmp_path, built=NOW - 31 * 86400)
    assert image.find_image(tmp_path, "trixie", NOW) is None


@pytest.mark.parametrize("path", ["stamp.json", "root/var/lib/dpkg/status"])
def test_a_truncated_image_is_not_used(tmp_path: Path, path: str) -> None:
    (make_image(tmp_path) / path).write_text("")
    assert image.find_image(tmp_path, "trixie", NOW) is None


@pytest.mark.parametrize("path", ["stamp.json", "root/usr/sbin/sshd"])
def test_an_image_that_lacks_a_file_is_not_used(tmp_path: Path, path: str) -> None:
    (make_image(tmp_path) / path).unlink()
    assert image.find_image(tmp_path, "trixie", NOW) is None


def test_an_image_of_other_packages_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_image(tmp_path)
    monkeypatch.setattr(image, "PACKAGES", "systemd")
    assert image.find_image(tmp_path, "trixie", NOW) is None


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The releases that were built, by a builder that takes a moment."""
    built: list[str] = []

    def build(images: Path, release: str, _: Mirror) -> Path:
        built.append(release)
        time.sleep(0.05)
        return make_image(images, f"{release}-20270115T080000", time.time())

    monkeypatch.setattr(image, "_build", build)
    return built


def test_two_who_ask_at_once_get_one_build(tmp_path: Path, builds: list[str]) -> None:
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _: image.ensure_image(tmp_path, "trixie", MIRROR), range(4)))
    assert builds == ["trixie"]
    assert len(set(results)) == 1


def test_a_broken_image_is_rebuilt_and_what_a_killed_builder_left_is_removed(tmp_path: Path, builds: list[str]) -> None:
    broken = make_image(tmp_path, "trixie-20270101T080000")
    (broken / "stamp.json").write_text("")
    (tmp_path / ".building-trixie-0123").mkdir()
    image.ensure_image(tmp_path, "trixie", MIRROR)
    assert builds == ["trixie"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".trixie.lock", "trixie-20270115T080000"]


def test_an_image_on_which_a_host_stands_is_kept(tmp_path: Path, builds: list[str]) -> None:
    old = make_image(tmp_path, "trixie-20270101T080000", built=0)
    with (old / "in-use").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        image.ensure_image(tmp_path, "trixie", MIRROR)
    assert builds == ["trixie"]
    assert old.exists()
