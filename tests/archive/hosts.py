"""What a host needs to use the archive: its sources and key, instead of those that it had."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.archive.keys import Key

KEY_FILE = "/usr/share/keyrings/test-archive.asc"
SOURCES_FILE = "/etc/apt/sources.list.d/test-archive.sources"


def sources(url: str, release: str, *, keys: str = KEY_FILE, security: bool = True) -> str:
    """Return the deb822 sources of *release* at the archive's *url*, as Debian's installer writes them.

    Args:
        keys: the path of the public key on the host.
        security: with the security suite, too.
    """
    main = _stanza(f"{url}/debian", release, keys)
    return main + "\n" + _stanza(f"{url}/debian-security", f"{release}-security", keys) if security else main


def _stanza(url: str, suite: str, keys: str) -> str:
    return f"Types: deb\nURIs: {url}\nSuites: {suite}\nComponents: main\nSigned-By: {keys}\n"


def run_on(ssh_config: Path, host: str, script: str, *, timeout_seconds: float = 120) -> str:
    """Run *script* with ``sh -e`` on a lab host and return what it printed. Raises RuntimeError if it fails."""
    command = ["ssh", "-F", str(ssh_config), host, "DEBIAN_FRONTEND=noninteractive sh -e"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=timeout_seconds, check=False)
    if done.returncode:
        raise RuntimeError(f"{host}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def use_script(url: str, release: str, keys: Sequence[Key]) -> str:
    """Return the shell script that makes a host of *release* use only the archive at *url*, with no lists yet."""
    files = {
        SOURCES_FILE: sources(url, release),
        KEY_FILE: "".join(key.public for key in keys),
        # A server that hangs or refuses is what some tests look at: they need not wait for it long.
        "/etc/apt/apt.conf.d/99test-archive": 'Acquire::Retries "0";\nAcquire::http::Timeout "10";\n',
    }
    clear = "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*\n"
    return clear + write_script(files)


def write_script(files: Mapping[str, str]) -> str:
    """Return the shell script that writes *files* (path → text that ends with a newline)."""
    return "".join(f"cat >'{path}' <<'END-OF-FILE'\n{text}END-OF-FILE\n" for path, text in files.items())
