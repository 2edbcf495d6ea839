"""The generated pages of the documentation, as one command."""

import importlib
from pathlib import Path
from typing import Any

from invoke import Collection, Context, Task
from invoke.parser import Argument

from ops import terminal
from ops.docs import playbooks, roles, site, tasks
from ops.docs.tasks import Command, Parameter
from ops.runbook import messages
from ops.runbook.language import STEPS
from ops.tasks.command import command
from ops.verify import resolve

ROOT = Path(__file__).resolve().parents[2]
DRAWN = {
    "in_groups": "group_names",
    "site_address": "site_address",
    "firewall_rules": "firewall_rules",
    "mail_relay_host": "mail_relay_host",
}
"""What the drawing of the site needs of each host."""


def let_tasks_be_described_twice() -> None:
    """Keep what is said of a task's parameters: Invoke empties it when it parses the command line."""
    original = Task.get_arguments

    def get_arguments(one: "Task[Any]", ignore_unknown_help: bool | None = None) -> list[Argument]:
        kept = dict(one.help)
        try:
            return original(one, ignore_unknown_help)
        finally:
            one.help = kept

    Task.get_arguments = get_arguments  # type: ignore[assignment, method-assign]  # the only place where Invoke lets it in


let_tasks_be_described_twice()


@command()
def docs(c: Context) -> None:
    """Write the generated pages of docs/ and the tables in the roles' READMEs anew, from what they describe.

    So is the list of what playbooks and roles say, which needs words in German: ops/runbook/locale/de/LC_MESSAGES/steps.po.

    Example: invoke docs
    """
    changed = [path for path, text in pages(ROOT).items() if write(path, text)]
    for path in changed:
        terminal.say(f"Written: {path.relative_to(ROOT)}")
    if not changed:
        terminal.say("All generated pages were up to date.")


def pages(root: Path) -> dict[Path, str]:
    """Return every generated page of the checkout *root* with the text that it ought to have."""
    howtos = texts(root / "docs" / "howto", "*.md")
    procedures, modules = texts(root / "playbooks", "*.yml"), texts(root / "playbooks" / "library", "*.py")
    generated = root / "docs" / "generated"
    return {
        generated / "tasks.md": tasks.render(commands(all_tasks()), howtos),
        generated / "playbooks.md": playbooks.render(procedures, modules),
        generated / "site.md": site.render(drawn(root / "inventory" / "example"), procedures["site.yml"]),
        messages.path_of("de", STEPS): messages.as_text(messages.steps("de", root)),
        **{role / "README.md": roles.readme(role) for role in roles.roles(root) if (role / "README.md").exists()},
    }


def drawn(inventory: Path) -> dict[str, dict[str, Any]]:
    """Return what the drawing needs of the hosts of *inventory*, in order of their addresses."""
    hosts = resolve(inventory, ("all",), DRAWN)
    return dict(sorted(hosts.items(), key=lambda item: str(item[1]["site_address"])))


def texts(folder: Path, pattern: str) -> dict[str, str]:
    """Return the text of the files in *folder* that *pattern* matches, by name (of Python files without the ending)."""
    return {path.name.removesuffix(".py"): path.read_text(encoding="utf-8") for path in sorted(folder.glob(pattern))}


def write(path: Path, text: str) -> bool:
    """Write *text* to *path* and return whether that changed anything."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def all_tasks() -> Collection:
    """Return the collection of all tasks; imported late, since it holds this one, too."""
    found: Collection = importlib.import_module("tasks").namespace
    return found


def commands(collection: Collection) -> list[Command]:
    """Return what *collection* offers, as data."""
    return [_command((name, *aliases), collection[name]) for name, aliases in collection.task_names.items()]


def _command(names: tuple[str, ...], one: "Task[Any]") -> Command:
    doc = "\n".join(line.strip() for line in (one.__doc__ or "").strip().splitlines())
    return Command(names, doc, tuple(_parameter(argument) for argument in one.get_arguments()))


def _parameter(argument: Argument) -> Parameter:
    positional = bool(argument.positional)
    flags = tuple(_flag(name) for name in argument.names if len(name) > 1)
    default = "" if argument.default in (None, False, "") else str(argument.default)
    if argument.default is True:
        flags, default = tuple(f"--no-{flag.removeprefix('--')}" for flag in flags), "on"
    return Parameter((str(argument.name).upper(),) if positional else flags, default, argument.help or "", positional)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
