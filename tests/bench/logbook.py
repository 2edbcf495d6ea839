"""A logbook of ten years with real signatures and receipts, and what an audit of it costs.

usage: python -m tests.bench.logbook [--changes 10000] [--hosts 200] [--seed 1] [--keep FOLDER]
"""

import hashlib
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from ops.logbook.files import change_folder
from ops.logbook.objects import object_id
from ops.logbook.operators import Operators
from ops.logbook.repository import Logbook, Signer
from ops.logbook.tree import Tree, touch
from tests.bench.signing import Signing, signed_commit
from tests.bench.tenyears import PEOPLE, Step, history

ROLE = Path(__file__).resolve().parents[2] / "roles" / "logbook" / "files"
REMOTE = "logbook@backup1:logbook.git"
NONE = "0" * 40
CLEAN = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
SSH = """#!{python}
import os, sys
if "-G" in sys.argv:
    sys.exit(1)
os.environ["SSH_ORIGINAL_COMMAND"] = sys.argv[-1]
os.execv({shell!r}, [{shell!r}, sys.argv[1], {home!r}])
"""
"""Stands for ssh: the server's own logbook-shell, on this machine."""


@dataclass(frozen=True)
class Made:
    """A logbook with its server, as an operator's machine has it: the clone is in ``folder/clone``."""

    folder: Path
    operators: Operators

    def clone(self, who: str = "anna", name: str = "clone") -> Logbook:
        """Return the clone *name*, opened by *who*; one that is not there yet is fetched."""
        ssh = f"{self.folder / 'ssh'} {who}"
        signer = Signer(who, self.folder / who)
        return Logbook.open(self.folder / name, REMOTE, signer, self.operators.allowed_signers(), ssh)


def make_logbook(path: Path, changes: int = 50, hosts: int = 5, seed: int = 1) -> Made:
    """Make a logbook of *changes* in the folder *path*, with server, receipts and operators, and return it.

    Args:
        path: an empty folder, or none yet.
        changes: how many there are; they spread over ten years where there are 10,000, over one year at least.
        hosts: how many hosts the fleet has.
        seed: the same seed gives the same logbook, to the last commit id.
    """
    path.mkdir(parents=True, exist_ok=True)
    keys = {name: Signing(f"{seed} {name}".encode()) for name in (*PEOPLE, "carl")}
    for name, key in keys.items():
        (path / f"{name}.pub").write_text(f"{key.public}\n")
        (path / name).write_bytes(key.file)
        (path / name).chmod(0o600)
    made = Made(path, _operators(keys, path))
    (path / "ssh").write_text(
        SSH.format(python=sys.executable, shell=str(ROLE / "logbook-shell"), home=str(path / "server"))
    )
    (path / "ssh").chmod(0o755)
    repository = path / "server" / "logbook.git"
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(repository)], check=True, env=_environment()
    )
    _link_hooks(repository)
    (path / "server" / "allowed_signers").write_text(made.operators.allowed_signers())
    receipts = _write(repository, history(changes, hosts, seed), keys)
    (path / "server" / "receipts").write_text("".join(f"{line}\n" for line in receipts))
    made.clone()
    return made


def _operators(keys: dict[str, Signing], path: Path) -> Operators:
    offices = {"carl": "clearing"}
    return Operators.parse(
        [
            {"name": name, "office": offices.get(name, "administration"), "keys": [{"public": key.public}]}
            for name, key in keys.items()
        ],
        path,
    )


def _link_hooks(repository: Path) -> None:
    for sample in (repository / "hooks").glob("*"):
        sample.unlink()
    (repository / "hooks").rmdir()
    (repository / "hooks").symlink_to(ROLE)


def _environment() -> dict[str, str]:
    return {**os.environ, **CLEAN}


def _write(repository: Path, steps: Iterator[Step], keys: dict[str, Signing]) -> list[str]:
    """Write *steps* as signed commits and return the receipts.

    fast-import writes contents and folders (it packs folders well, and knows no signatures); commits come in a pack of their own.
    """
    importing = ["git", "-C", str(repository), "fast-import", "--quiet"]
    commits: list[bytes] = []
    receipts: list[str] = []
    tip, sent, tree = NONE, NONE, Tree.empty()
    with subprocess.Popen(importing, stdin=subprocess.PIPE, env=_environment()) as process:
        stream = process.stdin
        assert stream is not None
        for step in steps:
            files = {f"{change_folder(step.change)}/{name}": content for name, content in sorted(step.files.items())}
            _import(stream, files)
            blobs = [(name, "100644", object_id("blob", content)) for name, content in files.items()]
            tree = touch(tree, blobs, lambda _tree: b"")
            commits.append(_commit(step, tree.id, tip, keys[step.person]))
            tip = object_id("commit", commits[-1])
            if step.sent:
                receipts.append(f"{step.time + timedelta(seconds=4):%Y-%m-%dT%H:%M:%SZ} {step.person} {sent} {tip}")
                sent = tip
        stream.close()
        assert process.wait() == 0
    if sent != tip:
        receipts.append(f"{step.time + timedelta(seconds=9):%Y-%m-%dT%H:%M:%SZ} {step.person} {sent} {tip}")
    indexing = ["git", "-C", str(repository), "index-pack", "--stdin"]
    subprocess.run(indexing, input=b"".join(_pack(commits)), check=True, capture_output=True, env=_environment())
    subprocess.run(["git", "-C", str(repository), "update-ref", "refs/heads/main", tip], check=True, env=_environment())
    subprocess.run(
        ["git", "-C", str(repository), "update-ref", "-d", "refs/heads/import"], check=True, env=_environment()
    )
    return receipts


def _import(stream: IO[bytes], files: dict[str, bytes]) -> None:
    """Have fast-import write *files* and their folders; its own commit is thrown away."""
    stream.write(b"commit refs/heads/import\ncommitter x <x> 0 +0000\ndata 0\n")
    for name, content in files.items():
        stream.write(b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(content), content))
    stream.write(b"\n")


def _commit(step: Step, tree: str, parent: str, key: Signing) -> bytes:
    who = f"{step.person} <{step.person}@bordbuch.invalid> {round(step.time.timestamp())} +0000"
    lines = [f"tree {tree}", *([f"parent {parent}"] if parent != NONE else []), f"author {who}", f"committer {who}"]
    payload = "\n".join([*lines, "", step.message, ""]).encode()
    return signed_commit(payload, key.sign(payload))


def _pack(commits: Sequence[bytes]) -> Iterator[bytes]:
    """Yield *commits* as a pack (gitformat-pack(5)), version 2, undeltified."""
    digest = hashlib.sha1(usedforsecurity=False)
    for part in (b"PACK" + (2).to_bytes(4, "big") + len(commits).to_bytes(4, "big"), *map(_packed, commits)):
        digest.update(part)
        yield part
    yield digest.digest()


def _packed(content: bytes) -> bytes:
    size, head = len(content), bytearray()
    byte, size = 1 << 4 | size & 15, size >> 4
    while size:
        head.append(byte | 128)
        byte, size = size & 127, size >> 7
    head.append(byte)
    return bytes(head) + zlib.compress(content)
