"""Pure: the package sources of a host, from those of the machine, so that no mirror's name stands in the code."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ops.errors import BadInput

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
TARGET_FORMAT = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
"""What to ask ``apt-get indextargets`` for; it reads both source formats and knows each archive's origin."""

_KINDS = ("", "-updates", "-security")
_ALIASES = ("stable", "oldstable", "oldoldstable")


@dataclass(frozen=True)
class Target:
    """One suite that the machine uses: where it is, its name in the sources, a component, and who publishes it."""

    uri: str
    suite: str
    component: str
    origin: str


def parse_targets(text: str) -> list[Target]:
    """Return the targets in the output of ``apt-get indextargets --format TARGET_FORMAT``."""
    return [Target(*line.split("|")) for line in text.splitlines() if line.count("|") == 3]


def debian_sources(targets: Iterable[Target], codename: str) -> dict[str, str]:
    """Return suite kind (``""``, ``-updates``, ``-security``) → address, for what Debian publishes over HTTP.

    Args:
        targets: what the machine uses.
        codename: the machine's release.

    Raises:
        BadInput: the machine has no such source of its main archive.
    """
    found: dict[str, str] = {}
    for target in targets:
        kind = _kind(target.suite, codename)
        if kind is not None and _is_debian_main(target):
            found.setdefault(kind, target.uri)
    if "" not in found:
        raise BadInput(
            f"this machine's package sources hold no Debian archive of {codename} reached over HTTP",
            next_step="run the lab on Debian 12 or 13, after apt-get update",
        )
    return found


def _is_debian_main(target: Target) -> bool:
    return target.origin == "Debian" and target.component == "main" and target.uri.startswith(("http://", "https://"))


def _kind(suite: str, codename: str) -> str | None:
    for name in (codename, *_ALIASES):
        if suite.startswith(name) and suite.removeprefix(name) in _KINDS:
            return suite.removeprefix(name)
    return None


def guest_sources(sources: Mapping[str, str], release: str) -> str:
    """Return the text of a host's ``debian.sources`` (deb822): the machine's archives, the suites of *release*."""
    paragraphs = [
        f"Types: deb\nURIs: {uri}\nSuites: {release}{kind}\nComponents: main\nSigned-By: {KEYRING}\n"
        for kind, uri in sorted(sources.items())
    ]
    return "\n".join(paragraphs)


def guest_proxy(proxy: str, gateway: str) -> str:
    """Return APT configuration that names the machine's *proxy*; one on the machine itself is reached at *gateway*."""
    if not proxy or proxy == "DIRECT":
        return ""
    reached = re.sub(r"//(localhost|127\.[0-9.]+|\[::1\])(?=[:/]|$)", f"//{gateway}", proxy)
    return f'Acquire::http::Proxy "{reached}";\nAcquire::https::Proxy "{reached}";\n'


def guest_resolver(text: str) -> str:
    """Return the machine's ``resolv.conf`` without name servers that only the machine itself reaches."""
    lines = [line for line in text.splitlines() if not re.match(r"\s*nameserver\s+(127\.|::1)", line)]
    return "\n".join([*lines, ""])
