"""The tests' own archive and this machine's real apt in a root of its own: good ones are taken, bad ones noted."""

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.archive import parts, scenarios
from tests.archive.fixtures import archive_keys, make_archive
from tests.archive.hosts import sources
from tests.archive.keys import Key
from tests.archive.package import Package, build, rebuilt
from tests.archive.server import Archive
from tests.archive.suite import Suite

__all__ = ["archive_keys", "make_archive"]

LOCALHOST = "127.0.0.1"
DAY = timedelta(days=1)
ALPHA = Package("alpha", "1.0-1")
ALPHA_NEW = ALPHA.to("1.0-2", "CVE-2026-1000")
MAIN = Suite("bookworm", (ALPHA,))
SECURITY = Suite("bookworm", (ALPHA_NEW,), security=True)


class Root:
    """An apt of its own: lists, cache, status file and sources below one folder, nothing of this machine's."""

    def __init__(self, folder: Path, archive: Archive) -> None:
        self.folder, self.archive = folder, archive
        for name in ("state/lists/partial", "cache/archives/partial", "sources.d"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        self.configure()
        self.use()

    def use(self, *keys: Key, release: str = "bookworm") -> None:
        """Write the sources, trusting *keys*, by default the archive's own."""
        ring = self.folder / "keys.asc"
        ring.write_text("".join(key.public for key in keys or [self.archive.key]))
        (self.folder / "sources.d/x.sources").write_text(sources(self.archive.url, release, keys=str(ring)))

    def configure(self) -> None:
        """Write the configuration, which leaves out what this machine's own says."""
        options = {
            "Dir::Etc::Main": "/dev/null",
            "Dir::Etc::Parts": "/dev/null",
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": f"{self.folder}/sources.d",
            "Dir::State": f"{self.folder}/state",
            "Dir::State::status": f"{self.folder}/status",
            "Dir::Cache": f"{self.folder}/cache",
            "APT::Sandbox::User": "",
            "Acquire::Retries": "0",
            "Acquire::http::Timeout": "1",
        }
        (self.folder / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in options.items()))

    def apt(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``apt-get`` or ``apt-cache`` with *arguments*."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        environment["APT_CONFIG"] = str(self.folder / "apt.conf")
        command = [program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)

    def update(self) -> subprocess.CompletedProcess[str]:
        """Refresh the lists; every source has to answer."""
        return self.apt("apt-get", "update", "-eany")

    def policy(self, name: str) -> str:
        """Return what apt knows of package *name*."""
        return self.apt("apt-cache", "policy", name).stdout


@pytest.fixture
def root(tmp_path: Path, make_archive: Callable[[str], Archive]) -> Root:
    made = Root(tmp_path, make_archive(LOCALHOST))
    made.archive.publish(MAIN, SECURITY)
    return made


def test_good_archive_is_accepted_with_its_origins(root: Root) -> None:
    assert root.update().returncode == 0
    known = root.apt("apt-cache", "policy").stdout
    assert "o=Debian,a=oldstable-security,n=bookworm-security,l=Debian-Security,c=main" in known
    assert "o=Debian,a=oldstable,n=bookworm,l=Debian,c=main" in known
    assert "Candidate: 1.0-2" in root.policy("alpha")


def test_trixie_is_a_suite_of_its_own(root: Root) -> None:
    root.archive.publish(Suite("trixie", (ALPHA,)), Suite("trixie", (), security=True))
    root.use(release="trixie")
    assert root.update().returncode == 0
    assert "Candidate: 1.0-1\n" in root.policy("alpha")


def test_second_refresh_is_answered_not_modified(root: Root) -> None:
    root.update()
    root.archive.requests.clear()
    assert root.update().returncode == 0
    assert {status for path, status in root.archive.requests if path.endswith("InRelease")} == {304}


def test_publication_is_seen_at_once(root: Root) -> None:
    root.update()
    root.archive.publish(replace(SECURITY, packages=(ALPHA_NEW.to("1.0-3"),)))
    assert root.update().returncode == 0
    assert "Candidate: 1.0-3" in root.policy("alpha")


def test_downloaded_package_has_the_hash_of_the_index(root: Root) -> None:
    root.update()
    done = root.apt("apt-get", "install", "--download-only", "-y", "-q", "alpha")
    assert done.returncode == 0, done.stderr
    assert (root.folder / "cache/archives/alpha_1.0-2_all.deb").read_bytes() == build(ALPHA_NEW).content


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        (replace(SECURITY, signed=False), "is not signed"),
        (replace(SECURITY, valid_until=datetime.now(UTC) - DAY), "is expired"),
        (replace(SECURITY, date=datetime.now(UTC) + DAY), "is not valid yet"),
        (replace(SECURITY, fields={"Codename": "sid", "Suite": "unstable"}), "Conflicting distribution"),
    ],
)
def test_bad_release_is_noted(root: Root, suite: Suite, words: str) -> None:
    root.archive.publish(suite)
    done = root.update()
    assert words in done.stderr
    # apt only warns of another name of the suite, whatever the error mode says.
    assert done.returncode == (0 if "Conflicting" in words else 100)


