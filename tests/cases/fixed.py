"""What differs from machine to machine and from day to day, replaced by something fixed when a case is captured."""

import re
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.cases.case import STARTS, at
from tests.faults.site import ROOT, Site
from tests.unit.factories import NOW

KERNEL = "6.1.0-50-amd64"
"""The kernel that a host of a case runs: older than those that the test archive has."""

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA{:A<42}"
BOOT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PUBLIC_KEY = re.compile(r"ssh-ed25519 \S+( \S+)?")
EPOCHS = {"checked_epoch": 0, "lists_epoch": -2, "began": 8, "ended": 12}
"""Fields that hold seconds since 1970, and how long after the host was asked they are put."""

CHECKED = int((NOW + timedelta(seconds=5)).timestamp())


class Fixed:
    """Replaces in all files of one case alike; the same boot id becomes the same fixed one."""

    def __init__(self, site: Site) -> None:
        self.texts = {
            str(site.lab.state): "/lab",
            str(site.folder): "/site",
            str(ROOT): "/checkout",
            str(Path.home()): "/home/anna",
            urlsplit(site.archive.url).netloc: "archive.test",
            **{str(host.address): f"192.0.2.1{number}" for number, host in enumerate(site.lab.hosts())},
            str(site.lab.gateway): "192.0.2.1",
            socket.gethostname(): "laptop",
        }
        self.boots: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.now = datetime.now(NOW.tzinfo)

    def facts(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a host *told* with fixed clock, kernel, boot and room."""
        self.texts[told["kernel_running"]] = KERNEL
        fixed: dict[str, Any] = self.value(dict(told))
        if abs(told["clock_offset_seconds"]) <= 2:
            fixed["clock_offset_seconds"] = 0
        return fixed

    def events(self, run: int, spooled: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the events of *run*, a second apart."""
        return [
            {**self.value(event), "time": at(STARTS[run - 1] + timedelta(seconds=number))}
            for number, event in enumerate(spooled)
        ]

    def value(self, value: Any, name: str = "") -> Any:
        """Return *value*, the content of the field *name*, with all that varies replaced."""
        if isinstance(value, dict):
            inner = {self.text(key): self.value(entry, key) for key, entry in value.items()}
            return roomy(inner) if "free_bytes" in inner else inner
        if isinstance(value, list):
            return [self.value(entry, name) for entry in value]
        if name in EPOCHS:
            return CHECKED + EPOCHS[name]
        if name == "stage_seconds":
            return 1
        if name in ("published", "valid_until", "key_valid_until") and value:
            return self.date(name, value)
        return self.text(value) if isinstance(value, str) else value

    def date(self, name: str, value: str) -> str:
        """Return a date of a Release file: its end as far away as it was, its making always the same."""
        days = round((datetime.fromisoformat(value) - self.now) / timedelta(days=1))
        return at(NOW - timedelta(hours=6) if name == "published" else NOW + timedelta(days=days))

    def text(self, value: str) -> str:
        """Return *value* with paths, addresses, keys and boot ids replaced."""
        for found, replacement in sorted(self.texts.items(), key=lambda pair: -len(pair[0])):
            value = re.sub(rf"(?<![\w.]){re.escape(found)}(?![\w])", replacement, value)
        value = BOOT_ID.sub(lambda match: numbered(self.boots, match[0], "{:0>8}-0000-4000-8000-000000000000"), value)
        return PUBLIC_KEY.sub(lambda match: KEY.format(numbered(self.keys, match[0], "{}")), value)


def numbered(known: dict[str, str], value: str, form: str) -> str:
    """Return the fixed value for *value*: *form* with its number in the order in which they came."""
    return known.setdefault(value, form.format(len(known) + 1))


def roomy(space: dict[str, Any]) -> dict[str, Any]:
    """Return *space* of a file system with a fixed amount free, enough where there was enough."""
    return {**space, "free_bytes": 10**10 if space["free_bytes"] >= space["needed_bytes"] else 10**6}
