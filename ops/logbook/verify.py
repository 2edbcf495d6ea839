"""The audit of the whole logbook: signatures, keys, history, receipts, and what the records say.

Git says who signed. When a key counted is decided here, by the time at which the off-host repository received the
commit: git believes the committer's date, which its author chooses.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from ops.logbook.files import split_path
from ops.logbook.finding import Finding
from ops.logbook.history import Commit, read_history
from ops.logbook.judge import APPROVAL_RULES, Added, judge_change
from ops.logbook.judge_machine import judge_machine
from ops.logbook.model import Model
from ops.logbook.operators import MAY_SIGN, Operators
from ops.logbook.receipts import Receipt, judge_chain, judge_text, parse_receipts, received
from ops.logbook.remote import MAIN
from ops.logbook.repository import Logbook

__all__ = ["Audit", "Finding", "audit"]

TOLERANCE = timedelta(minutes=10)
"""How far clocks may differ; the server's hook has the same limit."""

VERDICTS = {"N": "is not signed", "B": "has a signature that is not good", "U": "is signed by a key that is nobody's"}


class Audit(Model):
    """What an audit looked at, and what it found.

    ``off_host`` counts commits with a receipt, ``not_off_host`` those without one. ``remote`` is ``checked``, ``none``,
    or the reason why the off-host repository was not compared.
    """

    findings: tuple[Finding, ...]
    commits: int
    changes: int
    off_host: int
    not_off_host: int
    remote: str

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


class Remote(Model):
    """What the off-host repository says: refs, receipts, whether its history continues what was seen before."""

    refs: Mapping[str, str] = {}
    receipts: str = ""
    rewritten: bool = False
    trouble: str = ""


def audit(
    logbook: Logbook,
    operators: Operators,
    *,
    rules: Mapping[str, str] = APPROVAL_RULES,
    now: datetime | None = None,
) -> Audit:
    """Verify everything in *logbook* and return what was found; nothing is changed but what is fetched.

    Args:
        logbook: the clone, with its remote.
        operators: who may sign, since and until when.
        rules: which approval each category needs, as ``patch_approval`` of the inventory.
        now: for approvals that are owed; the clock's by default.

    Raises:
        BadInput: no operator may sign.
        Failed: git failed.
    """
    remote = ask_remote(logbook)
    commits = {commit.id: commit for commit in read_history(logbook.git, operators.allowed_signers(validity=False))}
    receipts = parse_receipts(remote.receipts)
    covered = received(receipts, commits)
    changes = collect(logbook, commits)
    moment = now or datetime.now(UTC)
    findings = [
        *judge_remote(logbook, remote, receipts, commits),
        *judge_clone(logbook),
        *(
            found
            for commit in commits.values()
            for found in judge_commit(commit, commits, operators, covered.get(commit.id))
        ),
        *(found for change, added in sorted(changes.items()) for found in judge_change(change, added, rules, moment)),
        *(
            found
            for change, added in sorted(changes.items())
            for found in judge_machine(change, added, operators, lambda commit: received_at(commits[commit], covered))
        ),
    ]
    return Audit(
        findings=tuple(findings),
        commits=len(commits),
        changes=len(changes),
        off_host=len(covered),
        not_off_host=len(commits) - len(covered),
        remote=remote.trouble or ("checked" if logbook.remote.address else "none"),
    )


def received_at(commit: Commit, covered: Mapping[str, Receipt]) -> datetime:
    """Return when *commit* was received off-host; one that was not is taken by its own date."""
    return covered[commit.id].time if commit.id in covered else commit.dated


def ask_remote(logbook: Logbook) -> Remote:
    """Fetch from the off-host repository and return what it says."""
    if not logbook.remote.address:
        return Remote()
    fetched = logbook.remote.fetch()
    refs, receipts = logbook.remote.refs(), logbook.remote.receipts()
    if fetched.state == "unreachable" or refs is None or receipts is None:
        return Remote(trouble=f"not compared: {fetched.reason or 'it gave no receipts'}")
    return Remote(refs=refs, receipts=receipts, rewritten=fetched.state == "rewritten")


def judge_remote(
    logbook: Logbook, remote: Remote, receipts: tuple[Receipt, ...], commits: Mapping[str, Commit]
) -> Iterator[Finding]:
    """Yield what is wrong with the off-host repository: rewound, other refs, receipts that do not fit."""
    if not logbook.remote.address or remote.trouble:
        return
    head = remote.refs.get(MAIN, "")
    if remote.rewritten or (logbook.remote.head() and not head):
        yield Finding(rule="remote", commit=head, what="the off-host history is not the one that this clone saw before")
    for ref in remote.refs.keys() - {MAIN, "HEAD"}:
        yield Finding(
            rule="remote", commit=remote.refs[ref], what=f"the off-host repository has {ref}; only main belongs there"
        )
    yield from judge_text(remote.receipts, logbook.receipts_seen())
    found = list(judge_chain(receipts, commits, head))
    yield from found
    if not found:
        logbook.keep_receipts(remote.receipts)


