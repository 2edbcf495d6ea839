"""Pure: what must be true of a host, from its variables in the inventory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Expected:
    """What the inventory says of one host.

    ``administrators``: login name to the base64 part of each valid key. ``parts``: what of the site is on it.
    """

    automatic_updates: str
    administrators: dict[str, set[str]]
    others: tuple[str, ...]
    parts: frozenset[str] = frozenset()


def expected(variables: Mapping[str, Any], today: str = "") -> Expected:
    """Return what *variables* ask for on the day *today* (UTC, ``YYYY-MM-DD``; the current one by default)."""
    today = today or datetime.now(UTC).strftime("%Y-%m-%d")
    folder = Path(variables.get("inventory_dir") or ".")
    operators = variables.get("operators") or []
    keys = {one["name"]: _valid_keys(one, folder, today) for one in operators if _administers(one)}
    administrators = {name: valid for name, valid in keys.items() if valid}
    others = tuple(one["name"] for one in operators if one["name"] not in administrators)
    updates = str(variables.get("automatic_updates") or "off")
    return Expected(updates, administrators, others, frozenset(_parts(variables)))


def _parts(variables: Mapping[str, Any]) -> Iterator[str]:
    """Yield what playbooks/site.yml puts on the host, by the same conditions."""
    name = variables.get("inventory_hostname")
    for part, variable in (("certificate", "ca_host"), ("mail", "mail_relay_host"), ("firewall", "firewalled")):
        if variables.get(variable):
            yield part
    if name and name == variables.get("archive_host"):
        yield "archive"
    if name and name == variables.get("pages_host"):
        yield "pages"
    yield from (group for group in ("application", "database") if group in (variables.get("in_groups") or ()))


def _administers(operator: Mapping[str, Any]) -> bool:
    return operator["office"] == "administration" and operator.get("state", "present") == "present"


def _valid_keys(operator: Mapping[str, Any], folder: Path, today: str) -> set[str]:
    return {_base64(key, folder) for key in operator.get("keys", []) if _is_valid(key, today)}


def _is_valid(key: Mapping[str, Any], today: str) -> bool:
    return str(key.get("valid_from") or today) <= today <= str(key.get("valid_until") or today)


def _base64(key: Mapping[str, Any], folder: Path) -> str:
    text = key.get("public") or (folder / key["file"]).read_text()
    return str(text).split()[1]
