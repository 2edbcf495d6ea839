"""Building: archives are gathered and checked first, then one host per Debian release builds what is not built yet."""

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops import terminal
from ops.errors import Failed
from ops.package import archives, host
from ops.package.releases import SOURCE, Part, Release, Releases, inputs_digest

_PACKAGING = Path(__file__).parents[2] / "packaging" / SOURCE / "debian"
_FOLDER = "source"
_UNPACK = """\
set -eu
tar --strip-components=1 -xf ../*.orig.tar.gz
for part in frontend webmcp moonbridge; do
    mkdir "$part"
    tar -C "$part" --strip-components=1 -xf "../"*".orig-$part.tar.gz"
done
"""
# One package: the symbols of a few small programs are not worth a second one.
_BUILD = ("env", "DEB_BUILD_OPTIONS=noautodbgsym", "dpkg-buildpackage", "-us", "-uc")
_LINTIAN = ("sh", "-c", "lintian --info --fail-on error,warning ../*.changes")


@dataclass(frozen=True)
class Built:
    """A package that was built, or was there already: its version, its file, and how long it took (0: it was there)."""

    version: str
    debian: str
    package: Path
    seconds: float


@dataclass(frozen=True)
class Order:
    """One package to be built: a release for one of Debian's releases; ``output`` has a folder for each of those."""

    releases: Releases
    release: Release
    debian: str
    output: Path

    @property
    def version(self) -> str:
        """The package's version."""
        return self.releases.version(self.release, self.debian)

    @property
    def folder(self) -> Path:
        """Where its files go, beside those of other versions."""
        return self.output / self.debian

    @property
    def note(self) -> Path:
        """The file that says of what the package was made; without it, it does not count."""
        return self.folder / f"{SOURCE}_{self.version}.json"

    @property
    def log(self) -> Path:
        """What the tools said."""
        return self.folder / f"{SOURCE}_{self.version}.log"

    @property
    def digest(self) -> str:
        """What it is made of."""
        return inputs_digest(self.releases, self.release, self.debian, packaging())


def packaging() -> dict[str, bytes]:
    """Return the files of our ``debian/`` by their path below it."""
    paths = [path for path in _PACKAGING.rglob("*") if path.is_file()]
    return {str(path.relative_to(_PACKAGING)): path.read_bytes() for path in paths}


def build(orders: Sequence[Order], source: str, cache: Path, *, again: bool = False) -> list[Built]:
    """Build what is not there yet, and return all that was ordered, in order.

    Args:
        orders: what is wanted.
        source: see `archives.gather`.
        cache: where downloads are kept.
        again: build also what is there.

    Raises:
        OpsError: an archive is missing or wrong (nothing is built then), or a step of the build failed.
    """
    with _alone(cache):
        known = {} if again else {order: built for order in orders if (built := find(order))}
        missing = [order for order in orders if order not in known]
        if missing:
            gathered = {order.release.name: archives.gather(order.release, source, cache) for order in missing}
            known |= _build_all(missing, gathered)
        return [known[order] for order in orders]


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Wait until no other command builds with the same *cache*: what it builds is found then."""
    cache.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(cache, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def find(order: Order) -> Built | None:
    """Return the package if it was built of the same and is whole."""
    try:
        note = json.loads(order.note.read_text(encoding="utf-8"))
        whole = {name: _sha256((order.folder / name).read_bytes()) for name in note["files"]} == note["files"]
    except (OSError, ValueError, KeyError):
        return None
    same = whole and note.get("inputs") == order.digest
    return Built(order.version, order.debian, _deb(order, note["files"]), 0) if same else None


def _build_all(orders: Sequence[Order], gathered: Mapping[str, Mapping[Part, bytes]]) -> dict[Order, Built]:
    debians = sorted({order.debian for order in orders})
    with host.hosts(debians) as lab, ThreadPoolExecutor() as pool:
        parts = [(host.Host(lab, debian), [order for order in orders if order.debian == debian]) for debian in debians]
        done = pool.map(lambda part: _build_on(part[0], part[1], gathered), parts)
        return {order: built for results in done for order, built in results.items()}


def _build_on(
    where: host.Host, orders: Sequence[Order], gathered: Mapping[str, Mapping[Part, bytes]]
) -> dict[Order, Built]:
    with terminal.progress(f"{where.name}: installing Debian's tools"):
        where.prepare()
    return {order: _build_one(where, order, gathered[order.release.name]) for order in orders}


def _build_one(where: host.Host, order: Order, parts: Mapping[Part, bytes]) -> Built:
    began = time.monotonic()
    with terminal.progress(f"{where.name}: building {order.version}") as step:
        folder = _send(where, order, parts)
        where.dependencies(folder)
        log = ""
        for word, argv in (("unpacking", ("sh", "-c", _UNPACK)), ("building", _BUILD), ("lintian", _LINTIAN)):
            step.update(word)
            log += _step(where, order, folder, argv, log)
        files = where.fetch(order.version, f"{SOURCE}_*")
        _keep(order, files, log)
    return Built(order.version, order.debian, _deb(order, files), time.monotonic() - began)


def _send(where: host.Host, order: Order, parts: Mapping[Part, bytes]) -> str:
    ours = packaging() | {"changelog": order.releases.changelog(order.release, order.debian).encode()}
    names = order.releases.upstream_names(order.release)
    files = {f"{_FOLDER}/debian/{path}": content for path, content in ours.items()}
    files |= {names[part]: content for part, content in parts.items()}
    executables = [f"{_FOLDER}/debian/{path}" for path in ours if os.access(_PACKAGING / path, os.X_OK)]
    where.unpack(order.version, files, executables)
    return f"{order.version}/{_FOLDER}"


def _step(where: host.Host, order: Order, folder: str, argv: Sequence[str], log: str) -> str:
    code, said = where.run(folder, argv)
    if code:
        order.folder.mkdir(parents=True, exist_ok=True)
        order.log.write_text(log + said, encoding="utf-8")
        raise Failed(
            f"{order.version} could not be built: {gist(said)}", host=where.name, left="no package was made",
            next_step=f"see {order.log}",
        )  # fmt: skip
    return said


def gist(said: str) -> str:
    """Return what counts of a tool's words: its first complaints, else its last lines."""
    lines = said.strip().splitlines()
    complaints = [line for line in lines if re.match(r"[EW]: |.*\b(error|Error)\b[: ]", line)]
    return " / ".join(complaints[:3] or lines[-3:])


def _keep(order: Order, files: Mapping[str, bytes], log: str) -> None:
    """Write the files, and last the note."""
    order.folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (order.folder / name).write_bytes(content)
    order.log.write_text(log, encoding="utf-8")
    note = {"inputs": order.digest, "files": {name: _sha256(content) for name, content in files.items()}}
    order.note.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def _deb(order: Order, names: Iterable[str]) -> Path:
    return order.folder / next(name for name in names if name.endswith(".deb"))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