@pytest.mark.parametrize("subkey", [False, True])
def test_expired_key_is_named(root: Root, subkey: bool) -> None:
    expired = root.archive.keys.make(f"expired-{subkey}", expires=datetime.now(UTC) - DAY, subkey=subkey)
    root.archive.publish(replace(SECURITY, signer=expired))
    root.use(root.archive.key, expired)
    done = root.update()
    assert done.returncode == 100
    # gpgv of Debian 12 names the key that signed, sqv of Debian 13 the primary key.
    assert re.search(f"EXPKEYSIG {expired.signing_id}|{expired.fingerprint} is bad", done.stderr)


def test_key_that_expires_later_is_good(root: Root) -> None:
    key = root.archive.keys.make("soon", expires=datetime.now(UTC) + DAY, subkey=True)
    root.archive.publish(replace(SECURITY, signer=key))
    root.use(root.archive.key, key)
    assert root.update().returncode == 0


def test_foreign_key_is_named(root: Root) -> None:
    foreign = root.archive.keys.make("foreign")
    root.archive.publish(replace(SECURITY, signer=foreign))
    done = root.update()
    assert done.returncode == 100
    assert re.search(f"NO_PUBKEY {foreign.signing_id}|Missing key {foreign.fingerprint}", done.stderr)


def test_release_that_moved_to_the_archive_is_gone_and_still_offered(root: Root) -> None:
    root.update()
    root.archive.withdraw(MAIN)
    done = root.update()
    assert done.returncode == 100
    assert "no longer has a Release file" in done.stderr
    assert "1.0-1" in root.policy("alpha")


def test_frozen_archive_goes_on_looking_fresh(root: Root) -> None:
    root.archive.publish(replace(SECURITY, date=datetime.now(UTC) - 300 * DAY))
    assert root.update().returncode == 0


def test_missing_package_is_a_failure(root: Root) -> None:
    root.update()
    root.archive.remove("alpha_1.0-2_all.deb")
    done = root.apt("apt-get", "install", "--download-only", "-y", "alpha")
    assert done.returncode == 100
    assert "404" in done.stderr


def test_corrupt_package_is_a_failure(root: Root) -> None:
    root.update()
    root.archive.corrupt("alpha_1.0-2_all.deb")
    done = root.apt("apt-get", "install", "--download-only", "-y", "alpha")
    assert done.returncode == 100
    assert "Hash Sum mismatch" in done.stderr


def test_refusing_hanging_and_slow_servers_recover(root: Root) -> None:
    root.archive.refuse()
    assert "Connection refused" in root.update().stderr
    root.archive.serve()
    root.archive.hang("bookworm-security/InRelease")
    assert root.update().returncode == 100
    root.archive.serve()
    assert root.update().returncode == 0
    root.archive.slow(0.3, "bookworm-security/InRelease")
    before = time.monotonic()
    assert root.update().returncode == 0
    assert time.monotonic() - before > 0.3


