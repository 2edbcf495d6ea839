"""The site: which of its pages are to be made anew, and making them.

A build looks for changes whose files the store does not know; records are never rewritten, so all others are as they were. Pages
about one change are written when it is read; pages about many (a month, a host, an advisory's month) when one of theirs was read;
the few about everything are made each time and written where what they show has changed.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ops.docs.site import parts
from ops.errors import BadInput
from ops.inventory import Inventory
from ops.logbook.operators import Operators
from ops.logbook.repository import Logbook
from ops.logbook.verify import Audit
from ops.runbook import reading
from ops.runbook.crew import Crew, uncollected
from ops.runbook.entries import Span, added_since, read_entries, spans
from ops.runbook.language import LANGUAGES
from ops.runbook.prints import Later, Shelf, parts_of
from ops.runbook.procedures import read_modules, read_procedures
from ops.runbook.reading import Blobs, Read, Reader, Work, listed, unlisted
from ops.runbook.render import Page, PdfLinks
from ops.runbook.store import NAME, Store
from ops.runbook.summary import Summary
from ops.runbook.tracker import read_tracker
from ops.runbook.views import backups, hosts, log, organisation, overview, runbooks, vulnerabilities
from ops.runbook.world import World, groups_of, promise_of
from ops.runbook.writing import AdvisoryMonth, Batch, Keys, write, write_advisory_month, write_batch, write_page

HERE = Path(__file__).parent
ASSETS = ("style.css", "site.js")
SHARED = ("model.py", "words.py", "files.py", "operators.py", "rawcommit.py", "sshsig.py", "judge_machine.py")
"""Files of the logbook's room by which pages are made, too."""
COMMITS = 5000
"""How many of them are read at once."""

PAGES = 500
"""Pages of months and hosts that one process is given at once: a change that many of them show is sent and laid out once."""

Months = Mapping[str, Sequence[Summary]]
"""The changes of each month, the newest first."""

MADE = ("changes", "hosts", "runbooks", "vulnerabilities")
"""Folders of the site; beside them only pages lie in it."""


@dataclass(frozen=True)
class Job:
    """What a site is to be made from, and where.

    ``root`` is the checkout with playbooks and roles; ``since`` a day (``2026-11-01``) before which changes are left out, empty for
    none; ``audit`` what an audit found just now, None if none was made; ``tracker`` the file with the data of Debian's security
    tracker, None if that is not at hand. ``tip`` is the commit up to which the logbook is read, empty for its newest; ``only`` are
    the changes to show, whatever their days, None for all; ``pdf`` says whether PDFs are made.
    """

    folder: Path
    root: Path
    logbook: Logbook
    inventory: Inventory
    operators: Operators
    languages: tuple[str, ...] = LANGUAGES
    since: str = ""
    audit: Audit | None = None
    tracker: Path | None = None
    tip: str = ""
    only: frozenset[str] | None = None
    pdf: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Built:
    """What a build did: changes in the site, of which read now; pages written; PDFs made."""

    changes: int
    read: int
    written: int
    printed: int = 0


@dataclass
class Touched:
    """What a build has to make anew besides the pages about everything."""

    months: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    advisories: set[str] = field(default_factory=set)

    def add(self, read: Read) -> None:
        """Note what the change that was *read* is about."""
        self.months.add(read.id[:7])
        self.hosts |= {*read.hosts, *(look[0] for look in read.rows.looks)}
        self.advisories |= {exposure[0] for exposure in read.rows.exposures}


def build(job: Job) -> Built:
    """Make the site of *job*, or bring it up to date.

    Raises:
        BadInput: the folder holds something else.
        Failed: a record cannot be read, or another build holds the site.
    """
    claim(job.folder)
    with uncollected(), Store.open(job.folder) as store, Crew.of(job.languages) as crew:
        return Build(job, store, crew).run()


