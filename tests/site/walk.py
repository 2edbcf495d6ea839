"""How-tos, walked: their own commands are run as they stand on the page, with the lab's hosts for those of the example."""

import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.site.conftest import INVOKE, ROOT, Deployed

HOWTOS = ROOT / "docs" / "howto"
BLOCK = re.compile(r"^( *)```(sh|sql)\n(.*?)^ *```", re.M | re.S)
ANSWERED = "deploy backup restore"
"""Commands that ask: nobody is there to answer."""

STAND_INS = {
    "inv": f"""#!/bin/sh
case " {ANSWERED} " in *" $1 "*) set -- "$@" --yes;; esac
cd {ROOT} && exec {INVOKE} "$@" </dev/null
""",
    "ssh": """#!/bin/sh
exec /usr/bin/ssh -F {config} "$@"
""",
}


class Walk:
    """One how-to on a site; *moment* stands for each time that the page names."""

    def __init__(self, site: Deployed, name: str, folder: Path, moment: str = "") -> None:
        self.site, self.folder, self.moment = site, folder, moment
        text = (HOWTOS / f"{name}.md").read_text(encoding="utf-8")
        self.blocks = [(kind, self.here(block)) for _indent, kind, block in BLOCK.findall(text)]
        for program, script in STAND_INS.items():
            path = folder / program
            path.write_text(script.format(config=site.lab.ssh_config), encoding="utf-8")
            path.chmod(0o700)

    def here(self, text: str) -> str:
        """Return a command of the page as it is here: no inventory to name, the lab's hosts, times of now."""
        ahead = f"{datetime.now(UTC) + timedelta(hours=5):%Y-%m-%d %H:%M}"
        for pattern, value in (
            (r" --inventory inventory/production", ""),
            (r"\.example\.org", ""),
            (r"\d{4}-\d\d-\d\dT[\d:]+Z", self.moment),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d", ahead),
            (r"/postgresql/17/", f"/postgresql/{self.site.postgresql_version}/"),
        ):
            text = re.sub(pattern, value, text)
        return text

    def block(self, words: str) -> str:
        """Return the one block that has *words*."""
        (found,) = [text for _kind, text in self.blocks if words in text]
        return found

    def run(self, script: str, seconds: float = 1500) -> str:
        """Run *script*, each command of which must succeed, and return what it printed."""
        environment = {**self.site.environment, "PATH": f"{self.folder}{os.pathsep}{self.site.environment['PATH']}"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode} of\n{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def all(self) -> str:
        """Run each block of the page for a shell, in their order, and return what they printed."""
        return "".join(self.run(text) for kind, text in self.blocks if kind == "sh")
