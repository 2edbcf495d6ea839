#!/usr/bin/python3 -I
"""Restore the cluster of this host from the repository; what was there before is kept aside, and comes back if anything fails.

    restore.py ID    the request is /var/lib/bordbuch/restore/ID.json, the result will be ID.result.json beside it

The server is started without an address of its own first: until everybody who was locked or deleted since is so again, nobody can
connect but root of this host.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# -I leaves out the folder of this file. It comes last, so that nothing in it goes before the standard library.
sys.path.append(str(Path(__file__).resolve().parent))

from bordbuch_files import write
from bordbuch_pgbackrest import Fault, Stanza, up_to

FOLDER = Path("/var/lib/bordbuch/restore")
DATA = Path("/var/lib/postgresql")
CONFIGURATION = Path("/etc/postgresql")
STANZA = Stanza("main", "postgres")
RECOVERY_SECONDS = 4 * 3600
"""How long the server may take to read WAL."""

PRIVATE = """# Written while a restore goes on; removed at its end.
listen_addresses = ''
unix_socket_permissions = 0700
archive_command = 'false'
"""
"""The last line: were the new history archived before all went well, later restores would follow it though it was given up. What
waits is sent once the server is opened."""


class Restore:
    """One restore, step by step."""

    def __init__(self, identifier: str) -> None:
        self.id = identifier
        self.request: dict[str, Any] = json.loads((FOLDER / f"{identifier}.json").read_text())
        version = str(self.request["version"])
        self.unit = f"postgresql@{version}-main.service"
        self.data = DATA / version / "main"
        self.aside = DATA / version / f"main.before-{identifier}"
        self.log, self.log_began = Path(f"/var/log/postgresql/postgresql-{version}-main.log"), 0
        self.private = CONFIGURATION / version / "main/conf.d/zz-restore.conf"
        self.result: dict[str, Any] = {"id": identifier, "kind": "restore", "started": now(), "steps": [], "ok": False}
        # A run that was killed has put data aside already.
        self.stopped = self.aside.exists()
        self.result |= {"reason": "", "replayed": None, "aside": str(self.aside) if self.stopped else ""}

    def run(self) -> int:
        """Do every step, or bring back what was there."""
        steps: list[tuple[str, Callable[[], str]]] = [
            ("look at the repository", self.look),
            ("look at the host", self.refuse_data),
            ("put the old data aside", self.put_aside),
            ("restore the files", self.restore),
            ("read WAL up to the target", self.recover),
            ("lock and delete again", self.replay),
            ("open the server", self.open),
        ]
        try:
            for name, step in steps:
                self.step(name, step)
            self.result["ok"] = True
        except Exception as fault:  # whatever it is, what was there comes back
            self.result["reason"] = f"{self.result['steps'][-1]['name']}: {fault}"
            with contextlib.suppress(Exception):  # noted in its step
                self.step("bring back what was there", self.bring_back)
        self.result["ended"] = now()
        write(FOLDER / f"{self.id}.result.json", json.dumps(self.result, indent=1), 0o600)
        print(self.result["reason"] or "restored")
        # The unit has done its work: how it went says the result.
        return 0

    def step(self, name: str, act: Callable[[], str]) -> None:
        """Do one step and note how it went."""
        began = time.monotonic()
        entry = {"name": name, "state": "failed", "seconds": 0, "detail": ""}
        self.result["steps"].append(entry)
        try:
            entry["detail"] = act()
            entry["state"] = "passed"
        except Exception as error:
            entry["detail"] = str(error)
            raise
        finally:
            entry["seconds"] = round(time.monotonic() - began)
            print(f"{name}: {entry['state']}, {entry['seconds']} s {entry['detail']}", flush=True)

    def look(self) -> str:
        """See that the repository opens and has the backup, before anything is touched."""
        backups = STANZA.opened(self.request["repository"]).backups
        if self.request["label"] not in {backup.label for backup in backups}:
            raise Fault(f"the repository has no backup {self.request['label']}")
        return self.request["label"]

    def refuse_data(self) -> str:
        """Refuse to replace data that the plan does not name."""
        members = self.psql("SELECT to_regclass('public.member') IS NOT NULL").strip()
        if self.stopped or self.request["replaces"]:
            return "data here goes aside, as was planned"
        if self.data.exists() and members not in ("t", "f"):
            raise Fault("the host has data and its server does not answer: whether it may be replaced is not known")
        count = self.psql("SELECT count(*) FROM public.member").strip() if members == "t" else "0"
        if count != "0":
            raise Fault(f"the host has {count or 'an unknown number of'} members that it was not told to replace")
        return "no members here"

    def put_aside(self) -> str:
        """Stop the server and put its data aside, on the same file system."""
        self.stopped = True
        self.systemctl("stop")
        if self.aside.exists():
            shutil.rmtree(self.data, ignore_errors=True)  # what an earlier run of this restore had brought
        elif self.data.exists():
            self.data.rename(self.aside)
            self.result["aside"] = str(self.aside)
        self.data.mkdir(mode=0o700)
        owner = self.data.parent.stat()
        os.chown(self.data, owner.st_uid, owner.st_gid)
        return f"kept in {self.aside}"

    def restore(self) -> str:
        """Have pgBackRest bring the files."""
        until = self.request["until"]
        target = up_to(until) if until in ("newest", "backup") else up_to("time", until)
        crew = os.cpu_count() or 1  # the server is down: all processors are free
        STANZA.restore(self.request["repository"], self.request["label"], target, crew)
        return f"until {until}"

    def recover(self) -> str:
        """Start the server for root alone, and wait until it has read WAL up to the target."""
        self.private.write_text(PRIVATE)
        self.private.chmod(0o644)
        self.log_began = self.log_size()
        self.systemctl("start")
        ends = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < ends:
            if self.psql("SELECT pg_is_in_recovery()").strip() == "f":
                return self.psql("SELECT 'timeline ' || timeline_id FROM pg_control_checkpoint()").strip()
            # Its unit starts it again and again; what ended it once will do so again.
            if self.state() != "active":
                raise Fault(f"the server ended: {self.last_words()}")
            time.sleep(0.5)
        raise Fault("the server was still reading WAL when its time was over")

    def replay(self) -> str:
        """Lock and delete whom the ledger says, and end all sessions."""
        script = FOLDER / f"{self.id}.sql"
        if not self.psql("SELECT to_regclass('public.member')").strip():
            return "the database has no members"
        done = run(["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.request["database"]],
                   given=script.read_text())  # fmt: skip
        if done.returncode:
            raise Fault(done.stderr.strip()[-400:])
        self.result["replayed"] = json.loads(done.stdout.strip().splitlines()[-1])
        return ", ".join(f"{name} {value}" for name, value in self.result["replayed"].items())

    def open(self) -> str:
        """Let the server listen again."""
        self.private.unlink()
        self.systemctl("restart")
        ends = time.monotonic() + 60
        while self.psql("SELECT 1").strip() != "1":
            if time.monotonic() > ends:
                raise Fault(f"the server does not answer: {self.last_words()}")
            time.sleep(0.5)
        return ""

    def bring_back(self) -> str:
        """Have everything as it was before the first step that touched anything."""
        if not self.stopped:
            return "nothing was touched"
        run(["systemctl", "stop", self.unit])
        if self.data.exists() and self.aside.exists():
            self.data.rename(self.data.with_name(f"main.failed-{self.id}"))
        if not self.aside.exists():
            return "there was no data before; the server is left stopped"
        self.aside.rename(self.data)
        self.result["aside"] = ""
        # Not before: until here the folder holds members whom nobody has locked again.
        self.private.unlink(missing_ok=True)
        self.systemctl("start")
        return "the data from before is back; what was restored lies beside it"

    def psql(self, statement: str) -> str:
        """Ask the server, which may not answer: then nothing."""
        database = self.request["database"]
        command = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", database, "-c", statement]
        done = run(command)
        return done.stdout if done.returncode == 0 else ""

    def systemctl(self, verb: str) -> None:
        """Start or stop the server."""
        run(["systemctl", "reset-failed", self.unit])
        done = run(["systemctl", verb, self.unit])
        if done.returncode and verb != "start":
            raise Fault(f"systemctl {verb} {self.unit}: {done.stderr.strip()}")

    def state(self) -> str:
        """Return the state of the server's unit."""
        return run(["systemctl", "show", "--property=ActiveState", "--value", self.unit]).stdout.strip()

    def log_size(self) -> int:
        """Return how long the server's log is now."""
        return self.log.stat().st_size if self.log.exists() else 0

    def last_words(self) -> str:
        """Return the last complaint in the server's log since it was started."""
        lines = (
            self.log.read_bytes()[self.log_began :].decode(errors="replace").splitlines() if self.log.exists() else []
        )
        said = next((line for line in reversed(lines) if re.search("FATAL|PANIC", line)), "see its log")
        if "before configured recovery target was reached" in said:
            said = (
                "WAL ends before the target: a file is missing in the repository, or the target lies after the last one"
            )
        return said[-300:]


def run(command: list[str], given: str | None = None, hours: float = 0.5) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it said."""
    source: dict[str, Any] = {"input": given} if given is not None else {"stdin": subprocess.DEVNULL}
    return subprocess.run(
        command, cwd="/", capture_output=True, text=True, errors="replace", check=False, timeout=hours * 3600, **source
    )


def now() -> str:
    """Return the time as records have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stopped(_signal: int, _frame: object) -> None:
    """Turn being stopped into a fault, so that what was there before comes back."""
    raise Fault("it was stopped")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stopped)
    sys.exit(Restore(sys.argv[1]).run())
