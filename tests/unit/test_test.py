"""`invoke test` itself: what it starts ends with it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from invoke import Context, Exit

from ops.tasks.test import REPEATED_LINES, Step, kinds_of, run_shown
from ops.tasks.test import test as run_tests

ROOT = Path(__file__).resolve().parents[2]


def test_a_step_ends_with_the_command_that_started_it_however_that_dies(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    inner = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    outer = (
        f"from ops.tasks.test import Step, run_shown; run_shown(Step('slow', ({sys.executable!r}, '-c', {inner!r})))"
    )
    process = subprocess.Popen([sys.executable, "-c", outer], cwd=ROOT)
    try:
        _until(lambda: told.exists() and told.read_text() != "")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    pid = int(told.read_text())
    _until(lambda: not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text())


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ((False, False, False), {"quick", "host"}),
        ((True, True, True), {"quick"}),
        ((False, True, False), {"quick", "host", "slow"}),
        ((False, False, True), {"quick", "recovery"}),
        ((False, True, True), {"quick", "host", "slow", "recovery"}),
    ],
)
def test_what_is_asked_for_is_what_runs(asked: tuple[bool, bool, bool], kinds: set[str]) -> None:
    quick, slow, recovery = asked
    assert kinds_of(quick=quick, slow=slow, recovery=recovery) == kinds


def test_a_step_that_does_not_pass_is_shown_and_its_end_kept(capfd: pytest.CaptureFixture[str]) -> None:
    program = f"import sys; [print('line', n) for n in range({REPEATED_LINES})]; sys.exit('no host answers')"
    said = run_shown(Step("slow", (sys.executable, "-c", program)))
    assert said is not None
    assert "line 1\n" in capfd.readouterr().out
    assert len(said.splitlines()) == REPEATED_LINES
    assert "no host answers" in said
    assert run_shown(Step("slow", (sys.executable, "-c", "print('well')"))) is None


def test_the_command_ends_with_what_failed_and_its_own_words(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    failing = (sys.executable, "-c", "import sys; sys.exit('db1 said no')")
    long = Step("long", (sys.executable, "-c", "print('well\\n' * 500)"))
    monkeypatch.setattr("ops.tasks.test.CHECKS", (Step("check", failing),))
    monkeypatch.setattr("ops.tasks.test.TESTS", (Step("tests", failing), long))
    with pytest.raises(Exit) as error:
        run_tests(Context(), quick=True)
    assert error.value.code == 1
    printed = capfd.readouterr()
    assert printed.out[printed.out.rindex("well") :].count("db1 said no") == 2
    assert "check, tests did not pass" in printed.err
    monkeypatch.setattr("ops.tasks.test.CHECKS", (long,))
    monkeypatch.setattr("ops.tasks.test.TESTS", (long,))
    run_tests(Context(), quick=True)


def _until(holds: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