def claim(folder: Path) -> None:
    """Make *folder*, or see that it is empty or a site.

    Raises:
        BadInput: it holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / NAME).exists():
        raise BadInput(
            f"{folder} is not empty, and holds no site of ours",
            left="it was left as it is",
            next_step="name another --to",
        )
    folder.mkdir(parents=True, exist_ok=True)


class Build:
    """One build, with the store of its site held."""

    def __init__(self, job: Job, store: Store, crew: Crew) -> None:
        self.job, self.store, self.crew = job, store, crew
        self.reader = Reader(job.logbook, job.operators, job.folder)
        self.tip = job.tip or job.logbook.head()
        self.shelf = Shelf(job.folder, store, job.languages, job.pdf)
        self.written = 0
        self.kept: set[str] = set()
        self.given: list[Iterable[Keys]] = []

    def run(self) -> Built:
        """Make what is to be made, and say what was done."""
        added = self._begin()
        known = self.store.known()
        new = reading.changes_in(added, self.job.since, self.job.only)
        fresh = {change: {**unlisted(known.get(change, "")), **new[change]} for change in sorted(new)}
        touched = self._read(fresh) if fresh else Touched()
        months = self.store.advisory_months()
        self._advisories(months, touched.advisories)
        summaries = self.store.summaries()
        later = _later(summaries)
        spoken = self._speak_of_later(fresh, known, later)
        world = self._world(summaries)
        self._pages([vulnerabilities.index(world, months)])
        self._write_pages(world, touched, later)
        self._assets()
        self._end(spoken)
        printed = self.shelf.fill(self.reader, later)
        self.store.note("head", self.tip)
        return Built(len(summaries), len(fresh), self.written, printed)

    def _open(self) -> set[str]:
        return {one.advisory for one in self.store.open_exposures()}

    def _begin(self) -> dict[str, str]:
        """Return the files (path → blob) that are not in the site yet.

        These are all where the site was made by other programs, for other readers or from another history: then it is made anew.
        """
        version = version_of(self.job)
        continues = self.store.noted("version") == version
        added = added_since(self.job.logbook, self.store.noted("head"), self.tip) if continues else None
        if added is None:
            self._remove()
        self.store.note("version", version)
        self.store.note("inventory", str(self.job.inventory.path.resolve()))
        tracker = str(self.job.tracker.resolve()) if self.job.tracker else ""
        options = {"languages": self.job.languages, "since": self.job.since, "tracker": tracker}
        self.store.note("options", json.dumps(options))
        return self.job.logbook.blobs(self.tip) if added is None else added

    def _remove(self) -> None:
        """Remove every page, and forget what was read."""
        for path in (*self.job.folder.glob("*.html"), *self.job.folder.glob("*.pdf")):
            path.unlink()
        for name in MADE:
            with suppress(FileNotFoundError):
                shutil.rmtree(self.job.folder / name)
        self.store.clear()

    def _read(self, fresh: Mapping[str, Blobs]) -> Touched:
        """Read the *fresh* changes and write their pages; an advisory that opened or closed by that is touched, too."""
        before = self._open()
        if len(fresh) >= reading.FEW:
            self.crew.call()
        span = Span(self.job.logbook, self.store.noted("head"), self.tip)
        for entries in self.crew.each(read_entries, spans(span, COMMITS)):
            self.store.add_entries(entries)
        touched = Touched()
        wanted = Work(self.reader, fresh, self.store.entries(fresh), {})
        for done in self.crew.each(reading.work, reading.parts_of(wanted)):
            for read in done:
                touched.add(read)
            self.store.put([(read.id, listed(fresh[read.id]), read.summary, read.rows) for read in done])
        self.written += len(fresh)
        touched.advisories |= before ^ self._open()
        return touched

    def _speak_of_later(
        self, fresh: Mapping[str, Blobs], known: Mapping[str, str], later: Later
    ) -> Iterable[Sequence[Read]]:
        """Have the pages written again that say what later changes did to theirs, where either of both is new."""
        blobs = {
            change: fresh.get(change) or unlisted(known.get(change, ""))
            for change, speakers in sorted(later.items())
            if change in fresh or any(one in fresh for _relation, one in speakers)
        }
        wanted = {change: names for change, names in blobs.items() if names}
        return self.crew.each(
            reading.work, reading.parts_of(Work(self.reader, wanted, self.store.entries(wanted), later))
        )

    def _write_pages(self, world: World, touched: Touched, later: Later) -> None:
        months = log.by_month(world.summaries)
        self._give(self._months(months, touched.months, later))
        roles = self._roles()
        made_from = hashlib.sha256(repr((world.inventory.digest, roles, world.tracker)).encode()).hexdigest()
        every = self.store.noted("hosts") != made_from
        self.store.note("hosts", made_from)
        wanted = [host for host in world.by_host if every or host in touched.hosts]
        self._give((page, ()) for host in wanted for page in hosts.host_pages(world, host, roles))
        self._whole(world, months)
        self._data(world, months, touched.months)
        self._forget(self.store.pages() - self.kept)

    def _give(self, pages: Iterable[tuple[Page, PdfLinks]]) -> None:
        """Have *pages* written if something of them has changed, each with the links to its PDFs."""
        known = ((page, links, self.store.page_key(page.path)) for page, links in pages)
        batches = iter(lambda: list(islice(known, PAGES)), [])  # itertools.batched comes with Python 3.12
        self.given.append(self.crew.each(write_batch, (Batch(self.job.folder, batch) for batch in batches)))

    def _whole(self, world: World, months: Months) -> None:
        """Write the pages about everything."""
        single = (overview.page(world), log.log_page(months), hosts.index(world), backups.page(world))
        more = (organisation.requirements_page(world), organisation.duties_page(world), organisation.verify_page(world))
        self._pages([*single, *more, *runbooks.pages(world)])

    def _months(self, months: Months, touched: set[str], later: Later) -> Iterator[tuple[Page, PdfLinks]]:
        """Yield the pages of the months *touched*, of those beside them, which link to them, and where a PDF comes or goes."""
        known, order = self.store.known(), list(months)
        for place, month in enumerate(order):
            after, before = order[place - 1] if place else "", next(iter(order[place + 1 : place + 2]), "")
            prints = self.shelf.of_month(parts_of(month, months[month], known, later))
            if self.shelf.moved or not touched.isdisjoint({month, before, after}):
                yield from ((page, prints) for page in log.month_pages(month, months[month], (before, after)))

    def _data(self, world: World, months: Months, touched: set[str]) -> None:
        """Write the data of the months *touched*, and of their years what the page searches in."""
        for month in touched:
            folder = self.job.folder / "changes" / month[:4] / month[5:7]
            write(folder / "changes.csv", log.as_csv(months[month]))
            write(folder / "changes.json", log.as_json(months[month]))
        for year in {month[:4] for month in touched}:
            changes = [one for one in world.summaries if one.id.startswith(year)]
            write(self.job.folder / "changes" / f"index-{year}.js", log.search_index(year, changes))

    def _advisories(self, months: Mapping[str, Sequence[str]], touched: set[str]) -> None:
        """Have the pages of those *months* written that have *touched* advisories."""
        jobs = (
            AdvisoryMonth(
                self.job.folder, month, self.store.exposures(names), self.store.page_keys(f"vulnerabilities/{month}")
            )
            for month, names in months.items()
            if not touched.isdisjoint(names)
        )
        self.given.append(self.crew.each(write_advisory_month, jobs))

    def _end(self, spoken: Iterable[Sequence[Read]]) -> None:
        """See that all was done that other processes were given, and note which pages they wrote."""
        for keys in chain.from_iterable(self.given):
            for path, key in keys:
                self.store.note_page(path, key)
            self.written += len(keys)
        for _done in spoken:
            pass

    def _world(self, summaries: Sequence[Summary]) -> World:
        job = self.job
        return World(
            store=self.store,
            summaries=summaries,
            inventory=job.inventory,
            operators=job.operators,
            procedures=read_procedures(job.root),
            modules=read_modules(job.root),
            promise=promise_of(job.inventory, job.root),
            now=job.now,
            audit=job.audit,
            tracker=read_tracker(job.tracker) if job.tracker else None,
            since=job.since,
            groups=groups_of(job.inventory),
        )

    def _roles(self) -> dict[str, list[str]]:
        """Return the roles of each group, by the playbook of the whole site."""
        found: dict[str, list[str]] = {}
        for pattern, role, _condition in parts((self.job.root / "playbooks" / "site.yml").read_text(encoding="utf-8")):
            found.setdefault(pattern.strip("`"), []).append(role.partition("]")[0].lstrip("["))
        return found

    def _pages(self, pages: Iterable[Page]) -> None:
        """Write those of *pages* of which something has changed; one that is not made again is to go."""
        for page in pages:
            links, known = self.shelf.of_page(page), self.store.page_key(page.path)
            if key := write_page(self.crew.renderer, self.job.folder, page, links, known):
                self.store.note_page(page.path, key)
                self.written += 1
            self.kept.add(page.path)

    def _forget(self, gone: Iterable[str]) -> None:
        """Remove the pages of procedures that are no more."""
        for path in gone:
            if path.startswith("runbooks/"):
                (self.job.folder / path).unlink(missing_ok=True)
                self.store.forget_page(path)

    def _assets(self) -> None:
        for name in ASSETS:
            text = (HERE / "assets" / name).read_text(encoding="utf-8")
            path = self.job.folder / name
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                write(path, text)


def _later(summaries: Iterable[Summary]) -> dict[str, list[tuple[str, str]]]:
    """Return per change relation and id of the later ones that speak of it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in summaries:
        for relation, other in sorted(one.links.items()):
            found.setdefault(other, []).append((relation, one.id))
    return found


