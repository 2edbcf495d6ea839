"""From a list of releases to packages: what is chosen, what it is called, what is refused, what is built again."""

import hashlib
import http.server
import io
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from ops.errors import BadInput, Failed, Refused
from ops.package import archives, build, host
from ops.package.build import Order
from ops.package.releases import Releases, inputs_digest, parse
from ops.tasks import package as tasks
from tests.sample_release import pack

ROOT = Path(__file__).resolve().parents[2]
UPSTREAM = parse((ROOT / "packaging/liquidfeedback/releases.toml").read_text(encoding="utf-8"))
SAMPLE = parse((ROOT / "tests/sample_release/releases.toml").read_text(encoding="utf-8"))
NEWEST = SAMPLE.release[-1]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    for archive in pack.archives():
        for path in (folder / f"{archive.top}.tar.gz", folder / "mirror" / archive.path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.content)
    return folder


@pytest.fixture
def mirror(packed: Path) -> Iterator[str]:
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(packed / "mirror"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def older(one: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False, timeout=10).returncode == 0


class TestReleases:
    def test_the_newest_is_chosen_when_none_is_named(self) -> None:
        assert [release.name for release in SAMPLE.choose([])] == ["4.2.2"]
        assert [release.name for release in SAMPLE.choose(["4.2.2", "4.0.0"])] == ["4.2.2", "4.0.0"]

    def test_an_unknown_one_is_refused(self) -> None:
        with pytest.raises(BadInput, match=r"no release is named '5\.0'") as caught:
            SAMPLE.choose(["5.0"])
        assert "4.2.1" in caught.value.next_step

    def test_versions_sort_by_release_then_debian_and_the_stand_in_first(self) -> None:
        ours = [SAMPLE.version(release, "bookworm") for release in SAMPLE.release]
        assert all(older(one, other) for one, other in pairwise(ours))
        assert older(SAMPLE.version(NEWEST, "bookworm"), SAMPLE.version(NEWEST, "trixie"))
        assert older(SAMPLE.version(NEWEST, "trixie"), UPSTREAM.version(UPSTREAM.release[-1], "bookworm"))

    def test_the_changelog_says_versions_day_and_that_it_stands_in(self) -> None:
        text = SAMPLE.changelog(NEWEST, "trixie")
        assert text.startswith("liquidfeedback (4.2.2+4.0.0~standin-1+deb13) trixie; urgency=medium\n")
        assert "  * Core 4.2.2, frontend 4.0.0, WebMCP 2.2.1, Moonbridge 1.1.3.\n" in text
        assert "It is not LiquidFeedback." in text
        assert text.endswith("  Wed, 25 Nov 2026 00:00:00 +0000\n")
        assert "stand-in" not in UPSTREAM.changelog(UPSTREAM.release[-1], "trixie")

    def test_archives_get_the_names_that_dpkg_source_knows(self) -> None:
        names = SAMPLE.upstream_names(NEWEST)
        assert names["core"] == "liquidfeedback_4.2.2+4.0.0~standin.orig.tar.gz"
        assert names["webmcp"] == "liquidfeedback_4.2.2+4.0.0~standin.orig-webmcp.tar.gz"

    def test_another_archive_version_or_packaging_is_another_input(self) -> None:
        digests = {
            inputs_digest(releases, release, debian, packaging)
            for releases, release in ((SAMPLE, NEWEST), (SAMPLE, SAMPLE.release[0]), (UPSTREAM, UPSTREAM.release[0]))
            for debian in ("bookworm", "trixie")
            for packaging in ({"rules": b"a"}, {"rules": b"b"})
        }
        assert len(digests) == 12

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('sha512 = "', 'sha512 = "x'),
            ("size = ", "size = -"),
            ('path = "liquid', 'path = "../liquid'),
            ("revision", "revison"),
            ("[release.webmcp]", "[release.pglatlon]"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, old: str, new: str) -> None:
        text = (ROOT / "tests/sample_release/releases.toml").read_text(encoding="utf-8")
        with pytest.raises(ValidationError):
            parse(text.replace(old, new))

    def test_what_is_no_toml_is_refused(self) -> None:
        with pytest.raises(BadInput, match="not valid TOML"):
            parse("[[release")


class TestArchives:
    def test_a_folder_of_archives_serves(self, packed: Path, tmp_path: Path) -> None:
        found = archives.gather(NEWEST, str(packed), tmp_path)
        assert {part: hashlib.sha512(content).hexdigest() for part, content in found.items()} == {
            part: archive.sha512 for part, archive in NEWEST.archives.items()
        }

    def test_a_folder_laid_out_like_upstreams_serves_too(self, packed: Path, tmp_path: Path) -> None:
        assert archives.gather(NEWEST, str(packed / "mirror"), tmp_path)

    def test_a_mirror_serves_and_is_asked_once(self, mirror: str, tmp_path: Path) -> None:
        first = archives.gather(NEWEST, mirror, tmp_path)
        assert archives.gather(NEWEST, "http://127.0.0.1:9/", tmp_path) == first

    def test_a_download_that_was_altered_later_is_fetched_anew(self, mirror: str, tmp_path: Path) -> None:
        first = archives.gather(NEWEST, mirror, tmp_path)
        for kept in tmp_path.rglob("*.tar.gz"):
            kept.write_bytes(b"other")
        assert archives.gather(NEWEST, mirror, tmp_path) == first

    def test_a_wrong_checksum_is_refused_before_a_missing_archive_is_spoken_of(self, tmp_path: Path) -> None:
        (tmp_path / "webmcp-v2.2.1.tar.gz").write_bytes(b"something else")
        with pytest.raises(Refused, match=r"webmcp-v2\.2\.1\.tar\.gz from .* is not the release's") as caught:
            archives.gather(NEWEST, str(tmp_path), tmp_path)
        assert "moonbridge-v1.1.3.tar.gz is not in" in caught.value.what
        assert caught.value.left == "nothing was built"

    def test_a_mirror_with_another_file_is_refused_and_nothing_is_kept(self, mirror: str, tmp_path: Path) -> None:
        other = NEWEST.model_copy(update={"core": NEWEST.core.model_copy(update={"sha512": "0" * 128})})
        with pytest.raises(Refused, match="liquid_feedback_core"):
            archives.gather(other, mirror, tmp_path)
        assert [path.name for path in tmp_path.rglob("*core*.tar.gz")] == []

    def test_what_a_mirror_does_not_have_is_named(self, mirror: str, tmp_path: Path) -> None:
        with pytest.raises(Failed, match=r"elsewhere/liquid_feedback/.* could not be fetched: File not found"):
            archives.gather(NEWEST, f"{mirror}elsewhere", tmp_path)

    def test_a_source_that_is_nothing_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="no folder and no address"):
            archives.gather(NEWEST, "ftp://example.invalid/", tmp_path)


