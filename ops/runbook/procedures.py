"""Playbooks as procedures: their steps, unfolded through roles and included files, and which were carried out in this form.

Records hold names, modules and forms of steps: a digest of each as it was written. So a step counts as tried when one of this name
and module was carried out as it is written now; what its variables and templates held is not in it.
Pure, but for `read_procedures`.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.docs.playbooks import header, load_yaml, module_descriptions, module_of
from ops.runbook.summary import Summary

Task = Mapping[str, Any]
_BRANCHES = ("block", "rescue", "always")
_INCLUDES = ("include_tasks", "import_tasks")
_ROLES = ("include_role", "import_role")
_DEEPEST = 8
"""How far includes are followed."""


@dataclass(frozen=True)
class Step:
    """One step: ``name`` as events have it, its module, when it happens (``rescue``, ``always``), the steps below it, its form."""

    name: str
    module: str
    branch: str = ""
    below: tuple["Step", ...] = ()
    form: str = ""

    def leaves(self) -> Iterator["Step"]:
        """Yield the steps that do something: this one, or those below it."""
        if not self.below:
            yield self
        for step in self.below:
            yield from step.leaves()


@dataclass(frozen=True)
class Play:
    """One play: its name, the pattern of its hosts, its steps."""

    name: str
    hosts: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Procedure:
    """A playbook: file name without ending, the comment at its head, its plays."""

    name: str
    about: str
    plays: tuple[Play, ...]

    @property
    def play_names(self) -> tuple[str, ...]:
        """The names of its plays, as events have them."""
        return tuple(play.name for play in self.plays)


class Sources:
    """Tasks of playbooks and roles below one folder, each file read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[Path, list[Task]] = {}

    def tasks(self, path: str) -> list[Task]:
        """Return the tasks in the file at *path* below the root, none if it is not there."""
        place = self._root / path
        if place not in self._read:
            text = place.read_text(encoding="utf-8") if place.is_file() else ""
            self._read[place] = load_yaml(text) or []
        return self._read[place]


def read_procedures(root: Path) -> tuple[Procedure, ...]:
    """Return the procedures of the checkout *root*, by name."""
    sources = Sources(root)
    files = sorted((root / "playbooks").glob("*.yml"))
    return tuple(procedure(path.stem, path.read_text(encoding="utf-8"), sources) for path in files)


def read_modules(root: Path) -> dict[str, str]:
    """Return what each module of ours says that it does."""
    files = sorted((root / "playbooks" / "library").glob("*.py"))
    return module_descriptions({path.stem: path.read_text(encoding="utf-8") for path in files})


def procedure(name: str, text: str, sources: Sources) -> Procedure:
    """Return the playbook *name* with the content *text* as a procedure."""
    return Procedure(name, header(text), tuple(_play(play, sources) for play in load_yaml(text)))


def _play(play: Mapping[str, Any], sources: Sources) -> Play:
    hosts = play.get("hosts", "")
    pattern = re.sub(r"\s+", " ", hosts if isinstance(hosts, str) else ", ".join(hosts))
    return Play(str(play.get("name", "")), pattern, tuple(_play_steps(play, sources)))


def _play_steps(play: Mapping[str, Any], sources: Sources) -> Iterator[Step]:
    yield from _steps(play.get("pre_tasks", ()), sources, "", "playbooks", 0)
    for role in play.get("roles", ()):
        name = role if isinstance(role, str) else str(role.get("role", role.get("name", "")))
        yield Step(name, "role", below=_role(name, "main", sources, 0))
    for part in ("tasks", "post_tasks"):
        yield from _steps(play.get(part, ()), sources, "", "playbooks", 0)


def _role(name: str, part: str, sources: Sources, depth: int) -> tuple[Step, ...]:
    folder = f"roles/{name}/tasks"
    return tuple(_steps(sources.tasks(f"{folder}/{part.removesuffix('.yml')}.yml"), sources, name, folder, depth))


