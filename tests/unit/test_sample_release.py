"""The stand-in's archives: the same bytes each time, the layout that is built and installed, and honest about itself."""

import gzip
import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.sample_release import pack

HERE = Path(pack.__file__).parent
ARCHIVES = {(archive.part, archive.version): archive for archive in pack.archives()}


def names(archive: pack.Archive) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(archive.content), mode="r:gz") as opened:
        return set(opened.getnames())


def core(version: str) -> dict[str, str]:
    return {path: content.decode() for path, content in pack.files_of("core", version).items()}


def test_the_kept_list_is_what_the_sources_give() -> None:
    kept = (HERE / "releases.toml").read_text(encoding="utf-8")
    assert kept == pack.listing(), "python3 tests/sample_release/pack.py --list >tests/sample_release/releases.toml"


@pytest.mark.parametrize("archive", ARCHIVES.values(), ids=lambda archive: archive.top)
def test_an_archive_holds_one_folder_of_its_name(archive: pack.Archive) -> None:
    assert {name.split("/")[0] for name in names(archive)} == {archive.top}


def test_blocks_longer_than_the_format_allows_are_split() -> None:
    content = bytes(range(256)) * 1000
    assert gzip.decompress(pack.gzip_stored(content)) == content


def test_the_archives_have_what_the_package_installs() -> None:
    top = ARCHIVES["core", "4.2.2"].top
    programs = {f"{top}/{name}.c" for name in ("lf_update", "lf_update_issue_order", "lf_update_suggestion_order")}
    assert programs | {f"{top}/Makefile", f"{top}/core.sql"} <= names(ARCHIVES["core", "4.2.2"])
    assert "webmcp-v2.2.1/framework/bin/mcp.lua" in names(ARCHIVES["webmcp", "2.2.1"])
    assert {"moonbridge-v1.1.3/moonbridge.c", "moonbridge-v1.1.3/moonbridge_http.lua"} <= names(
        ARCHIVES["moonbridge", "1.1.3"]
    )


@pytest.mark.parametrize("version", pack.CORES)
def test_a_core_is_of_its_version(version: str) -> None:
    files = core(version)
    assert f"('{version}')" in files["core.sql"]
    assert [path for path, text in files.items() if re.search(r"@(from|until|end|VERSION)", text)] == []
    assert ("calculate_member_counts" in files["lf_update.c"]) == (version == "4.0.0")
    assert ("member_location_idx" in files["core.sql"]) == (version == "4.2.1")


def test_updates_are_a_graph_with_a_choice() -> None:
    steps = {tuple(re.findall(r"v([\d.]+\d)", path)) for path in core("4.2.2") if path.startswith("update/")}
    after = {end for start, end in steps if start == "4.1.0"}
    assert after == {"4.2.0", "4.2.1"}
    assert ("4.2.0", "4.2.1") in steps
    assert not [path for path in core("4.0.0") if "v4.1.0" in path]


def test_scripts_from_4_1_leave_an_incomplete_version_until_they_commit() -> None:
    scripts = {path: text for path, text in core("4.2.2").items() if "update.v4.1.0" in path}
    assert len(scripts) == 2
    for path, text in scripts.items():
        assert text.index("4.2.0-incomplete-update") < text.index("BEGIN;"), path


def test_it_says_what_it_is() -> None:
    layout = (HERE / "frontend/lib/respond.lua").read_text(encoding="utf-8")
    assert "It is not LiquidFeedback." in layout
    assert "standin = true" in pack.listing()


def test_the_program_writes_the_archives(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(HERE / "pack.py"), str(tmp_path)], check=True, timeout=30)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        f"{archive.top}.tar.gz": archive.content for archive in ARCHIVES.values()
    }


def test_the_program_says_how_it_is_used() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "pack.py")], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert "FOLDER" in done.stderr
