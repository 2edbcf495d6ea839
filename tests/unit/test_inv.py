"""The wrapper: which Python it takes, and what needs the test packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

INV = Path(__file__).parents[2] / "inv"


def python(folder: Path, name: str, answer: int) -> str:
    """Make a program that exits with *answer* when it is asked whether it is suitable."""
    program = folder / name
    program.write_text(f"#!/bin/sh\nexit {answer}\n")
    program.chmod(0o755)
    return name


def call(function: str, *words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Call one of the wrapper's functions."""
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None
    script = f'source "{INV}"; {function} "$@"'
    return subprocess.run(
        ["bash", "-c", script, "bash", *words], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_first_python_that_runs_and_fits_is_taken(tmp_path: Path) -> None:
    names = [
        python(tmp_path, "shim", 127),
        python(tmp_path, "old", 1),
        python(tmp_path, "good", 0),
        python(tmp_path, "late", 0),
    ]
    assert call("first_suitable", "missing", *names, path=tmp_path).stdout.strip() == str(tmp_path / "good")


def test_no_suitable_python_is_no_answer(tmp_path: Path) -> None:
    done = call("first_suitable", python(tmp_path, "old", 1), path=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")


def test_this_python_fits() -> None:
    assert call("is_suitable", sys.executable).returncode == 0


@pytest.mark.parametrize(
    ("words", "code"), [(["test"], 0), (["molecule", "base"], 0), (["patch"], 1), (["--list"], 1), ([], 1)]
)
def test_only_tests_need_the_test_packages(words: list[str], code: int) -> None:
    assert call("wants_tests", *words).returncode == code