def _steps(
    tasks: Sequence[Task], sources: Sources, role: str, folder: str, depth: int, branch: str = ""
) -> Iterator[Step]:
    for task in tasks:
        if "block" in task:
            for part in _BRANCHES:
                inner = branch if part == "block" else part
                yield from _steps(task.get(part, ()), sources, role, folder, depth, inner)
        else:
            yield _step(task, sources, role, folder, depth, branch)


def _step(task: Task, sources: Sources, role: str, folder: str, depth: int, branch: str) -> Step:
    name = str(task.get("name", ""))
    module = module_of(task)
    below = _below(task, module, sources, role, folder, depth + 1) if depth < _DEEPEST else ()
    return Step(f"{role} : {name}" if role else name, module, branch, below, form_of(task))


def form_of(task: Task) -> str:
    """Return a digest of *task* as it is written, as the callback plugin ``bordbuch_spool`` makes it."""
    return hashlib.sha256(json.dumps(task, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _below(task: Task, module: str, sources: Sources, role: str, folder: str, depth: int) -> tuple[Step, ...]:
    short, given = module.rpartition(".")[2], task.get(module)
    if short in _ROLES and isinstance(given, Mapping):
        return _role(str(given["name"]), str(given.get("tasks_from", "main")), sources, depth)
    if short in _INCLUDES:
        file = given if isinstance(given, str) else str((given or {}).get("file", ""))
        return tuple(_steps(sources.tasks(f"{folder}/{file}"), sources, role, folder, depth))
    return ()


def wording(procedures: Iterable[Procedure], modules: Mapping[str, str]) -> list[str]:
    """Return every text of *procedures*, and what *modules* say of themselves, each once: what other languages need words for."""
    found = [text for one in procedures for text in (*paragraphs(one.about), *one.play_names)]
    found += modules.values()
    for one in procedures:
        found += (own_name(step.name) for play in one.plays for step in _all(play.steps) if step.module != "role")
    return [text for text in dict.fromkeys(found) if text]


def paragraphs(about: str) -> list[str]:
    """Return the paragraphs of a comment, each in one line."""
    return [" ".join(part.split()) for part in about.split("\n\n")]


def own_name(name: str) -> str:
    """Return the *name* of a step without that of its role."""
    return name.rpartition(" : ")[2]


def _all(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _all(step.below)


def tried(step: Step, done: Mapping[tuple[str, str], Set[str]]) -> bool:
    """Return whether *step* was carried out in this form, by *done*: the forms in which each (name, module) was.

    A name with a variable in it stands for any text there. Where no form was noted, as once, name and module are enough.
    """
    forms = set(done.get((step.name, step.module), ()))
    if "{{" in step.name:
        pattern = re.compile(".*".join(re.escape(part) for part in re.split(r"\{\{.*?\}\}", step.name)))
        forms.update(
            *(found for (name, module), found in done.items() if module == step.module and pattern.fullmatch(name))
        )
    return step.form in forms or forms == {""}


BY_KIND = {
    "patch": "patch",
    "revert": "patch",
    "backup": "backup",
    "restore": "restore",
    "drill": "drill",
    "access": "access",
    "unlock": "unlock",
}
"""Where a record tells of no play: what a timer did, or plays that have another name today."""


def carried_out(procedures: Sequence[Procedure], summaries: Sequence[Summary]) -> dict[str, list[Summary]]:
    """Return by procedure the changes that carried it out, in their order, by the plays that their events name."""
    owners: dict[str, set[str]] = {}
    for one in procedures:
        for play in one.play_names:
            owners.setdefault(play, set()).add(one.name)
    found: dict[str, list[Summary]] = {one.name: [] for one in procedures}
    for summary in summaries:
        name = _owner(summary, owners)
        if name in found and (summary.begun or summary.plays):
            found[name].append(summary)
    return found


def _owner(summary: Summary, owners: Mapping[str, set[str]]) -> str:
    votes: dict[str, int] = {}
    for play in summary.plays:
        for name in owners.get(play, ()):
            votes[name] = votes.get(name, 0) + 1
    return max(sorted(votes), key=lambda name: votes[name]) if votes else BY_KIND.get(summary.kind, "")