def version_of(job: Job) -> str:
    """Return a digest of all that every page is made from: our own files, the languages, who has which key."""
    seen = hashlib.sha256()
    for path in program_files():
        seen.update(path.read_bytes())
    seen.update(repr((job.languages, job.since, job.operators)).encode())
    return seen.hexdigest()


def program_files() -> Iterator[Path]:
    """Yield the files that pages are made by."""
    for pattern in ("**/*.py", "templates/**/*.html", "locale/*/*/*.po"):
        yield from sorted(HERE.glob(pattern))
    yield from (HERE.parent / "logbook" / name for name in SHARED)


def again(folder: Path, inventory: Inventory, head: str) -> dict[str, Any] | None:
    """Return with which options of `Job` the site in *folder* was made.

    None if there is none, if it is of another inventory, or if nothing was recorded since it was made at the commit *head*: what an
    audit found then stands on it, too.
    """
    if not (folder / NAME).exists():
        return None
    with Store.open(folder) as store:
        if store.noted("inventory") != str(inventory.path.resolve()) or store.noted("head") == head:
            return None
        options = json.loads(store.noted("options"))
    tracker = Path(options["tracker"]) if options["tracker"] else None
    return {"languages": tuple(options["languages"]), "since": options["since"], "tracker": tracker}
