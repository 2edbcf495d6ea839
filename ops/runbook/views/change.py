"""The page of one change. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ops.logbook import words
from ops.logbook.files import RESULT, RESULT_SIGNATURE, ChangeFiles, change_folder, file_bytes
from ops.logbook.judge import Added
from ops.logbook.judge_machine import TIMER, judge_machine
from ops.logbook.model import HostActions, HostResult, PackageChange, PackageResult
from ops.logbook.operators import Operators
from ops.runbook.entries import Entry, fingerprint
from ops.runbook.render import Page
from ops.runbook.summary import Summary

MANY = 20
"""Above as many hosts in a wave only what did not pass is shown of each: the rest of their checks is in the record."""


@dataclass(frozen=True)
class Row:
    """One package change, and the hosts on which it was the same."""

    package: str
    old: str
    new: str
    state: str
    advisories: tuple[str, ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Wave:
    """Hosts that were touched at the same time; 0 for those that belong to no wave."""

    number: int
    hosts: tuple[tuple[str, HostResult], ...]
    many: bool

    @property
    def checks(self) -> int:
        """How many checks passed on all its hosts."""
        return sum(check.passed for _host, result in self.hosts for check in result.checks)


@dataclass(frozen=True)
class Signature:
    """One entry as its page shows it; ``until`` is the last day of the key, ``known`` whether it is an operator's."""

    entry: Entry
    at: datetime
    known: bool
    owner: str
    since: str
    until: str


@dataclass(frozen=True)
class Machine:
    """What a timer did on ``host``, whose ``key`` signed it (no ``owner``: nobody.s), and what is wrong with that."""

    host: str
    owner: str
    timer: bool
    key: str
    wrong: tuple[str, ...]


def change_page(
    files: ChangeFiles,
    summary: Summary,
    entries: Sequence[Entry],
    later: Sequence[tuple[str, str]],
    operators: Operators,
) -> Page:
    """Return the page of a change.

    Args:
        files: what the logbook holds of it.
        summary: the same in short.
        entries: the signed commits that added its files.
        later: (relation, id) of later changes that resume it, take it back or correct it.
        operators: to whom keys belong, and how long they count.
    """
    folder, did = change_folder(files.id), machine(files, entries, operators)
    more = (words.DIGEST if files.plan else "") + (words.TIMER if did and did.owner else "")
    commands = (words.VERIFY.strip() + more).format(folder=folder, host=did.owner if did else "")
    data = {
        "files": files,
        "one": summary,
        "rows": tuple(rows(files)),
        "waves": tuple(waves(files)),
        "machine": did,
        "signatures": tuple(_signature(entry, operators) for entry in entries),
        "related": sorted(summary.links.items()),
        "later": later,
        "commands": commands,
        "folder": folder,
    }
    return Page(summary.page, "change.html", data)


def rows(files: ChangeFiles) -> Iterator[Row]:
    """Yield what changed, or is planned to: equal changes of several hosts in one row."""
    found: dict[tuple[str, str, str, str, tuple[str, ...]], list[str]] = {}
    for host, package in _packages(files):
        found.setdefault(_key(package), []).append(host)
    for key, hosts in sorted(found.items()):
        yield Row(*key, tuple(hosts))


def _packages(files: ChangeFiles) -> Iterator[tuple[str, PackageResult | PackageChange]]:
    results: Mapping[str, HostResult | HostActions] = files.record.hosts if files.record else {}
    if not files.record and files.plan:
        results = files.plan.actions.hosts
    for host, result in sorted(results.items()):
        yield from ((host, package) for package in result.packages)


def _key(package: PackageResult | PackageChange) -> tuple[str, str, str, str, tuple[str, ...]]:
    state, advisories = (package.state, package.advisories) if isinstance(package, PackageResult) else ("", ())
    name = f"{package.name}:{package.architecture}"
    return name, package.from_version or "", package.to_version or "", state, advisories


def waves(files: ChangeFiles) -> Iterator[Wave]:
    """Yield the waves of an ended change, and last the hosts that belong to none."""
    if files.record is None:
        return
    results = files.record.hosts
    named = [host for wave in files.record.waves for host in wave]
    for number, wave in enumerate(files.record.waves, start=1):
        yield _wave(number, [host for host in wave if host in results], results)
    if others := [host for host in sorted(results) if host not in named]:
        yield _wave(0, others, results)


def _wave(number: int, hosts: Sequence[str], results: Mapping[str, HostResult]) -> Wave:
    many = len(hosts) > MANY
    shown = tuple((host, _short(results[host]) if many else results[host]) for host in hosts)
    return Wave(number, shown, many)


def _short(result: HostResult) -> HostResult:
    return result.model_copy(update={"checks": tuple(check for check in result.checks if not check.passed)})


def machine(files: ChangeFiles, entries: Iterable[Entry], operators: Operators) -> Machine | None:
    """Return what a timer did and its host has signed, or should have; None for what people did."""
    record = files.record
    if record is None or not (files.result or record.command == TIMER):
        return None
    when = next((one.at for one in entries if "record.json" in one.names), record.ended.timestamp())
    parts = (("record.json", file_bytes(record)), (RESULT, files.result), (RESULT_SIGNATURE, files.result_signature))
    added = [Added("", "", name, content) for name, content in parts if content]
    found = judge_machine(files.id, added, operators, datetime.fromtimestamp(when, UTC))
    key = fingerprint(files.result_signature.strip())
    owner = operators.owner(key)
    name = owner[0].name if owner else ""
    host = name or next(iter(record.hosts), "").partition(".")[0]
    wrong = tuple(f"{one.path.rpartition('/')[2]} {one.what}" for one in found)
    return Machine(host, name, record.command == TIMER, key, wrong)


def _signature(entry: Entry, operators: Operators) -> Signature:
    owner = operators.owner(entry.fingerprint)
    name, key = (owner[0].name, owner[1]) if owner else ("", None)
    return Signature(
        entry,
        datetime.fromtimestamp(entry.at, UTC),
        owner is not None,
        name,
        f"{key.valid_from or ''}" if key else "",
        f"{key.valid_until or ''}" if key else "",
    )
