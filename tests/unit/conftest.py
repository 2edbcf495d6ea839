"""What tests of programs for hosts share."""

from collections.abc import Callable
from pathlib import Path

import pytest

Answering = Callable[..., None]


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Have a program print an answer and end with a code, in place of this machine's."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def act(name: str, answer: str, code: int = 0) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'EOF'\n{answer}\nEOF\nexit {code}\n")
        (tmp_path / name).chmod(0o755)

    return act
