"""Pages from templates: escaped always, undefined names refused, what cannot be seen shown as its code."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ops.logbook import words as logbook_words
from ops.logbook.model import Check
from ops.runbook.advisories import Advisory
from ops.runbook.catalogue import CATEGORIES, RULES, SELECTION
from ops.runbook.language import LANGUAGES, N_, Words, visible
from ops.runbook.summary import Summary, page_of

TEMPLATES = Path(__file__).parent / "templates"
NAVIGATION = (
    ("index.html", N_("Overview")),
    ("changes/index.html", N_("Changes")),
    ("runbooks/index.html", N_("Runbooks")),
    ("hosts/index.html", N_("Hosts")),
    ("backups.html", N_("Backups and drills")),
    ("vulnerabilities/index.html", N_("Vulnerabilities")),
    ("requirements.html", N_("Requirements")),
    ("duties.html", N_("Duties and access")),
    ("verify.html", N_("Verify")),
)
_MOST_KEPT = 10_000
"""Pieces of pages that are kept, of each kind, so that memory does not grow with the logbook."""

_ROOT = "\0"
"""Stands for the way to the root in what is kept: no text on a page holds it (see `visible`)."""

MOST = 6
"""Hosts that the row of a change names; the rest is counted."""

_FIXED = re.compile(r'\{\{ _\("([^"\\]*)"\) \}\}')
"""A text without values, as a template shows it."""

PdfLinks = tuple[tuple[tuple[str, str], ...], ...]
"""Per document: language and path of each PDF of it."""

GOOD = ("verified", "met", "pass", "current", "patched", "installed", "removed", "passed", "present", "ok")
BAD = ("failed", "interrupted", "aborted", "not-met", "fail", "end-of-life", "needs-repair", "unreachable", "missing")
STATES = {
    **logbook_words.OPEN,
    **logbook_words.HOST,
    **logbook_words.OUTCOME,
    "met": N_("met"),
    "partly": N_("partly"),
    "not-met": N_("not met"),
    "pass": N_("pass"),
    "partial": N_("partial"),
    "fail": N_("fail"),
    "current": N_("current, proven"),
    "pending": N_("updates pending"),
    "unknown": N_("could not be judged"),
    "needs-repair": N_("needs repair"),
    "end-of-life": N_("no longer supported"),
    "busy": N_("was busy"),
    "patched": N_("patched as planned"),
    "never": N_("no plan has looked at it"),
    "present": N_("present"),
    "absent": N_("has left"),
}
"""The words of every state that a badge shows, but those of packages."""

KINDS = {
    "patch": N_("patch"),
    "revert": N_("revert"),
    "playbook": N_("playbook"),
    "unlock": N_("unlock"),
    "backup": N_("backup"),
    "restore": N_("restore"),
    "drill": N_("drill"),
    "access": N_("comparison of access rights"),
}
LINKS = {"resumes": N_("resumes"), "reverts": N_("takes back"), "corrects": N_("corrects")}
LATER = {"resumes": N_("resumed by"), "reverts": N_("taken back by"), "corrects": N_("corrected by")}
OFFICES = {
    "administration": N_("administration"),
    "member-administration": N_("member administration"),
    "clearing": N_("clearing"),
    "timer": N_("timer of a host"),
}


@dataclass(frozen=True)
class Page:
    """One page: its path below the root of the site, its template, and what that shows."""

    path: str
    template: str
    data: dict[str, Any]


class Templates(FileSystemLoader):
    """The templates in *folders* with fixed texts in their places: most of what a page says is looked up once, not each time."""

    def __init__(self, folders: Sequence[Path], words: Words) -> None:
        super().__init__(folders)
        self._words = words

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """Return *template* for *environment*: its text, its file, and what tells whether it is that file still.

        Raises:
            TemplateNotFound: there is none of that name.
        """
        text, file, current = super().get_source(environment, template)
        return _FIXED.sub(lambda found: self._words.text(found[1]), text), file, current


class Renderer:
    """Makes pages in the languages of one site; for *printing*, templates in the folder of that name come first."""

    def __init__(self, languages: tuple[str, ...] = LANGUAGES, *, printing: bool = False) -> None:
        self.words = Words(languages)
        self._environment = Environment(
            loader=Templates([TEMPLATES / "print", TEMPLATES] if printing else [TEMPLATES], self.words),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=visible,
            # In a folder for temporary files that is this user's alone; fixed texts are part of a template.
            bytecode_cache=FileSystemBytecodeCache(pattern=f"bordbuch-{'-'.join(languages)}-%s"),
        )
        self._leading = lru_cache(_MOST_KEPT)(self._made_leading)
        self._environment.globals |= self._globals()
        self._rows: dict[str, tuple[Summary, str]] = {}

    def _globals(self) -> dict[str, Any]:
        words = self.words
        texts = {"_": words.text, "plain": words.plain, "n": words.number, "percent": words.percent}
        times = {"moment": words.moment, "day": words.day, "month": words.month, "span": words.span}
        tables = {"states": STATES, "kinds": KINDS, "links": LINKS, "later_links": LATER}
        return {
            **texts,
            **times,
            **tables,
            "package_states": logbook_words.PACKAGE,
            "offices": OFFICES,
            "phases": logbook_words.SECONDS,
            "languages": words.languages,
            "tone": tone,
            "page_of": page_of,
            "categories": CATEGORIES,
            "N_": N_,
            "multiline": multiline,
            "step": self._step,
            "paragraph": lambda text: words.step(text, prose),
            "pattern": pattern,
            "option": self._option,
            "change_row": self._row,
            "advisory_row": self._advisory_row,
            "check_item": lru_cache(_MOST_KEPT)(self._check),
            "badge": self._badge,
            "navigation": self._navigation,
            "link": link,
            "host_link": host_link,
            "host_links": host_links,
            "rule_values": self._rule_values,
        }

    def _step(self, name: str) -> Markup:
        """Return the *name* of a step, with that of its role before it."""
        role, between, own = name.rpartition(" : ")
        return escape(visible(role)) + between + self.words.step(own)

    def _navigation(self, root: str, path: str) -> Markup:
        """Return links to the pages that lead to all others; the one at *path*, or in whose folder that is, is marked."""
        leads = any(path == target for target, _label in NAVIGATION)
        return self._leading(root, path if leads else f"{path.partition('/')[0]}/")

    def _made_leading(self, root: str, path: str) -> Markup:
        shown = []
        for target, label in NAVIGATION:
            folder = target.rpartition("/")[0]
            inside = "true" if folder and path.startswith(f"{folder}/") else ""
            current = "page" if target == path else inside
            mark = f' aria-current="{current}"' if current else ""
            shown.append(f'<li><a href="{root}{target}"{mark}>{self.words.text(label)}</a></li>')
        return Markup("\n".join(shown))  # noqa: S704  (targets are ours)

    def _badge(self, state: str, words: Mapping[str, str] = STATES) -> Markup:
        """Return *state* in a frame that says how good it is, in its *words*."""
        said = self.words.text(words[state]) if state in words else escape(visible(state))
        return Markup(f'<b class="badge {tone(state)}">{said}</b>')  # noqa: S704  (tone is ours, the words are escaped)

    def _row(self, root: str, one: Summary) -> Markup:
        """Return the row of a change in a table of changes; it stands on many pages, and is made once, without a template."""
        made_from, row = self._rows.get(one.id, (None, ""))
        if made_from is not one:
            row = self._made_row(one)
            self._rows[one.id] = one, row
        return Markup(row.replace(_ROOT, root))  # noqa: S704  (escaped where it was made)

    def _made_row(self, one: Summary) -> str:
        words, count, took = self.words, len(one.packages), -1 if one.took is None else one.took
        first = f'<th scope="row" data-v="{_shown(one.id)}">{link(_ROOT, one.id)}<br>'
        when = f'<span class="small">{words.moment(one.begun or one.asked)}</span></th>'
        kind = words.text(KINDS[one.kind]) if one.kind else ""
        what = (
            f'<td>{kind}</td><td>{self._badge(one.outcome or one.state)}</td><td class="wide">{_shown(one.reason)}</td>'
        )
        more = words.text(N_("and {count} more"), count=len(one.hosts) - MOST) if len(one.hosts) > MOST else ""
        hosts = f"<td>{host_links(_ROOT, list(one.hosts)[:MOST])}{more}</td>"
        packages = f'<td class="number" data-v="{count}">{words.number(count) if count else ""}</td>'
        people = f"<td>{_shown(one.requester)}</td><td>{_shown(one.approver) if one.verdict == 'approved' else ''}</td>"
        length = f'<td class="number" data-v="{took}">{words.span(one.took)}</td>'
        return f"<tr>{first}{when}{what}{hosts}{packages}{people}{length}</tr>\n"

    def _check(self, one: Check) -> Markup:
        """Return a check of a host as an item of a list."""
        tone, said = ("good", N_("passed"))
        if one.detail.startswith("skipped"):
            tone, said = ("warn", N_("not looked at"))
        if not one.passed:
            tone, said = ("bad", N_("closed the gate"))
        more = f": {_shown(one.detail)}" if one.detail else ""
        badge = f'<b class="badge {tone}">{self.words.text(said)}</b>'
        return Markup(f"<li>{badge} {_shown(one.name)}{more}</li>")  # noqa: S704  (escaped)

    def _advisory_row(self, root: str, one: Advisory) -> Markup:
        """Return the row of an advisory: there are so many that a template would take most of a build's time."""
        moment, span = self.words.moment, self.words.span
        times = "".join(f"<td>{moment(time)}</td>" for time in (one.published, one.seen, one.first, one.last))
        figures = "".join(
            f'<td class="number" data-v="{-1 if seconds is None else seconds}">{span(seconds)}</td>'
            for seconds in (one.median, one.longest, one.whole)
        )
        groups = "<br>".join(
            f"{link(root, group.change)} ({span(group.seconds)}): {_names(group.hosts)}" for group in one.groups
        )
        hosts = f'<td class="wide">{groups}</td><td>{_names(one.open)}</td><td>{_names(one.gone)}</td>'
        return Markup(f'<tr><th scope="row" class="id">{_shown(one.name)}</th>{times}{figures}{hosts}</tr>')  # noqa: S704  (escaped)

    def _option(self, msgid: str) -> Markup:
        """Return *msgid* in each language as attributes: an option holds no markup, so the script sets its text."""
        texts = ((lang, self.words.plain(lang, msgid)) for lang in self.words.languages)
        return Markup("").join(Markup(' data-{}="{}"').format(lang, text) for lang, text in texts)

    def _rule_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return *values* of a rule, those that are words of the policy in the reader's words."""
        known = {**CATEGORIES, **RULES, **SELECTION}
        return {name: self.words.text(known[value]) if value in known else value for name, value in values.items()}

    def page(self, page: Page, prints: PdfLinks = (), *, more: Sequence[str] = (), bare: bool = False) -> str:
        """Return the HTML of *page*.

        Args:
            page: what it shows.
            prints: per document of its PDFs language and path.
            more: (printing) pages, made *bare*, that follow it in the same document.
            bare: (printing) without what makes a document of it.
        """
        root = "../" * page.path.count("/")
        around = {"prints": prints, "more": [Markup(one) for one in more], "bare": bare}  # noqa: S704  (our own pages)
        return self._environment.get_template(page.template).render(root=root, path=page.path, **around, **page.data)


