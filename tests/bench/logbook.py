"""A logbook of ten years with real signatures and receipts, and what an audit of it costs.

usage: python -m tests.bench.logbook [--changes 10000] [--hosts 200] [--seed 1] [--keep FOLDER]
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

from ops.logbook import index
from ops.logbook.files import change_folder
from ops.logbook.objects import object_id
from ops.logbook.operators import Key, Operators
from ops.logbook.repository import Logbook, Signer
from ops.logbook.tree import Tree, touch
from ops.logbook.verify import Audit, audit
from tests.bench.fleet import PEOPLE, Step
from tests.bench.signing import Signing, signed_commit
from tests.bench.tenyears import history

ROLE = Path(__file__).resolve().parents[2] / "roles" / "logbook" / "files"
REMOTE = "logbook@backup1:logbook.git"
NONE = "0" * 40
Result = TypeVar("Result")
GIT, COLD, ONE = "git log --format=%G?", "audit, cold", "audit, one new record"
FIND = "changes with an advisory"
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
    keys = keys_of(seed)
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


def keys_of(seed: int) -> dict[str, Signing]:
    """Return each operator's key."""
    return {name: Signing(f"{seed} {name}".encode()) for name in (*PEOPLE, "carl")}


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


def main() -> None:
    """Make the logbook, measure, print a table and whether the targets are met."""
    with asked_for(str(__doc__)) as (made, _options, _scratch):
        for line in table(measured(made)):
            print(line)


@contextmanager
def asked_for(about: str) -> Iterator[tuple[Made, argparse.Namespace, Path]]:
    """Yield the logbook that the command line asks for, what it asks for, and a folder that goes afterwards."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, help="make the logbook in this folder and leave it there; one that is there is used"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch) / "made"
        made = found_or_made(folder, options.changes, options.hosts, options.seed)
        print(f"a logbook of {options.changes} changes on {options.hosts} hosts")
        yield made, options, Path(scratch)


def found_or_made(folder: Path, changes: int, hosts: int, seed: int) -> Made:
    """Return the logbook in *folder*, made if it is not there."""
    if (folder / "clone").exists():
        return Made(folder, _operators(keys_of(seed), folder))
    return make_logbook(folder, changes, hosts, seed)


@dataclass(frozen=True)
class Cost:
    """What something took: seconds by the clock, and of processors (which other programs on this machine change less)."""

    clock: float
    processors: float

    def __str__(self) -> str:
        return f"{self.clock:.2f} s | {self.processors:.2f} s"


def measured(made: Made) -> dict[str, Cost]:
    """Return the cost of each thing that is measured."""
    costs: dict[str, Cost] = {}
    logbook = timed(costs, "open the clone", made.clone)
    timed(costs, GIT, lambda: git_verdicts(made))
    cold = timed(costs, COLD, lambda: clean(audit(logbook, made.operators, cold=True)))
    print(f"{cold.commits} signed commits")
    timed(costs, "audit, nothing new", lambda: clean(audit(logbook, made.operators)))
    add_one(made)
    one = timed(costs, ONE, lambda: clean(audit(logbook, made.operators)))
    assert (one.judged, one.commits) == (2, cold.commits + 2)
    timed(costs, "make the index", lambda: index.ended(logbook))
    advisory = some_advisory(logbook)
    found = timed(costs, FIND, lambda: list(index.records(logbook, index.ended(logbook, advisory=advisory))))
    assert found
    return costs


def timed(costs: dict[str, Cost], name: str, act: Callable[[], Result]) -> Result:
    """Return what *act* returns, and note what it took as *name*."""
    clock, processors = time.monotonic(), processor_seconds()
    result = act()
    costs[name] = Cost(time.monotonic() - clock, processor_seconds() - processors)
    return result


def processor_seconds() -> float:
    """Return what this process, those below it that run still, and all that these waited for took of the processors."""
    stats = [
        Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split() for process in _with_children(os.getpid())
    ]
    return sum(int(ticks) for stat in stats for ticks in stat[11:15]) / os.sysconf("SC_CLK_TCK")


def _with_children(process: int) -> Iterator[int]:
    yield process
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        for child in listed.read_text().split():
            yield from _with_children(int(child))


def git_verdicts(made: Made) -> None:
    """Have git verify every signature: what an audit of one's own would have to compare with."""
    signers = made.folder / "signers"
    lines = [f'{name} namespaces="git" {key.public}\n' for name, key in keys_of_operators(made)]
    signers.write_text("".join(lines))
    settings = ["-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers}"]
    command = ["git", "-C", str(made.folder / "clone"), *settings, "log", "--format=%G?", "main"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=_environment())
    assert set(done.stdout.split()) == {"G"}


def keys_of_operators(made: Made) -> Iterator[tuple[str, Key]]:
    return (
        (person.name, key) for person in made.operators.all for key in person.keys if person.office == "administration"
    )


def clean(found: Audit) -> Audit:
    """Return *found*, which must have found nothing."""
    assert found.good, found.findings[:5]
    assert found.remote == "checked"
    return found


def add_one(made: Made) -> None:
    """Add a backup as its command does, signed by ssh-keygen, and send it; a logbook that was kept may have some of them."""
    there = {PurePosixPath(path).parent.name for path in made.clone().blobs()}
    steps = [
        step for step in history(40, 5, 99) if step.message.endswith(": by the timer") and step.change not in there
    ]
    ends = {step.change: step for step in history(40, 5, 99) if "record.json" in step.files}
    for step in (steps[0], ends[steps[0].change]):
        logbook = made.clone(step.person)
        logbook.add(
            {f"{change_folder(step.change)}/{name}": content for name, content in step.files.items()}, step.message
        )
    assert logbook.push().state == "pushed"


def some_advisory(logbook: Logbook) -> str:
    """Return an advisory that a change in the middle of the history closed."""
    changes = index.ended(logbook)
    for record in index.records(logbook, changes[len(changes) // 2 :]):
        for result in record.hosts.values():
            for package in result.packages:
                return package.advisories[0]
    raise AssertionError("nothing was ever patched")


def table(costs: dict[str, Cost]) -> Iterator[str]:
    """Yield the costs, and the targets with whether they are met."""
    yield from ("| | by the clock | of processors |", "|---|---|---|")
    yield from (f"| {name} | {cost} |" for name, cost in costs.items())
    cold, git = costs[COLD], costs[GIT]
    share = f"{cold.clock / git.clock:.3f}, of processors {cold.processors / git.processors:.3f}"
    for words, met in (
        (f"cold ≤ a tenth of git log: {share}", cold.clock <= git.clock / 10),
        (f"one new record < 1 s: {costs[ONE].clock:.2f} s", costs[ONE].clock < 1),
        (f"an advisory < 0.5 s: {costs[FIND].clock:.2f} s", costs[FIND].clock < 0.5),
    ):
        yield f"{'met' if met else 'MISSED'}: {words}"


if __name__ == "__main__":
    main()
