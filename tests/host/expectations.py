"""Pure: what must be true of a host, from its variables in the inventory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.logbook.operators import MAY_SIGN, Operators


@dataclass(frozen=True)
class Expected:
    """What the inventory says of one host.

    ``administrators``: login name to the base64 part of each valid key. ``parts``: what of the site is on it.
    """

    automatic_updates: str
    administrators: dict[str, set[str]]
    others: tuple[str, ...]
    parts: frozenset[str] = frozenset()


def expected(variables: Mapping[str, Any], now: datetime | None = None) -> Expected:
    """Return what *variables* ask for *now*."""
    moment = now or datetime.now(UTC)
    operators = Operators.parse(variables.get("operators") or (), Path(variables.get("inventory_dir") or ".")).all
    keys = {
        one.name: {key.public.split()[1] for key in one.keys if key.valid_at(moment)}
        for one in operators
        if one.office in MAY_SIGN and one.state == "present"
    }
    administrators = {name: valid for name, valid in keys.items() if valid}
    others = tuple(one.name for one in operators if one.name not in administrators)
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
