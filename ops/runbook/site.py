"""The site: which of its pages are to be made anew, and making them.

A build looks for changes whose files the store does not know; records are never rewritten, so all others are as they were. Pages
about one change are written when it is read; pages about many (a month, a host, an advisory's month) when one of theirs was read;
the few about everything are made each time and written where what they show has changed.
"""

import csv
import hashlib
import io
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.docs.site import parts
from ops.errors import BadInput
from ops.inventory import Inventory
from ops.logbook.operators import Operators
from ops.logbook.repository import Logbook
from ops.logbook.verify import Audit
from ops.runbook import reading
from ops.runbook.entries import read_entries
from ops.runbook.language import LANGUAGES
from ops.runbook.procedures import read_modules, read_procedures
from ops.runbook.reading import Reader, Work, write
from ops.runbook.render import Page, Renderer
from ops.runbook.store import NAME, Store
from ops.runbook.summary import Rows, Summary
from ops.runbook.views import backups, hosts, log, organisation, overview, runbooks, vulnerabilities
from ops.runbook.world import World, groups_of, promise_of

HERE = Path(__file__).parent
ASSETS = ("style.css", "site.js")
MADE = ("changes", "hosts", "runbooks", "vulnerabilities")
"""Folders of the site; beside them only pages lie in it."""


@dataclass(frozen=True)
class Job:
    """What a site is to be made from, and where.

    ``root`` is the checkout with playbooks and roles; ``since`` a day (``2026-11-01``) before which changes are left out, empty for
    none; ``audit`` what an audit found just now, None if none was made; ``tracker`` the data of Debian's security tracker.
    """

    folder: Path
    root: Path
    logbook: Logbook
    inventory: Inventory
    operators: Operators
    languages: tuple[str, ...] = LANGUAGES
    since: str = ""
    audit: Audit | None = None
    tracker: Mapping[str, Any] | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Built:
    """What a build did: changes in the site, of which read now; pages written; the largest page and its size in bytes."""

    changes: int
    read: int
    written: int
    largest: str
    largest_bytes: int


@dataclass
class Touched:
    """What a build has to make anew besides the pages about everything."""

    months: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    advisories: set[str] = field(default_factory=set)

    def add(self, summary: Summary, rows: Rows) -> None:
        """Note what *summary* and *rows* of a change that was read are about."""
        self.months.add(summary.month)
        self.hosts |= {*summary.hosts, *(look[0] for look in rows.looks)}
        self.advisories |= {exposure[0] for exposure in rows.exposures}


