"""A logbook with its server, without a network: real keys, hooks and logbook-shell behind what stands for ssh."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops.logbook.canonical import digest
from ops.logbook.files import change_folder, events_bytes, file_bytes, parse_change
from ops.logbook.model import (
    Actions,
    Approval,
    Check,
    Event,
    HostActions,
    HostResult,
    Model,
    PackageChange,
    PackageResult,
    Plan,
    Record,
    Request,
    Start,
)
from ops.logbook.operators import Operators
from ops.logbook.page import render_change
from ops.logbook.repository import Logbook, Signer
from ops.logbook.verify import Audit, audit

ROLE = Path(__file__).resolve().parents[2] / "roles" / "logbook" / "files"
NOW = datetime(2026, 11, 25, 23, 0, tzinfo=UTC)
ID = "2026-11-25-2300-k7xq"
OFFICES = {
    "anna": "administration", "bert": "administration", "carl": "clearing", "dora": "administration", "backup1": "timer",
}  # fmt: skip
SSH = """#!{python}
import os, sys
if "-G" in sys.argv:
    sys.exit(1)
os.environ["SSH_ORIGINAL_COMMAND"] = sys.argv[-1]
os.execv({shell!r}, [{shell!r}, sys.argv[1], {home!r}])
"""


class World:
    """Operators with keys, the server's side in ``server/``, and a clone for whoever asks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.server = folder, folder / "server"
        fresh = not self.server.exists()
        for name in [*OFFICES, "mallory"] if fresh else []:
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
            subprocess.run(command, check=True)
        self.ssh = folder / "ssh"
        self.ssh.write_text(SSH.format(python=sys.executable, shell=str(ROLE / "logbook-shell"), home=str(self.server)))
        self.ssh.chmod(0o755)
        self.operators = self.with_keys()
        if fresh:
            self._serve()

    def copy(self, folder: Path) -> "World":
        """Return the same world again in *folder*."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        return World(folder)

    def with_keys(self, **changes: Mapping[str, str]) -> Operators:
        """Return the operators, with *changes* of the validity of somebody's key (``anna={"valid_until": …}``)."""
        entries = [
            {"name": name, "office": office, "keys": [{"file": f"{name}.pub", **changes.get(name, {})}]}
            for name, office in OFFICES.items()
        ]
        return Operators.parse(entries, self.folder)

    def _serve(self) -> None:
        repository = self.server / "logbook.git"
        run(self.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(repository))
        shutil.rmtree(repository / "hooks")
        (repository / "hooks").symlink_to(ROLE)
        (self.server / "receipts").touch()
        self.trust(self.operators)

    def trust(self, operators: Operators) -> None:
        """Make the server take what *operators* sign."""
        (self.server / "allowed_signers").write_text(operators.allowed_signers())

    def clone(self, who: str = "anna", name: str = "clone") -> Logbook:
        """Return the clone *name*, opened by *who*."""
        signer = Signer(who, self.folder / who)
        remote, ssh = "logbook@backup1:logbook.git", f"{self.ssh} {who}"
        return Logbook.open(self.folder / name, remote, signer, self.operators.allowed_signers(), ssh)

    def receipts(self) -> list[str]:
        """Return the lines of the server's receipts."""
        return (self.server / "receipts").read_text().splitlines()

    def audit(self, operators: Operators | None = None, now: datetime = NOW) -> Audit:
        """Return what an audit of anna's clone says that goes on from what was remembered: the same as one that does not."""
        warm = audit(self.clone(), operators or self.operators, now=now)
        cold = audit(self.clone(), operators or self.operators, now=now, cold=True)
        assert warm.model_copy(update={"judged": cold.judged}) == cold
        return warm


def run(folder: Path, *arguments: str, stdin: bytes = b"", **environment: str) -> str:
    """Run git as a hostile person would, without the logbook's code, and return what it prints."""
    clean = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", **environment}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, **clean},
    )
    if done.returncode:
        raise GitError(done.returncode, done.stderr.decode())
    return done.stdout.decode().strip()


