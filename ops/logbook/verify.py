"""The audit of the whole logbook: signatures, keys, history, receipts, and what the records say.

A signature says who signed. When a key counted is decided by the time at which the off-host repository received the
commit: git believes the committer's date, which its author chooses.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from ops.logbook.finding import Finding
from ops.logbook.history import tips
from ops.logbook.judge import APPROVAL_RULES
from ops.logbook.memory import Memory, keep, key_of, recall
from ops.logbook.model import Model
from ops.logbook.operators import Operators
from ops.logbook.receipts import judge_text
from ops.logbook.remote import MAIN
from ops.logbook.repository import Logbook
from ops.logbook.walk import Ground, Walk, remembered, walk

__all__ = ["Audit", "Finding", "audit"]

INDEX = "bordbuch-audit.index"
SECONDS = 600


class Audit(Model):
    """What an audit looked at, and what it found.

    ``off_host`` counts commits with a receipt (as this clone last saw them, where the off-host repository is away),
    ``not_off_host`` those without one. ``remote`` is ``checked``, ``none``, or the reason why the off-host repository was not
    compared. ``judged`` counts the commits that were read this time: the others were good when this machine read them.
    ``earlier`` counts findings from before the day that was asked for.
    """

    findings: tuple[Finding, ...]
    commits: int
    changes: int
    off_host: int
    not_off_host: int
    remote: str
    judged: int
    earlier: int = 0

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
    since: datetime | None = None,
    cold: bool = False,
) -> Audit:
    """Verify everything in *logbook* and return what was found; nothing is changed but what is fetched and remembered.

    Args:
        logbook: the clone, with its remote.
        operators: who may sign, since and until when.
        rules: which approval each category needs, as ``patch_approval`` of the inventory.
        now: for approvals that are owed; the clock's by default.
        since: findings about what was received before are only counted; None returns all.
        cold: read everything anew, whatever is remembered of an earlier audit.

    Raises:
        BadInput: no operator may sign.
        Failed: git failed, or an object is not what its name says.
    """
    key = key_of(operators, rules, logbook.remote.address)
    known = Memory(key=key) if cold else recall(logbook, key)
    with ThreadPoolExecutor(max_workers=1) as beside:  # the disk is read while the network answers
        differing = beside.submit(_differences, logbook, cold=not known.commit)
        remote = ask_remote(logbook)
        ground = ground_of(logbook, operators, rules, now or datetime.now(UTC), remote)
        around = [*judge_remote(ground, remote, known), *judge_clone(logbook, differing.result())]
    done = judged(ground, Memory(key=key) if around else known)
    if not (done.findings or around or remote.trouble):
        logbook.keep_receipts(remote.receipts)
        keep(logbook, remembered(ground, done))
    shown = done.since(since) if since else done.findings
    return Audit(
        findings=(*around, *shown),
        commits=done.base.commits + len(done.commits),
        changes=done.base.changes + len(done.fresh),
        off_host=done.base.off_host + len(done.covered),
        not_off_host=len(done.commits) - len(done.covered),
        remote=remote.trouble or ("checked" if logbook.remote.address else "none"),
        judged=len(done.commits),
        earlier=len(done.findings) - len(shown),
    )


def ground_of(
    logbook: Logbook, operators: Operators, rules: Mapping[str, str], now: datetime, remote: Remote
) -> Ground:
    """Return what an audit goes over; where the remote is away, the receipts are those that were seen last."""
    receipts = logbook.receipts_seen() if remote.trouble else remote.receipts
    compared = bool(logbook.remote.address and not remote.trouble)
    return Ground(logbook, operators, rules, now, tips(logbook.git), remote.refs.get(MAIN, ""), receipts, compared)


def judged(ground: Ground, known: Memory) -> Walk:
    """Return the walk from *known*, or where that finds anything the one from the very beginning: only that one is complete."""
    done = walk(ground, known)
    if known.commit and (done is None or done.findings):
        done = walk(ground, Memory(key=known.key))
    if done is None:
        raise AssertionError("a walk from the beginning always continues it")
    return done


def ask_remote(logbook: Logbook) -> Remote:
    """Fetch from the off-host repository and return what it says."""
    if not logbook.remote.address:
        return Remote()
    fetched = logbook.remote.fetch()
    refs, receipts = logbook.remote.refs(), logbook.remote.receipts()
    if fetched.state == "unreachable" or refs is None or receipts is None:
        return Remote(trouble=f"not compared: {fetched.reason or 'it gave no receipts'}")
    return Remote(refs=refs, receipts=receipts, rewritten=fetched.state == "rewritten")


def judge_remote(ground: Ground, remote: Remote, known: Memory) -> Iterator[Finding]:
    """Yield what is wrong with the off-host repository: rewound, other refs, receipts that were changed."""
    logbook = ground.logbook
    if not ground.compared:
        return
    if remote.rewritten or (logbook.remote.head() and not ground.head):
        words = "the off-host history is not the one that this clone saw before"
        yield Finding(rule="remote", commit=ground.head, what=words)
    for ref in remote.refs.keys() - {MAIN, "HEAD"}:
        words = f"the off-host repository has {ref}; only main belongs there"
        yield Finding(rule="remote", commit=remote.refs[ref], what=words)
    judged_before = known.text if known.fits(remote.receipts) else 0
    yield from judge_text(remote.receipts, logbook.receipts_seen(), judged_before)


def judge_clone(logbook: Logbook, differing: Iterable[str]) -> Iterator[Finding]:
    """Yield what in this clone would show a reader something else than what is committed; *differing* are git's lines of files."""
    for line in differing:
        yield Finding(rule="clone", path=line[3:], what="differs in the work tree from what is committed")
    for ref in logbook.git.run("for-each-ref", "--format=%(refname)").text.split():
        if not ref.startswith(("refs/heads/main", "refs/remotes/origin/")):
            yield Finding(rule="clone", what=f"the clone has {ref}; only main belongs there")
    for name in ("info/grafts", "shallow"):
        if (logbook.path / ".git" / name).exists():
            yield Finding(rule="clone", what=f"the clone has .git/{name}, which hides history")


def _differences(logbook: Logbook, *, cold: bool) -> list[str]:
    """Return git's lines about the work tree, by an index of the audit's own: marks in the clone's index hide nothing.

    Cold, each file is read; else only those whose size, times or inode are not as they were.
    """
    index = logbook.path / ".git" / INDEX
    if cold:
        index.unlink(missing_ok=True)
    extra = {"GIT_INDEX_FILE": str(index), "GIT_OPTIONAL_LOCKS": "1"}
    logbook.git.run("read-tree", *(["--reset", "HEAD"] if logbook.head() else ["--empty"]), extra=extra)
    done = logbook.git.run(
        "status", "--porcelain", "-z", "--ignored", "--untracked-files=all", extra=extra, limit_seconds=SECONDS
    )
    return [line for line in done.out.decode(errors="replace").split("\0") if line]