def judge_clone(logbook: Logbook) -> Iterator[Finding]:
    """Yield what in this clone would show a reader something else than what is committed."""
    for line in logbook.git.run("status", "--porcelain", "-z").out.decode(errors="replace").split("\0"):
        if line:
            yield Finding(rule="clone", path=line[3:], what="differs in the work tree from what is committed")
    for ref in logbook.git.run("for-each-ref", "--format=%(refname)").text.split():
        if not ref.startswith(("refs/heads/main", "refs/remotes/origin/")):
            yield Finding(rule="clone", what=f"the clone has {ref}; only main belongs there")
    for name in ("info/grafts", "shallow"):
        if (logbook.path / ".git" / name).exists():
            yield Finding(rule="clone", what=f"the clone has .git/{name}, which hides history")


def judge_commit(
    commit: Commit, commits: Mapping[str, Commit], operators: Operators, receipt: Receipt | None
) -> Iterator[Finding]:
    """Yield what is wrong with one commit by itself: who signed it, with which key, when, and what it does to files."""
    yield from _judge_signature(commit, operators, receipt.time if receipt else commit.dated)
    if receipt and commit.dated > receipt.time + TOLERANCE:
        yield Finding(rule="clock", commit=commit.id, what=f"is dated {commit.dated}, after it was received")
    for parent in commit.parents:
        if parent in commits and commit.dated < commits[parent].dated - TOLERANCE:
            yield Finding(
                rule="clock", commit=commit.id, what=f"is dated {commit.dated}, before the entry that it follows"
            )
    if len(commit.parents) > 1:
        yield Finding(rule="history", commit=commit.id, what="merges two histories; the logbook has one line")
    if not commit.parents and commit.id != next(iter(commits)):
        yield Finding(rule="history", commit=commit.id, what="is a second beginning; the logbook has one line")
    if not commit.touched:
        yield Finding(rule="history", commit=commit.id, what="adds nothing")
    yield from _judge_files(commit)


def _judge_signature(commit: Commit, operators: Operators, when: datetime) -> Iterator[Finding]:
    owner = operators.owner(commit.fingerprint)
    if owner and owner[0].office not in MAY_SIGN:
        words = f"is signed by {owner[0].name}, whose office ({owner[0].office}) signs no changes"
        yield Finding(rule="key", commit=commit.id, what=words)
    elif commit.verdict != "G" or not owner:
        words = VERDICTS.get(commit.verdict, f"has no good signature (git says {commit.verdict})")
        yield Finding(rule="signature", commit=commit.id, what=f"{words} ({commit.fingerprint or 'no key'})")
    elif not owner[1].valid_at(when):
        days = f"{owner[1].valid_from or 'ever'} to {owner[1].valid_until or 'further notice'}"
        words = f"is signed by a key of {owner[0].name} that counts from {days}, not on {when:%Y-%m-%d}"
        yield Finding(rule="key", commit=commit.id, what=words)
    people = {commit.author, commit.committer, *([owner[0].name] if owner else [])}
    if len(people) > 1:
        yield Finding(
            rule="signer", commit=commit.id, what=f"author, committer and signer differ: {', '.join(sorted(people))}"
        )


def _judge_files(commit: Commit) -> Iterator[Finding]:
    acts = {"M": "modifies", "D": "deletes", "T": "changes the type of"}
    for file in commit.touched:
        if file.status != "A":
            words = f"{acts.get(file.status, file.status)} a file; records are only added"
            yield Finding(rule="history", commit=commit.id, path=file.path, what=words)
        elif file.mode != "100644":
            yield Finding(rule="form", commit=commit.id, path=file.path, what=f"is no plain file (mode {file.mode})")
        if split_path(file.path) is None:
            yield Finding(
                rule="form", commit=commit.id, path=file.path, what="is no file of a change, or in the wrong folder"
            )


def collect(logbook: Logbook, commits: Mapping[str, Commit]) -> dict[str, list[Added]]:
    """Return what was added to each change, in the order of the history; a file that came twice alike counts once."""
    plain = [(commit, file) for commit in commits.values() for file in commit.touched if file.status in "AM"]
    wanted = [(commit, file) for commit, file in plain if split_path(file.path) and file.mode == "100644"]
    contents = logbook.contents([file.blob for _, file in wanted])
    changes: dict[str, list[Added]] = {}
    seen: set[tuple[str, str]] = set()
    for (commit, file), content in zip(wanted, contents, strict=True):
        parts = split_path(file.path)
        if parts and (file.path, file.blob) not in seen:
            seen.add((file.path, file.blob))
            changes.setdefault(parts[0], []).append(Added(commit.id, commit.committer, parts[1], content))
    return changes
