"""Pages: what a person reads, hostile content that is shown and not run, and commands that an auditor can copy."""

import subprocess
from pathlib import Path

from ops.logbook.files import parse_change
from ops.logbook.page import render_change, render_index
from tests.unit.logbook_world import ID, World, change, events, file_bytes, record_change

HOSTILE = "<script>alert(1)</script> | [x](javascript:1) `code` **b** \u202e\n# head"


def page(**how: str) -> str:
    phases = {name: file_bytes(phase) for name, phase in change(**how).items()}
    return render_change(parse_change(ID, {**phases, "events-1.jsonl": events()}))


def test_a_page_says_why_who_what_and_how_long() -> None:
    text = page(category="normal", by="bert", reason="CVE-2026-1234 is open")
    for words in (
        "| Outcome | done and verified |",
        "| Why | CVE-2026-1234 is open |",
        "| Asked by | anna on laptop, 2026-11-25 23:00:00 UTC |",
        "| Allowed by | bert, approved, 2026-11-25 23:01:00 UTC: yes |",
        "| app1 | openssl:amd64 | 1 | 2 | installed | CVE-2026-1234 |",
        "### Wave 1 (canary)",
        "| from request to record | 9 min 0 s |",
    ):
        assert words in text


def test_hostile_content_is_shown_and_means_nothing() -> None:
    text = page(reason=HOSTILE)
    row = next(line for line in text.splitlines() if line.startswith("| Why |"))
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\n# head" not in text
    assert "&lt;script&gt;" in row
    assert row.replace("\\|", "").count("|") == 3
    assert (
        render_index([parse_change(ID, {"record.json": file_bytes(change(reason=HOSTILE)["record.json"])})]).count("\n")
        == 5
    )


def test_the_commands_on_the_page_verify_with_git_and_openssh_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    record_change(world, change(category="normal", by="bert"))
    script = page().partition("```sh\n")[2].partition("```")[0]
    done = subprocess.run(
        ["sh", "-eu", "-c", script], cwd=tmp_path / "clone", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith('Good "git" signature for') for line in lines) == 10
    assert lines[-2].split()[0] == lines[-1]
    assert not [line for line in lines if line.startswith(("M\t", "D\t", "R"))]