class FakeHost:
    """A build host that builds nothing: it remembers what it was told, and has a package afterwards."""

    def __init__(self, fails_at: str = "") -> None:
        self.name, self.fails_at, self.steps = "build-trixie", fails_at, list[str]()
        self.files: dict[str, bytes] = {}
        self.executables: list[str] = []

    def prepare(self) -> None:
        self.steps.append("prepare")

    def unpack(self, _folder: str, files: Mapping[str, bytes], executables: Sequence[str]) -> None:
        self.files, self.executables = dict(files), list(executables)

    def dependencies(self, _folder: str) -> None:
        self.steps.append("dependencies")

    def run(self, _folder: str, argv: Sequence[str]) -> tuple[int, str]:
        words = " ".join(argv)
        step = next(word for word in ("dpkg-buildpackage", "lintian", "tar") if word in words)
        self.steps.append(step)
        return (2 if step == self.fails_at else 0), f"{step} said something\n"

    def fetch(self, folder: str, _pattern: str) -> dict[str, bytes]:
        return {f"liquidfeedback_{folder}_amd64.deb": b"deb", f"liquidfeedback_{folder}_amd64.changes": b"changes"}


@pytest.fixture(autouse=True)
def built_on(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    fake = FakeHost()

    @contextmanager
    def hosts(debians: Sequence[str]) -> Iterator[None]:
        fake.steps.append(f"hosts {' '.join(debians)}")
        yield

    monkeypatch.setattr(host, "hosts", hosts)
    monkeypatch.setattr(host, "Host", lambda _lab, _debian: fake)
    return fake


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order(SAMPLE, NEWEST, "trixie", tmp_path / "packages")


class TestBuild:
    def test_steps_and_files_of_a_build(self, built_on: FakeHost, order: Order, packed: Path, tmp_path: Path) -> None:
        (built,) = build.build([order], str(packed), tmp_path)
        assert built_on.steps == ["hosts trixie", "prepare", "dependencies", "tar", "dpkg-buildpackage", "lintian"]
        assert "liquidfeedback_4.2.2+4.0.0~standin.orig-moonbridge.tar.gz" in built_on.files
        assert built_on.files["source/debian/changelog"].decode() == SAMPLE.changelog(NEWEST, "trixie")
        assert {"source/debian/rules", "source/debian/bin/cc"} == set(built_on.executables)
        assert built.package.read_bytes() == b"deb"
        assert built.package.parent == tmp_path / "packages/trixie"
        assert "lintian said" in order.log.read_text()

    def test_what_is_there_is_not_built_again(
        self, built_on: FakeHost, order: Order, packed: Path, tmp_path: Path
    ) -> None:
        build.build([order], str(packed), tmp_path)
        built_on.steps.clear()
        (built,) = build.build([order], "nowhere", tmp_path)
        assert (built.seconds, built_on.steps) == (0, [])
        build.build([order], str(packed), tmp_path, again=True)
        assert built_on.steps

    def test_a_package_that_was_altered_is_built_again(self, order: Order, packed: Path, tmp_path: Path) -> None:
        (built,) = build.build([order], str(packed), tmp_path)
        built.package.write_bytes(b"altered")
        assert build.find(order) is None
        build.build([order], str(packed), tmp_path)
        assert built.package.read_bytes() == b"deb"

    def test_other_packaging_is_built_again(
        self, order: Order, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        build.build([order], str(packed), tmp_path)
        monkeypatch.setattr(build, "packaging", lambda: {"rules": b"other"})
        assert build.find(order) is None

    @pytest.mark.parametrize("step", ["dpkg-buildpackage", "lintian"])
    def test_a_step_that_fails_leaves_its_log_and_no_package(
        self, built_on: FakeHost, order: Order, packed: Path, tmp_path: Path, step: str
    ) -> None:
        built_on.fails_at = step
        with pytest.raises(Failed, match=f"could not be built: {step} said something") as caught:
            build.build([order], str(packed), tmp_path)
        assert str(order.log) in caught.value.next_step
        assert f"{step} said something" in order.log.read_text()
        assert build.find(order) is None

    def test_of_many_words_those_that_complain_are_told(self) -> None:
        assert build.gist("a\nx.c:1: error: no\nb\nc\nd\ne\n") == "x.c:1: error: no"
        assert build.gist("N:\nE: liquidfeedback: tag\nN: why\nN:\n") == "E: liquidfeedback: tag"
        assert build.gist("a\nb\nc\nd\n") == "b / c / d"

    def test_a_wrong_archive_starts_no_host(self, built_on: FakeHost, order: Order, tmp_path: Path) -> None:
        for archive in NEWEST.archives.values():
            (tmp_path / archive.name).write_bytes(b"other")
        with pytest.raises(Refused):
            build.build([order], str(tmp_path), tmp_path)
        assert built_on.steps == []

    def test_what_is_sent_arrives_with_its_rights(self) -> None:
        with tarfile.open(fileobj=io.BytesIO(host.tarball({"a/b": b"x", "c": b""}, ["a/b"]))) as sent:
            assert {entry.name: entry.mode for entry in sent} == {"a/b": 0o755, "c": 0o644}
            assert all(entry.mtime > 1_700_000_000 for entry in sent), "Debian takes no files from 1970"


class TestTask:
    def test_both_releases_are_built_when_none_is_named(self) -> None:
        assert tasks.debians("") == ["bookworm", "trixie"]
        assert tasks.debians("trixie") == ["trixie"]
        with pytest.raises(BadInput, match="'sid'"):
            tasks.debians("sid")

    def test_where_archives_come_from(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert source("", "") == UPSTREAM.base_url
        monkeypatch.setenv("LIQUIDFEEDBACK_SOURCES", "https://mirror.example/")
        assert source("", "") == "https://mirror.example/"
        assert source("/srv/archives", "") == "/srv/archives"

    def test_the_sample_brings_its_archives(self) -> None:
        with tasks.wanted("", "", True) as (releases, folder):
            assert releases == SAMPLE
            assert (Path(folder) / NEWEST.core.name).exists()
        assert not Path(folder).exists()

    def test_the_sample_takes_no_other_archives(self) -> None:
        with pytest.raises(BadInput, match="its own"), tasks.wanted("/srv", "", True):
            pass

    def test_a_list_of_ones_own_is_read(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="cannot be read"), tasks.wanted("", str(tmp_path / "none.toml"), False):
            pass
        with tasks.wanted("/srv", str(ROOT / "tests/sample_release/releases.toml"), False) as (releases, _):
            assert releases == SAMPLE


def source(sources: str, listed: str) -> str:
    with tasks.wanted(sources, listed, False) as (_, found):
        return found


def test_upstreams_list_is_of_releases() -> None:
    assert isinstance(UPSTREAM, Releases)
    assert not UPSTREAM.standin