def build(job: Job) -> Built:
    """Make the site of *job*, or bring it up to date.

    Raises:
        BadInput: the folder holds something else.
        Failed: a record cannot be read, or another build holds the site.
    """
    claim(job.folder)
    with Store.open(job.folder) as store:
        return Build(job, store).run()


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

    def __init__(self, job: Job, store: Store) -> None:
        self.job, self.store = job, store
        self.renderer = Renderer(job.languages)
        self.written = 0
        self.kept: set[str] = set()

    def run(self) -> Built:
        """Make what is to be made, and say what was done."""
        blobs = reading.changes_in(self.job.logbook.blobs(), self.job.since)
        listed = {
            change: " ".join(f"{name}:{blob}" for name, blob in sorted(names.items()))
            for change, names in blobs.items()
        }
        self._begin(listed)
        known = self.store.known()
        fresh = {change: blobs[change] for change in sorted(blobs) if known.get(change) != listed[change]}
        touched = self._read(fresh, listed)
        self._write_pages(touched)
        self._assets()
        self.store.note("head", self.job.logbook.head())
        largest = max(self.job.folder.rglob("*.html"), key=lambda path: path.stat().st_size)
        name, size = largest.relative_to(self.job.folder).as_posix(), largest.stat().st_size
        return Built(len(blobs), len(fresh), self.written, name, size)

    def _begin(self, listed: Mapping[str, str]) -> None:
        """Begin from nothing where the site was made by other programs or for other readers, or from another history."""
        version = version_of(self.job)
        rewritten = any(
            not set(files.split()) <= set(listed.get(change, "").split())
            for change, files in self.store.known().items()
        )
        if self.store.noted("version") != version or rewritten or not self._continues():
            for path in self.job.folder.glob("*.html"):
                path.unlink()
            for name in MADE:
                with suppress(FileNotFoundError):
                    shutil.rmtree(self.job.folder / name)
            self.store.clear()
        self.store.note("version", version)
        self.store.note("inventory", str(self.job.inventory.path.resolve()))
        self.store.note("options", " ".join([",".join(self.job.languages), self.job.since]))

    def _continues(self) -> bool:
        """Return whether the history that the site was made from goes on in the one that is there now."""
        old, git = self.store.noted("head"), self.job.logbook.git
        return not old or git.attempt("merge-base", "--is-ancestor", old, self.job.logbook.head()).code == 0

    def _read(self, fresh: Mapping[str, Mapping[str, str]], listed: Mapping[str, str]) -> Touched:
        """Read the *fresh* changes, and write their pages and those of changes that they speak of."""
        self.store.add_entries(read_entries(self.job.logbook, self.store.noted("head")))
        reader = Reader(self.job.logbook, self.job.operators, self.job.languages, self.job.folder)
        touched, targets = Touched(), set()
        for done in reading.work_all(reader, Work(fresh, self.store.entries(fresh), {})):
            for summary, rows in done:
                self.store.put(summary, listed[summary.id], rows)
                touched.add(summary, rows)
                targets |= {*summary.links.values()}
        self.written += len(fresh)
        self._read_targets(reader, targets | self._spoken_of(fresh), listed)
        return touched

    def _spoken_of(self, fresh: Iterable[str]) -> set[str]:
        later = self._later()
        return {change for change in fresh if change in later}

    def _read_targets(self, reader: Reader, targets: set[str], listed: Mapping[str, str]) -> None:
        """Write the pages of *targets* again, with links to what speaks of them."""
        wanted = sorted(targets & listed.keys())
        blobs = {change: dict(pair.split(":") for pair in listed[change].split()) for change in wanted}
        if blobs:
            reading.work(reader, Work(blobs, self.store.entries(wanted), self._later()))
            self.written += len(wanted)

    def _later(self) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for one in self.store.summaries():
            for relation, other in sorted(one.links.items()):
                found.setdefault(other, []).append((relation, one.id))
        return found

    def _write_pages(self, touched: Touched) -> None:
        world = self._world()
        changed = self.store.noted("inventory digest") != world.inventory.digest or bool(self.job.tracker)
        self.store.note("inventory digest", world.inventory.digest)
        self._whole(world)
        for month, part in log.by_month(world.summaries).items():
            if month in touched.months:
                self._month(world, month, part)
        roles = self._roles()
        for host in world.by_host:
            if changed or host in touched.hosts:
                self._pages(hosts.host_pages(world, host, roles))
        self._advisories(world, touched.advisories)
        self._forget(self.store.pages() - self.kept)

    def _whole(self, world: World) -> None:
        """Write the pages about everything."""
        months = log.by_month(world.summaries)
        single = (overview.page(world), log.log_page(months), hosts.index(world), backups.page(world))
        more = (organisation.requirements_page(world), organisation.duties_page(world), organisation.verify_page(world))
        self._pages([*single, *more, *runbooks.pages(world)], whole=True)

    def _month(self, world: World, month: str, part: list[Summary]) -> None:
        months = list(log.by_month(world.summaries))
        place = months.index(month)
        before = months[place + 1] if place + 1 < len(months) else ""
        self._pages(log.month_pages(month, part, (before, months[place - 1] if place else "")))
        folder = self.job.folder / "changes" / month[:4]
        write(folder / month[5:7] / "changes.csv", log.as_csv(part))
        write(folder / month[5:7] / "changes.json", log.as_json(part))
        year = [one for one in world.summaries if one.id.startswith(month[:4])]
        write(self.job.folder / "changes" / f"index-{month[:4]}.js", log.search_index(month[:4], year))

    def _advisories(self, world: World, touched: set[str]) -> None:
        months = self.store.advisory_months()
        self._pages([vulnerabilities.index(world, months)], whole=True)
        for month, names in months.items():
            if not touched.isdisjoint(names):
                self._pages(vulnerabilities.month_pages(world, month, names))
                out = io.StringIO()
                csv.writer(out).writerows(vulnerabilities.as_csv_rows(self.store.exposures(names)))
                write(self.job.folder / "vulnerabilities" / f"{month}.csv", out.getvalue())

    def _world(self) -> World:
        job = self.job
        return World(
            store=self.store,
            summaries=self.store.summaries(),
            inventory=job.inventory,
            operators=job.operators,
            procedures=read_procedures(job.root),
            modules=read_modules(job.root),
            promise=promise_of(job.inventory, job.root),
            now=job.now,
            audit=job.audit,
            tracker=job.tracker,
            since=job.since,
            groups=groups_of(job.inventory),
        )

    def _roles(self) -> dict[str, list[str]]:
        """Return the roles of each group, by the playbook of the whole site."""
        found: dict[str, list[str]] = {}
        for pattern, role, _condition in parts((self.job.root / "playbooks" / "site.yml").read_text(encoding="utf-8")):
            found.setdefault(pattern.strip("`"), []).append(role.partition("]")[0].lstrip("["))
        return found

    def _pages(self, pages: Iterable[Page], *, whole: bool = False) -> None:
        """Write those of *pages* of which something has changed; *whole* says that a page not made again is to go."""
        for page in pages:
            key = hashlib.sha256(repr(sorted(page.data.items())).encode()).hexdigest()
            if self.store.page_key(page.path) != key:
                write(self.job.folder / page.path, self.renderer.page(page))
                self.store.note_page(page.path, key)
                self.written += 1
            if whole:
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


def version_of(job: Job) -> str:
    """Return a digest of all that every page is made from: our own files, the languages, who has which key."""
    seen = hashlib.sha256()
    for path in program_files():
        seen.update(path.read_bytes())
    seen.update(repr((job.languages, job.since, job.operators)).encode())
    return seen.hexdigest()


def program_files() -> Iterator[Path]:
    """Yield the files that pages are made by."""
    for pattern in ("**/*.py", "templates/*.html", "locale/*/*/*.po"):
        yield from sorted(HERE.glob(pattern))
    yield from (HERE.parent / "logbook" / name for name in ("model.py", "words.py", "files.py"))


def options_of(folder: Path) -> tuple[str, tuple[str, ...], str] | None:
    """Return for which inventory, in which languages and since when the site in *folder* was made; None if there is none."""
    if not (folder / NAME).exists():
        return None
    with Store.open(folder) as store:
        languages, _, since = store.noted("options").partition(" ")
        return store.noted("inventory"), tuple(languages.split(",")), since
