"""Whether the files of one change agree: order, persons, digests, approval, result, page. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from ops.errors import Failed
from ops.logbook import page
from ops.logbook.canonical import is_canonical
from ops.logbook.files import EVENTS, RESULT, RESULT_SIGNATURE, START, ChangeFiles, change_folder, parse_change
from ops.logbook.finding import Finding, Rule
from ops.logbook.judge_result import judge_result
from ops.logbook.model import Approval, Plan, Start

APPROVAL_RULES = {"standard": "policy", "normal": "operator", "emergency": "operator-within-24h"}
"""Which approval a category needs where nothing else is said."""


class Added(NamedTuple):
    """A file of a change as one commit added it; *person* is the committer, who signed."""

    commit: str
    person: str
    name: str
    content: bytes


@dataclass(frozen=True)
class Change:
    """One change as the history holds it: its files parsed, and which commit added which, in order."""

    files: ChangeFiles
    added: Sequence[Added]

    def finding(self, rule: Rule, name: str, what: str) -> Finding:
        """Return a finding about the file *name*, with the commit that added it."""
        commit = next((entry.commit for entry in self.added if entry.name == name), "")
        return Finding(rule=rule, what=what, commit=commit, path=f"{change_folder(self.files.id)}/{name}")

    def place(self, name: str) -> int | None:
        """Return by which of the change's commits in order *name* came, None if it is missing."""
        commits = list(dict.fromkeys(entry.commit for entry in self.added))
        return next((commits.index(entry.commit) for entry in self.added if entry.name == name), None)

    def until(self, place: int) -> "ChangeFiles":
        """Return the files as they stood after the commit at *place*: an approval that was owed may have come later."""
        owed = self.place("approval.json")
        return self.files if owed is None or owed <= place else self.files.model_copy(update={"approval": None})


