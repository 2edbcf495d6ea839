"""The build host: disposable, with Debian's own tools; sources go in as one stream and packages come out as another."""

import io
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ops.errors import Failed
from ops.lab import Lab

_ROOT = Path(__file__).parents[2]
_APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", "--no-install-recommends")
_TOOLS = ("build-essential", "fakeroot", "lintian")
_USER = "builder"
_MINUTES = 15


@contextmanager
def hosts(debians: Sequence[str]) -> Iterator[Lab]:
    """Give a lab of its own with one host, named ``build-RELEASE``, for each of *debians*; nothing of it stays."""
    state = Path(tempfile.mkdtemp(prefix=".lab-build-", dir=_ROOT))
    lab = Lab(state)
    try:
        lab.up({name(debian): debian for debian in debians}, owner=os.getpid())
        yield lab
    finally:
        lab.down()
        shutil.rmtree(state, ignore_errors=True)


def name(debian: str) -> str:
    """Return the name of the host that builds for Debian's release *debian*."""
    return f"build-{debian}"


class Host:
    """One build host; what is built is built by a user without rights."""

    def __init__(self, lab: Lab, debian: str) -> None:
        self._lab, self.name = lab, name(debian)

    def prepare(self) -> None:
        """Install Debian's tools and make the user."""
        self._root([*_APT[:3], "update", "-qq"])
        self._root([*_APT, "install", *_TOOLS])
        self._root(["useradd", "--create-home", _USER])

    def unpack(self, folder: str, files: Mapping[str, bytes], executables: Sequence[str]) -> None:
        """Write *files* below the user's folder *folder*; their paths are relative."""
        home = f"/home/{_USER}/{folder}"
        self._user(["mkdir", "-p", home])
        self._stream(["tar", "-C", home, "-xf", "-"], tarball(files, executables))

    def dependencies(self, folder: str) -> None:
        """Install what ``debian/control`` in *folder* asks for."""
        self._root([*_APT, "build-dep", f"/home/{_USER}/{folder}"])

    def run(self, folder: str, argv: Sequence[str]) -> tuple[int, str]:
        """Run a program as the user in *folder*, and return its exit code and all it said."""
        command = f"cd {shlex.quote(folder)} && exec 2>&1 && exec {shlex.join(argv)}"
        done = self._lab.run_on(self.name, self._as_user(["sh", "-c", command]), limit=_MINUTES * 60, check=False)
        return done.returncode, done.stdout

    def fetch(self, folder: str, pattern: str) -> dict[str, bytes]:
        """Return the files of *folder* whose names fit the shell's *pattern*."""
        content = self._stream(["sh", "-c", f"cd /home/{_USER}/{shlex.quote(folder)} && tar -cf - {pattern}"], b"")
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return {entry.name: _read(archive, entry) for entry in archive if entry.isfile()}

    def _root(self, argv: Sequence[str]) -> None:
        self._lab.run_on(self.name, argv, limit=_MINUTES * 60)

    def _user(self, argv: Sequence[str]) -> None:
        self._lab.run_on(self.name, self._as_user(argv))

    def _as_user(self, argv: Sequence[str]) -> list[str]:
        # No login shell: the home is where it begins.
        return ["runuser", "-u", _USER, "--", "env", "-C", f"/home/{_USER}", f"HOME=/home/{_USER}", *argv]

    def _stream(self, argv: Sequence[str], given: bytes) -> bytes:
        """Run *argv* as the user with bytes in and out; the lab's own way speaks text only."""
        ssh = [
            "ssh",
            "-F",
            str(self._lab.ssh_config),
            "-o",
            "BatchMode=yes",
            self.name,
            shlex.join(self._as_user(argv)),
        ]
        done = subprocess.run(ssh, input=given, capture_output=True, timeout=120, check=False)
        if done.returncode:
            raise Failed(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode().strip()}", host=self.name)
        return done.stdout


def tarball(files: Mapping[str, bytes], executables: Sequence[str] = ()) -> bytes:
    """Return a tar archive of *files*."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(str(PurePosixPath(path)))
            entry.size, entry.mode = len(content), 0o755 if path in executables else 0o644
            # A date of today: debhelper sets it back to that of the changelog, and Debian takes no files from 1970.
            entry.mtime = time.time()
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def _read(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(entry)
    return content.read() if content else b""
