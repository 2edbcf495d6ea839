"""The page of all commands, made from what `./inv --help` reads: docstrings and parameters. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HEAD = """\
# Commands

<!-- made by `invoke docs` from the tasks' docstrings; do not edit -->

`./inv` stands for `invoke` in the checkout's own environment. `./inv --help COMMAND` says the same as this page.
What exit codes mean stands once, in the [README](../../README.md#exit-codes)."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a command: its flags, or its bare name where it is positional; an empty ``default`` is none."""

    flags: tuple[str, ...]
    default: str
    help: str
    positional: bool = False


@dataclass(frozen=True)
class Command:
    """One task: all its names, its docstring, its parameters."""

    names: tuple[str, ...]
    doc: str
    parameters: tuple[Parameter, ...]

    @property
    def name(self) -> str:
        """The shortest of its names: the one that people type."""
        return min(self.names, key=len)


def summary(command: Command) -> str:
    """Return the first line of the docstring of *command*."""
    return command.doc.strip().partition("\n")[0]


def example(command: Command) -> str:
    """Return the command line after ``Example:`` in the docstring of *command*, empty where there is none."""
    found = re.search(r"^Example: (.+)$", command.doc, re.MULTILINE)
    return found[1] if found else ""


def pages_about(command: Command, pages: Mapping[str, str]) -> list[str]:
    """Return the names of those of *pages* (name → Markdown) that show how to call *command*."""
    names = "|".join(re.escape(name) for name in sorted(command.names, key=len, reverse=True))
    call = re.compile(rf"(?:invoke|\./inv) (?:{names})(?![\w.-])")
    return sorted(name for name, text in pages.items() if call.search(text))


def render(commands: Iterable[Command], pages: Mapping[str, str]) -> str:
    """Return the page of *commands*, with links to those of *pages* in ``docs/howto`` that show each."""
    ordered = sorted(commands, key=lambda command: command.name)
    index = [f"| [`{one.name}`](#{anchor(one.name)}) | {summary(one)} |" for one in ordered]
    sections = [_section(one, pages_about(one, pages)) for one in ordered]
    return "\n\n".join([HEAD, "\n".join(["| command | what it does |", "|---|---|", *index]), *sections]) + "\n"


def anchor(heading: str) -> str:
    """Return the fragment that leads to *heading* on a Markdown page."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def title(page: str) -> str:
    """Return the title of a Markdown *page*."""
    return page.lstrip().partition("\n")[0].removeprefix("# ")


def _section(command: Command, about: list[str]) -> str:
    prose = re.sub(r"\n*^Example: .+$", "", command.doc.strip(), flags=re.MULTILINE).strip()
    parts = [f"## `{command.name}`", prose, f"    {example(command)}"]
    if command.parameters:
        parts.append("\n".join(["| parameter | default | meaning |", "|---|---|---|", *map(_row, command.parameters)]))
    if about:
        parts.append("How to: " + ", ".join(f"[{name.removesuffix('.md')}](../howto/{name})" for name in about))
    return "\n\n".join(parts)


def _row(parameter: Parameter) -> str:
    flags = ", ".join(f"`{flag}`" for flag in parameter.flags)
    default = f"`{parameter.default}`" if parameter.default else "required" if parameter.positional else ""
    return f"| {flags} | {default} | {parameter.help.replace('|', chr(92) + '|')} |"
