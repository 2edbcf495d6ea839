"""What holds for every role, whoever adds it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.docs import roles as tables

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in ROOT.glob("roles/*") if path.is_dir())
HEADINGS = ["What it does", "Variables", "How the role behaves", "Known limitations"]
MOLECULE_RELEASES = {"bookworm", "trixie"}

OWN_UNIT = re.compile(r"[\w@-]+\.(?:service|timer|path)\b(?!\.d)")

every_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


def options(role: Path) -> dict[str, dict[str, Any]]:
    return load(role / "meta/argument_specs.yml")["argument_specs"]["main"].get("options") or {}


def described(entries: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, entry in entries.items():
        yield name, entry
        yield from described(entry.get("options", {}))


def tasks(role: Path) -> Iterator[dict[str, Any]]:
    for path in sorted([*role.glob("tasks/*.yml"), *role.glob("handlers/*.yml")]):
        yield from flat(load(path) or [])


def flat(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        yield entry
        for part in ("block", "rescue", "always"):
            yield from flat(entry.get(part, []))


def test_there_are_roles() -> None:
    assert "base" in [role.name for role in ROLES]


@every_role
def test_argument_specs_and_defaults_say_the_same(role: Path) -> None:
    specs = {name: entry.get("default") for name, entry in options(role).items() if not entry.get("required")}
    assert specs == (load(role / "defaults/main.yml") or {})


@every_role
def test_every_option_is_described(role: Path) -> None:
    assert [name for name, entry in described(options(role)) if not entry.get("description")] == []


@every_role
def test_every_default_has_a_comment_above(role: Path) -> None:
    paragraphs = (role / "defaults/main.yml").read_text(encoding="utf-8").split("\n\n")
    assert [text for text in paragraphs[1:] if not text.lstrip().startswith("#")] == []


@every_role
def test_names_bear_the_role(role: Path) -> None:
    prefix = role.name.replace("-", "_")
    assert [name for name in options(role) if not name.startswith(f"{prefix}_")] == []
    own = [*(load(role / "vars/main.yml") or {}), *(task["register"] for task in tasks(role) if "register" in task)]
    assert [name for name in own if not name.startswith((f"__{prefix}_", f"{prefix}_"))] == []


@every_role
def test_readme_has_the_fixed_order(role: Path) -> None:
    text = (role / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {role.name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS


@every_role
def test_readme_table_is_up_to_date(role: Path) -> None:
    assert (role / "README.md").read_text(encoding="utf-8") == tables.readme(role), "run: invoke docs"


@every_role
def test_molecule_scenario_is_complete(role: Path) -> None:
    scenario = role / "molecule/default"
    assert {platform["release"] for platform in load(scenario / "molecule.yml")["platforms"]} == MOLECULE_RELEASES
    assert (scenario / "converge.yml").exists()
    assert list(scenario.glob("tests/test_*.py"))


@every_role
def test_tags_are_the_role_and_its_parts(role: Path) -> None:
    tags = {tag for task in tasks(role) for tag in task.get("tags", [])}
    assert role.name in tags
    assert [tag for tag in tags if tag != role.name and not tag.startswith(f"{role.name}:")] == []


@every_role
def test_modules_come_from_ansible_or_from_a_locked_collection(role: Path) -> None:
    collections = re.search(r"^collections=\((.*)\)$", (ROOT / "inv").read_text(encoding="utf-8"), re.MULTILINE)
    assert collections
    known = ("ansible.builtin.", *(f"{name.replace('/', '.')}." for name in collections[1].split()))
    modules = {key for task in tasks(role) for key in task if "." in key}
    assert [name for name in modules if not name.startswith(known)] == []


@every_role
def test_errors_are_not_ignored(role: Path) -> None:
    assert [task["name"] for task in tasks(role) if "ignore_errors" in task] == []


@every_role
def test_a_check_run_starts_no_unit_that_it_would_only_write(role: Path) -> None:
    """After a run that failed half way, units are missing where everything before them is there."""
    entries = list(tasks(role))
    own = {
        unit
        for entry in entries
        for unit in OWN_UNIT.findall(yaml.safe_dump(entry))
        if "systemd_service" not in str(entry)
    }
    for entry in entries:
        module = entry.get("ansible.builtin.systemd_service", {})
        if "state" in module and any(unit in yaml.safe_dump([module, entry.get("loop", "")]) for unit in own):
            condition = str(entry.get("when", ""))
            assert re.fullmatch(r"not ansible_check_mode( or .* is not changed.*)?|.*stat\.exists", condition), entry[
                "name"
            ]


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="these two lines"):
        tables.with_table("# base\n", "| a |")