def _shown(text: str) -> Markup:
    return escape(visible(text))


def _names(names: Sequence[str]) -> Markup:
    return _shown(" ".join(names))


@lru_cache(_MOST_KEPT, typed=True)  # markup equals the text that it is made of, and is not escaped
def link(root: str, change: str) -> Markup:
    """Return a link to the page of *change*, from a page whose way to the root is *root*."""
    shown = escape(change)
    return Markup(f'<a href="{root}{page_of(shown)}">{shown}</a>')  # noqa: S704  (escaped above)


@lru_cache(_MOST_KEPT, typed=True)
def host_link(root: str, host: str) -> Markup:
    """Return a link to the page of *host*."""
    shown = escape(visible(host))
    return Markup(f'<a href="{root}hosts/{shown}.html">{shown}</a>')  # noqa: S704  (escaped above)


def host_links(root: str, hosts: Sequence[str]) -> Markup:
    """Return links to the pages of *hosts*, each with a blank behind it."""
    return Markup("".join(f"{host_link(root, host)} " for host in hosts))  # noqa: S704  (escaped above)


def multiline(text: str) -> Markup:
    """Return *text* line by line, escaped, with what cannot be seen in a line shown as its code."""
    return escape("".join(f"{visible(line)}\n" for line in text.splitlines()) or "\n")


def prose(text: str) -> Markup:
    """Return the paragraph *text* of a comment, with what stands between backticks as code."""
    parts = [escape(visible(part)) for part in text.split("`")]
    marked = [f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)]
    return Markup("".join(marked))  # noqa: S704  (escaped above)


def pattern(hosts: str) -> str:
    """Return the pattern of a play's *hosts*; of a variable with a default, that."""
    return re.sub(r"\{\{[^{}]*default\('([^']*)'\)[^{}]*\}\}", r"\1", hosts)


def tone(state: str) -> str:
    """Return how a badge of *state* looks; its words say it, too."""
    return "good" if state in GOOD else "bad" if state in BAD else "warn"
