"""LiquidFeedback as a Debian package."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from invoke import Context

from ops import terminal
from ops.errors import BadInput, Failed
from ops.package.build import Built, Order
from ops.package.build import build as build_orders
from ops.package.releases import NUMBERS, Releases, parse
from ops.tasks.command import command

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "packaging/liquidfeedback/releases.toml"
SAMPLE = ROOT / "tests/sample_release"
PACKAGES = ROOT / ".cache/packages"
"""One folder per Debian release. The stand-in's lie elsewhere, so that they never get into a real archive with these."""

SAMPLE_PACKAGES = ROOT / ".cache/packages-sample"
COLUMNS = ("Version", "Debian", "Size", "Built in", "File")


@command(
    help={
        "release": "bookworm or trixie; both when none is named",
        "version": "names of LiquidFeedback's releases, e.g. 4.0.0,4.2.2; the newest when none is named",
        "sources": "a folder of archives, or the address of a mirror, instead of upstream's",
        "list": "a list of releases and checksums instead of packaging/liquidfeedback/releases.toml",
        "sample": "package the stand-in release of tests/sample_release",
        "again": "build also what is built already",
    }
)
def build(
    c: Context,
    release: str = "",
    version: str = "",
    sources: str = "",
    list: str = "",
    sample: bool = False,
    again: bool = False,
) -> None:
    """Build the Debian package of LiquidFeedback in disposable lab hosts, from archives with the right checksums.

    Example: invoke package.build --release trixie --sources /srv/liquidfeedback-archives
    """
    with wanted(sources, list, sample) as (releases, source):
        chosen = releases.choose(version.split(",") if version else ())
        output = SAMPLE_PACKAGES if sample else PACKAGES
        orders = [Order(releases, one, debian, output) for debian in debians(release) for one in chosen]
        show(build_orders(orders, source, ROOT / ".cache/archives", again=again))


def build_sample(wanted_debians: Sequence[str]) -> None:
    """Build the newest stand-in release for Debian's releases that are named; what is built already stays."""
    with wanted("", "", sample=True) as (releases, source):
        orders = [
            Order(releases, one, debian, SAMPLE_PACKAGES) for debian in wanted_debians for one in releases.choose(())
        ]
        build_orders(orders, source, ROOT / ".cache/archives")


def debians(release: str) -> list[str]:
    """Return Debian's releases to build for.

    Raises:
        BadInput: it is none that the packaging knows.
    """
    if release and release not in NUMBERS:
        raise BadInput(f"{release!r} is no release to build for", next_step=f"use {' or '.join(NUMBERS)}")
    return [release] if release else [*NUMBERS]


@contextmanager
def wanted(sources: str, listed: str, sample: bool) -> Iterator[tuple[Releases, str]]:
    """Give the list of releases and where their archives are.

    Raises:
        BadInput: --sample with another source, or a list that cannot be read.
    """
    if sample and (sources or listed):
        raise BadInput("--sample brings its own archives and checksums", next_step="leave --sources and --list out")
    releases = parse(read(Path(listed) if listed else SAMPLE / "releases.toml" if sample else LIST))
    if not sample:
        yield releases, sources or os.environ.get("LIQUIDFEEDBACK_SOURCES", "") or releases.base_url
        return
    with tempfile.TemporaryDirectory(prefix="sample-release-") as folder:
        pack(Path(folder))
        yield releases, folder


def read(path: Path) -> str:
    """Return the text of a list of releases.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"the list of releases cannot be read: {error}") from error


def pack(folder: Path) -> None:
    """Pack the stand-in's archives into *folder*.

    Raises:
        Failed: it could not.
    """
    argv = [sys.executable, str(SAMPLE / "pack.py"), str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise Failed(f"the stand-in could not be packed: {done.stderr.strip()}")


def show(packages: list[Built]) -> None:
    """Print what there is now."""
    rows = [
        (
            built.version, built.debian, f"{built.package.stat().st_size / 1024:.0f} KiB",
            f"{built.seconds:.0f} s" if built.seconds else "was there", str(built.package.relative_to(ROOT)),
        )
        for built in packages
    ]  # fmt: skip
    terminal.table("Packages", COLUMNS, rows)
    terminal.say(
        f"To publish them: archive_packages: {packages[0].package.parents[1]}, then invoke deploy --tags archive"
    )
