"""The tables of roles' READMEs, made from ``meta/argument_specs.yml``. `invoke docs` writes them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
BEGIN = "<!-- made from meta/argument_specs.yml by `invoke docs`; do not edit -->"
END = "<!-- end of what is made -->"
_HEAD = ("| variable | type | default | meaning |", "|---|---|---|---|")


def roles(root: Path = ROOT) -> list[Path]:
    """Return the folders of all roles."""
    return sorted(path.parents[1] for path in root.glob("roles/*/meta/argument_specs.yml"))


def render(specs: Mapping[str, Any]) -> str:
    """Return the Markdown of *specs*, the content of an argument_specs.yml: a table of variables, then one per list."""
    options = specs["argument_specs"]["main"].get("options", {})
    tables = ["\n".join([*_HEAD, *map(_row, options, options.values())])]
    tables += [_table(name, below) for name, below in _nested("", options)]
    return "\n\n".join(tables)


def with_table(text: str, table: str) -> str:
    """Return the README *text* with *table* between its markers.

    Raises:
        ValueError: the markers are missing.
    """
    parts = re.split(f"{re.escape(BEGIN)}.*?{re.escape(END)}", text, flags=re.DOTALL)
    if len(parts) != 2:
        raise ValueError(f"a README holds these two lines once: {BEGIN} and {END}")
    return f"{parts[0]}{BEGIN}\n{table}\n{END}{parts[1]}"


def readme(role: Path) -> str:
    """Return what the README of *role* ought to be."""
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    return with_table((role / "README.md").read_text(encoding="utf-8"), render(specs))


def _nested(prefix: str, options: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, option in options.items():
        if "options" in option:
            yield prefix + name, option["options"]
            yield from _nested(f"{prefix}{name}.", option["options"])


def _table(name: str, options: Mapping[str, Any]) -> str:
    return "\n".join([f"Each entry of `{name}`:", "", *_HEAD, *map(_row, options, options.values())])


def _row(name: str, option: Mapping[str, Any]) -> str:
    return f"| `{name}` | {_type(option)} | {_default(option)} | {_meaning(option)} |"


def _type(option: Mapping[str, Any]) -> str:
    kind = option.get("type", "str")
    return f"{kind} of {option['elements']}" if "elements" in option else str(kind)


def _default(option: Mapping[str, Any]) -> str:
    if option.get("required"):
        return "required"
    default = option.get("default")
    if default is None:
        return ""
    text = default if isinstance(default, str) else json.dumps(default)
    return "`" + text.replace("|", "\\|") + "`"


def _meaning(option: Mapping[str, Any]) -> str:
    description = option["description"]
    text = description if isinstance(description, str) else " ".join(description)
    choices = ", ".join(f"`{choice}`" for choice in option.get("choices", ()))
    marked = re.sub(r"\b[CV]\(([^)]*)\)", r"`\1`", text).replace("|", "\\|")
    return f"{marked} One of {choices}." if choices else marked