class GitError(Exception):
    """How git ended, and what it said."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code = code


def forge(
    world: World,
    files: Mapping[str, bytes | None],
    *,
    parents: tuple[str, ...] | None = None,
    signer: str | None = "anna",
    committer: str = "anna",
    author: str = "",
    mode: str = "100644",
    date: str = "",
    clone: str = "clone",
) -> str:
    """Make a commit that the logbook's own code never makes, and return its id; a content of None deletes the file."""
    folder = world.folder / clone
    index = {"GIT_INDEX_FILE": str(world.folder / "forged-index")}
    parents = (run(folder, "rev-parse", "main"),) if parents is None else parents
    run(folder, "read-tree", *(parents[:1] or ["--empty"]), **index)
    for path, content in files.items():
        if content is None:
            run(folder, "rm", "--cached", "--quiet", path, **index)
        else:
            blob = run(folder, "hash-object", "-w", "--stdin", stdin=content)
            run(folder, "update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", **index)
    tree = run(folder, "write-tree", **index)
    people = {
        "GIT_COMMITTER_NAME": committer,
        "GIT_COMMITTER_EMAIL": f"{committer}@bordbuch.invalid",
        "GIT_AUTHOR_NAME": author or committer,
        "GIT_AUTHOR_EMAIL": f"{author or committer}@bordbuch.invalid",
        **({"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date} if date else {}),
    }
    key = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={world.folder / signer}"] if signer else []
    chain = [part for parent in parents for part in ("-p", parent)]
    return run(folder, *key, "commit-tree", *(["-S"] if signer else []), *chain, tree, stdin=b"forged", **people)


def take(world: World, commit: str, clone: str = "clone") -> None:
    """Put the forged *commit* into the clone as its newest, and its files into the work tree."""
    run(world.folder / clone, "update-ref", "refs/heads/main", commit)
    run(world.folder / clone, "reset", "--hard", "--quiet")


def path(name: str, change: str = ID) -> str:
    """Return the path of the file *name* of *change*."""
    return f"{change_folder(change)}/{name}"


def package(name: str = "openssl") -> PackageChange:
    """Return an update of *name* from 1 to 2."""
    return PackageChange(
        name=name,
        architecture="amd64",
        from_version="1",
        to_version="2",
        origin="Debian",
        archive="stable-security",
        file=f"{name}_2_amd64.deb",
        sha256="a" * 64,
        size_bytes=1000,
        security=True,
    )


def change(
    identifier: str = ID, *, category: str = "standard", by: str = "anna", reason: str = "security"
) -> dict[str, Model]:
    """Return the phases of a verified change of two hosts, by file name; the events are those of ``events``."""
    plan = _plan(identifier, category, reason)
    approval = Approval(
        id=identifier,
        digest=plan.digest,
        verdict="approved",
        basis="policy" if by == "anna" else "operator",
        by=by,
        reason="yes",
        time=NOW + timedelta(minutes=1),
    )
    start = Start(
        id=identifier,
        run=1,
        digest=plan.digest,
        operator="anna",
        controller="laptop",
        time=NOW + timedelta(minutes=2),
        command="invoke patch",
    )
    return {"plan.json": plan, "approval.json": approval, "start-1.json": start, "record.json": _record(plan, by)}


def _plan(identifier: str, category: str, reason: str) -> Plan:
    actions = Actions(
        kind="patch",
        selection="security",
        waves=(("app1",), ("db1",)),
        hosts={
            host: HostActions(release="trixie", reboot="never", packages=(package(), package("libssl3")))
            for host in ("app1", "db1")
        },
    )
    request = Request(
        id=identifier,
        kind="patch",
        category=category,
        reason=reason,
        requester="anna",
        controller="laptop",
        time=NOW,
        command="invoke patch",
        inventory="lab",
        inventory_digest="0" * 64,
        tools={"git": "2.39"},
    )
    return Plan(request=request, actions=actions, digest=digest(actions.model_dump(mode="json")), observations={})


def _record(plan: Plan, approver: str) -> Record:
    request = plan.request
    return Record(
        id=request.id,
        kind="patch",
        category=request.category,
        reason=request.reason,
        outcome="verified",
        digest=plan.digest,
        requester="anna",
        approver=approver,
        operator="anna",
        controller="laptop",
        started=NOW,
        ended=NOW + timedelta(minutes=9),
        seconds={"window": 60},
        waves=plan.actions.waves,
        hosts=dict.fromkeys(plan.actions.hosts, _result()),
    )


def _result() -> HostResult:
    packages = tuple(
        PackageResult(
            name=name,
            architecture="amd64",
            from_version="1",
            to_version="2",
            state="installed",
            advisories=("CVE-2026-1234",),
        )
        for name in ("openssl", "libssl3")
    )
    return HostResult(state="verified", packages=packages, checks=(Check(name="package versions", passed=True),))


def events() -> bytes:
    """Return the events of a run on both hosts."""
    when = NOW + timedelta(minutes=5)
    return events_bytes(
        Event(time=when, type="result", task="install", action="patch_wait", host=host, status="changed")
        for host in ("app1", "db1")
    )


def with_page(identifier: str, phases: Mapping[str, Model]) -> dict[str, bytes]:
    """Return the record of *phases* and its page, as they are added together."""
    contents = {name: file_bytes(phase) for name, phase in phases.items()} | {"events-1.jsonl": events()}
    page = render_change(parse_change(identifier, contents))
    return {path("record.json", identifier): contents["record.json"], path("page.md", identifier): page.encode()}


def record_change(
    world: World, phases: Mapping[str, Model] | None = None, identifier: str = ID, clone: str = "clone"
) -> None:
    """Add a whole change as its commands do: one commit a phase, each by the person that it names, then push."""
    phases = phases or change(identifier)
    for name in ("plan.json", "approval.json", "start-1.json"):
        if name in phases:
            who = getattr(phases[name], "by", "anna")
            world.clone(who, clone).add({path(name, identifier): file_bytes(phases[name])}, f"{identifier}: {name}")
    world.clone("anna", clone).add({path("events-1.jsonl", identifier): events()}, f"{identifier}: events")
    if "record.json" in phases:
        world.clone("anna", clone).add(with_page(identifier, phases), f"{identifier}: verified")
    world.clone("anna", clone).push()
