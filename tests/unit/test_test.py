"""`invoke test` itself: what it starts ends with it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_step_ends_with_the_command_that_started_it_however_that_dies(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    inner = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    outer = f"from ops.tasks.test import Step, execute; execute(Step('slow', ({sys.executable!r}, '-c', {inner!r})), capture=False)"
    process = subprocess.Popen([sys.executable, "-c", outer], cwd=ROOT)
    try:
        _until(lambda: told.exists() and told.read_text() != "")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    pid = int(told.read_text())
    _until(lambda: not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text())


def _until(holds: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
