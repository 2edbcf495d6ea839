"""Measures of style, held by a test so that nobody has to say them in a review."""

import ast
import re
import statistics
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPS = sorted(ROOT.glob("ops/**/*.py"))
ON_HOSTS = sorted(ROOT.glob("playbooks/**/*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef

every_file = pytest.mark.parametrize("path", [*OPS, *ON_HOSTS], ids=lambda path: str(path.relative_to(ROOT)))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def body_lines(function: Function) -> int:
    """Return the lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@every_file
def test_files_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert [function.name for function in functions(path) if body_lines(function) > 40] == []


@every_file
def test_everything_public_is_documented_and_typed(path: Path) -> None:
    module = tree(path)
    public = [node for node in outer(module) if not node.name.startswith("_")]
    assert [node.name for node in public if not ast.get_docstring(node)] == []
    assert [node.name for node in ast.walk(module) if isinstance(node, Function) and node.returns is None] == []


def outer(node: ast.Module | ast.ClassDef) -> Iterator[Function | ast.ClassDef]:
    """Yield functions, classes and their methods, not what stands inside a function."""
    for child in node.body:
        if isinstance(child, Function | ast.ClassDef):
            yield child
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from outer(child)


def test_functions_are_mostly_very_short() -> None:
    sizes = sorted(body_lines(function) for path in OPS for function in functions(path))
    assert statistics.median(sizes) <= 5
    assert sizes[int(0.9 * (len(sizes) - 1))] <= 15
    assert statistics.median(len(path.read_text(encoding="utf-8").splitlines()) for path in OPS) <= 120


def calls(path: Path, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yield node


@every_file
def test_programs_are_started_without_a_shell(path: Path) -> None:
    for call in calls(path, "subprocess.run", "subprocess.Popen", "subprocess.check_output"):
        assert "shell" not in {keyword.arg for keyword in call.keywords}, f"line {call.lineno}"


@pytest.mark.parametrize("path", OPS, ids=lambda path: str(path.relative_to(ROOT)))
def test_programs_have_a_time_limit(path: Path) -> None:
    for call in calls(path, "subprocess.run"):
        assert {"timeout", None} & {keyword.arg for keyword in call.keywords}, f"line {call.lineno}"


def test_one_place_starts_ansible_playbook_and_none_opens_fabric_connections() -> None:
    words = {path: [n.value for n in ast.walk(tree(path)) if isinstance(n, ast.Constant)] for path in OPS}
    assert [path.name for path, found in words.items() if "ansible-playbook" in found] == ["playbook.py"]
    assert [path.name for path in OPS for _call in calls(path, "Connection", "fabric.Connection")] == []


def test_reasons_stand_beside_silenced_checks() -> None:
    mark = re.compile(r"# (?:noqa|type: ignore|pragma|nosec)[^#(]*")
    lines = [(path.name, line) for path in [*OPS, *ON_HOSTS] for line in path.read_text(encoding="utf-8").splitlines()]
    assert [pair for pair in lines if (found := mark.search(pair[1])) and not pair[1][found.end() :]] == []


def test_the_arrows_are_held_by_import_linter() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(contract for contract in settings["contracts"] if contract["type"] == "layers")["layers"]
    assert layers[0] == "ops.tasks"
    assert layers[-1] == "ops.errors"
    rooms = {f"ops.{path.stem}" for path in ROOT.glob("ops/*") if not path.stem.startswith("__")}
    lists = [value for contract in settings["contracts"] for value in contract.values() if isinstance(value, list)]
    said = {room.strip() for entries in lists for entry in entries for room in entry.split("|")}
    assert rooms - said == set(), "each room stands in a contract"