def test_removing_what_is_not_there_is_an_error(root: Root) -> None:
    with pytest.raises(KeyError):
        root.archive.remove("beta.deb")


@pytest.mark.parametrize(
    "make",
    [
        scenarios.security_update,
        scenarios.ordinary_update,
        scenarios.configuration_file_change,
        scenarios.removal,
        scenarios.new_dependency,
        scenarios.kept_back,
        scenarios.new_kernel,
        scenarios.held_kernel,
        scenarios.slow_update,
        scenarios.failing_update,
        scenarios.questions,
        scenarios.several,
    ],
)
def test_scenario_can_be_installed_and_moves_on(root: Root, make: Callable[[], scenarios.Scenario]) -> None:
    scenario = make()
    old = [f"{package.name}={package.version}" for package in scenario.installed]
    started = time.monotonic()
    scenarios.publish(root.archive, scenarios.moved_on(scenario))
    assert time.monotonic() - started < 1
    root.update()
    done = root.apt("apt-get", "install", "-s", *old)
    assert done.returncode == 0, done.stderr
    offered = root.apt("apt-cache", "madison", *[package.name for package in scenario.installed]).stdout
    assert "deb2" in offered or not scenario.security


@pytest.mark.parametrize(
    "package",
    [
        parts.service("alpha", "1.0-1", fixes=("CVE-2026-1000",)),
        parts.asking("alpha", "1.0-1"),
        *parts.kernel("6.1.0-99", "6.1.200-1"),
        Package("alpha", "1:1.0-1", files={"/etc/alpha.conf": "a\n"}, padding_bytes=5000, installed_size_kib=9),
    ],
)
def test_package_is_one_for_dpkg(package: Package, tmp_path: Path) -> None:
    file = tmp_path / "package.deb"
    file.write_bytes(build(package).content)
    subprocess.run(["dpkg-deb", "--extract", file, tmp_path / "root"], check=True, timeout=30)
    subprocess.run(["dpkg-deb", "--control", file, tmp_path / "control"], check=True, timeout=30)
    assert all((tmp_path / "root" / path[1:]).is_file() for path in package.files)
    assert all((tmp_path / "control" / name).stat().st_mode & 0o111 for name in package.scripts if name != "templates")
    assert f"Version: {package.version}\n" in (tmp_path / "control/control").read_text()


def test_equal_data_gives_equal_bytes() -> None:
    one, other = (Package("alpha", "1.0-1", files={"/etc/a": "a\n"}, padding_bytes=10) for _ in range(2))
    assert build(one).sha256 == build(other).sha256
    assert build(replace(one, version="1.0-2")).sha256 != build(one).sha256


def test_a_real_package_is_rebuilt_with_another_version_and_nothing_else(tmp_path: Path) -> None:
    real = build(Package("alpha", "1:2.0-3", files={"/usr/bin/alpha": "x\n"}, scripts={"postinst": "true"}))
    new = build(rebuilt(real.content, "+bench1"))
    assert new.package.version == "1:2.0-3+bench1"
    assert new.stanza.replace("+bench1", "").splitlines()[:6] == real.stanza.splitlines()[:6]
    told = {}
    for name, content in (("old", real.content), ("new", new.content)):
        file = tmp_path / f"{name}.deb"
        file.write_bytes(content)
        told[name] = [
            subprocess.run(["dpkg-deb", option, file], capture_output=True, check=True, timeout=30).stdout
            for option in ("--ctrl-tarfile", "--fsys-tarfile", "--field")
        ]
    assert told["new"][1] == told["old"][1]
    assert told["new"][2] == told["old"][2].replace(b"1:2.0-3", b"1:2.0-3+bench1")
    assert told["new"][0].count(b"postinst") == told["old"][0].count(b"postinst")
