"""Where root is not to be had the lab says so, and what the other side of sudo says arrives as it was meant."""

import os
import shutil
from pathlib import Path

import pytest

from ops.errors import BadInput, Refused
from ops.lab import privileged

ANSWER = '{"kind": "BadInput", "what": "no host", "host": "db1", "left": "all", "next_step": "invoke lab.list"}'


@pytest.fixture
def not_root(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return monkeypatch


def sudo_that(folder: Path, script: str, patch: pytest.MonkeyPatch) -> None:
    (folder / "sudo").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "sudo").chmod(0o755)
    patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_without_root_and_sudo_it_is_refused(not_root: pytest.MonkeyPatch, tmp_path: Path) -> None:
    not_root.setattr(shutil, "which", lambda _: None)
    with pytest.raises(Refused, match="needs root") as refused:
        privileged.call(tmp_path, "stop")
    assert refused.value.next_step.startswith("run it as root")


def test_a_refusal_of_sudo_is_told(not_root: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sudo_that(tmp_path, "exit 1", not_root)
    with pytest.raises(Refused, match="sudo did not let"):
        privileged.call(tmp_path, "stop")


def test_a_fault_keeps_its_kind_and_words(not_root: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sudo_that(tmp_path, f"echo '{ANSWER}'; exit 2", not_root)
    with pytest.raises(BadInput, match="no host") as bad:
        privileged.call(tmp_path, "cut", name="db1", on=True)
    assert (bad.value.host, bad.value.left, bad.value.next_step) == ("db1", "all", "invoke lab.list")