def judge_change(change: str, added: Sequence[Added], rules: Mapping[str, str], now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with *change*, whose files came as *added*, oldest first.

    Args:
        change: its id.
        added: its files in the order of the history; of a file that was modified the first counts.
        rules: which approval each category needs.
        now: for approvals that are owed.
    """
    first = list({entry.name: entry for entry in reversed(added)}.values())[::-1]
    try:
        files = parse_change(change, {entry.name: entry.content for entry in first})
    except Failed as error:
        yield Finding(rule="form", what=error.what, commit=first[0].commit, path=change_folder(change))
        return
    whole = Change(files, first)
    for judge in (_form, _order, _persons, _digests, _page):
        yield from judge(whole)
    yield from _approval(whole, rules, now)
    for name, rule, what in judge_result(files):
        yield whole.finding(rule, name, what)


def _form(change: Change) -> Iterator[Finding]:
    for entry in change.added:
        if entry.name not in ("page.md", RESULT, RESULT_SIGNATURE) and not _is_canonical(entry):
            yield change.finding("form", entry.name, "is not in canonical form")
    for name, identifier in _identifiers(change.files):
        if identifier != change.files.id:
            yield change.finding("form", name, f"is of the change {identifier}: a record that was copied")


def _is_canonical(entry: Added) -> bool:
    if not EVENTS.fullmatch(entry.name):
        return is_canonical(entry.content)
    # Each line was read as one event before, so all of them together are as canonical as each.
    *lines, rest = entry.content.split(b"\n")
    return not rest and is_canonical(b"[%s]" % b",".join(lines))


def _identifiers(files: ChangeFiles) -> Iterator[tuple[str, str]]:
    if files.plan:
        yield "plan.json", files.plan.request.id
    if files.approval:
        yield "approval.json", files.approval.id
    for start in files.starts:
        yield f"start-{start.run}.json", start.id
    if files.record:
        yield "record.json", files.record.id


def _order(change: Change) -> Iterator[Finding]:
    """Phases come in their order, none is missing in between, and nothing follows the record but what is owed."""
    names = {entry.name for entry in change.added}
    owed = bool(change.files.record and change.files.record.approval_owed_until)
    for before, after in _expected(names, owed):
        first, second = change.place(before), change.place(after)
        if first is None:
            yield change.finding("phase", after, f"is there without {before}")
        elif second is not None and first > second:
            yield change.finding("phase", before, f"came after {after}")
    if "record.json" in names and "page.md" not in names:
        yield change.finding("page", "record.json", "has no page")
    if "plan.json" not in names and not change.files.record and not change.files.starts:
        yield change.finding("phase", next(iter(sorted(names))), "is there without plan.json")
    yield from _times(change)


def _expected(names: set[str], owed: bool) -> Iterator[tuple[str, str]]:
    starts = sorted((name for name in names if START.fullmatch(name)), key=_run)
    for name in starts:
        if _run(name) > 1:
            yield f"start-{_run(name) - 1}.json", name
        if "approval.json" in names and not owed:
            yield "approval.json", name
    for name in names:
        if EVENTS.fullmatch(name):
            yield f"start-{_run(name)}.json", name
        if name not in ("record.json", "page.md") and not (owed and name == "approval.json") and "record.json" in names:
            yield name, "record.json"
        if "plan.json" in names and name != "plan.json":
            yield "plan.json", name
    if "page.md" in names:
        yield "record.json", "page.md"


def _run(name: str) -> int:
    return int(name.partition("-")[2].partition(".")[0])


def _times(change: Change) -> Iterator[Finding]:
    files, record = change.files, change.files.record
    steps = [(f"start-{start.run}.json", start.time) for start in files.starts]
    if files.plan:
        steps.insert(0, ("plan.json", files.plan.request.time))
    if record:
        steps.append(("record.json", record.ended))
    for (earlier, before), (later, after) in pairwise(steps):
        if after < before:
            yield change.finding(
                "clock", later, f"says {page.moment(after)}, before {earlier} with {page.moment(before)}"
            )


def _persons(change: Change) -> Iterator[Finding]:
    """Who signed a file is the person that it names."""
    files = change.files
    named = {f"start-{start.run}.json": start.operator for start in files.starts}
    named |= {f"events-{start.run}.jsonl": "" for start in files.starts}
    if files.plan:
        named["plan.json"] = files.plan.request.requester
    if files.approval:
        named["approval.json"] = files.approval.by
    if files.record:
        named |= {"record.json": files.record.operator, "page.md": files.record.operator}
    for entry in change.added:
        if named.get(entry.name) and entry.person != named[entry.name]:
            yield change.finding("person", entry.name, f"names {named[entry.name]} and is signed by {entry.person}")


def _digests(change: Change) -> Iterator[Finding]:
    """What was approved, begun and recorded is what was planned."""
    files, plan = change.files, change.files.plan
    if plan and plan.computed_digest() != plan.digest:
        yield change.finding(
            "digest", "plan.json", f"says digest {plan.digest}, its actions have {plan.computed_digest()}"
        )
    said: list[tuple[str, str | None]] = [(f"start-{start.run}.json", start.digest) for start in files.starts]
    if files.approval:
        said.append(("approval.json", files.approval.digest))
    if files.record:
        said.append(("record.json", files.record.digest))
    for name, digest in said:
        if digest != (plan.digest if plan else None):
            yield change.finding("digest", name, f"is about {digest}, planned was {plan.digest if plan else 'nothing'}")


def _approval(change: Change, rules: Mapping[str, str], now: datetime) -> Iterator[Finding]:
    """What was begun was allowed, in the way that its category needs, and not by who asked for it."""
    files, plan, given = change.files, change.files.plan, change.files.approval
    if plan is None:
        yield from _unplanned(change)
        return
    needs = rules[plan.request.category]
    if given:
        yield from _given(change, plan, given, needs)
    if files.starts and given is None:
        yield from _owed(change, plan, files.starts[0], needs, now)
    if files.record and files.record.approver and files.record.approver != (given.by if given else None):
        yield change.finding(
            "approval", "record.json", f"says that {files.record.approver} allowed it; no such approval"
        )


def _given(change: Change, plan: Plan, given: Approval, needs: str) -> Iterator[Finding]:
    files, record = change.files, change.files.record
    if given.verdict == "rejected" and files.starts and not (record and record.approval_owed_until):
        yield change.finding("approval", "start-1.json", f"was begun, and {given.by} had rejected it")
    if given.basis == "operator" and given.by == plan.request.requester:
        yield change.finding("approval", "approval.json", f"{given.by} allowed what {given.by} asked for")
    if given.basis == "policy" and needs != "policy":
        yield change.finding("approval", "approval.json", f"by the policy; {plan.request.category} needs an operator's")
    if given.time < plan.request.time:
        yield change.finding("clock", "approval.json", "was given before the plan was asked for")
    limit = record.approval_owed_until if record else None
    if limit and given.time > limit:
        yield change.finding("approval", "approval.json", f"came after {page.moment(limit)}, until when it was owed")


def _owed(change: Change, plan: Plan, start: Start, needs: str, now: datetime) -> Iterator[Finding]:
    name, record = f"start-{start.run}.json", change.files.record
    if needs != "operator-within-24h":
        yield change.finding("approval", name, f"was begun without the approval that {plan.request.category} needs")
    elif record and record.approval_owed_until is None:
        yield change.finding("approval", "record.json", "does not say until when its approval is owed")
    elif (now - start.time).total_seconds() > 24 * 3600:
        yield change.finding(
            "approval", name, f"its approval has been owed since {page.moment(start.time)}, more than 24 h"
        )


def _unplanned(change: Change) -> Iterator[Finding]:
    record = change.files.record
    if change.files.approval:
        yield change.finding("approval", "approval.json", "allows a plan that is not there")
    if change.files.starts and record and record.kind in ("patch", "revert"):
        yield change.finding("phase", "start-1.json", "was begun without a plan")


def _page(change: Change) -> Iterator[Finding]:
    """The page is what the record gives; one of an earlier version is taken as it is: it is signed and only added."""
    place = change.place("page.md")
    if place is None or not change.files.record:
        return
    text = next(entry.content for entry in change.added if entry.name == "page.md").decode(errors="replace")
    stated = next((line for line in text.splitlines() if line.startswith("<!-- bordbuch/page/")), "")
    if not stated or (stated == page.VERSION and text != page.render_change(change.until(place))):
        yield change.finding("page", "page.md", "is not what the record gives")
