"""The page of what runs where: a drawing from an inventory, a table from the site's playbook. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from ops.docs.playbooks import load_yaml

HEAD = """\
# What runs where

<!-- made by `invoke docs` from inventory/example and playbooks/site.yml; do not edit -->

The hosts of `inventory/example`. An arrow is a connection that the other host's firewall lets in, or mail that leaves; SSH from
controllers to every host, and from administrators' machines to the logbook, is not drawn."""

WORLD = "members"


def render(hosts: Mapping[str, Mapping[str, Any]], playbook: str) -> str:
    """Return the page.

    Args:
        hosts: name → ``in_groups``, ``site_address``, ``firewall_rules`` and, if mail leaves, ``mail_relay_host``.
        playbook: YAML of the playbook for the whole site.
    """
    drawing = "\n".join(["```mermaid", "flowchart LR", *(f"    {line}" for line in _lines(hosts)), "```"])
    rows = [f"| {where} | {role} | {condition} |" for where, role, condition in parts(playbook)]
    table = "\n".join(["| hosts | role | where |", "|---|---|---|", *rows])
    return "\n\n".join([HEAD, drawing, "## Roles, in the order of `playbooks/site.yml`", table]) + "\n"


def parts(playbook: str) -> Iterator[tuple[str, str, str]]:
    """Yield the pattern of hosts, the role, and its condition, in the order of *playbook*."""
    for play in load_yaml(playbook):
        roles = [one if isinstance(one, dict) else {"role": one} for one in play.get("roles", ())]
        imported = [
            {"role": task["ansible.builtin.import_role"]["name"], "when": task.get("when")}
            for task in play.get("tasks", ())
            if "ansible.builtin.import_role" in task
        ]
        for role in [*roles, *imported]:
            name = f"[{role['role']}](../../roles/{role['role']}/README.md)"
            yield f"`{play['hosts']}`", name, _condition(role.get("when"))


def _condition(when: str | None) -> str:
    return f"`{when}`".replace("|", "\\|") if when else "everywhere"


def _lines(hosts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield f"{WORLD}(({WORLD}))"
    for name, values in hosts.items():
        yield f'{name}["{name}: {", ".join(values["in_groups"])}"]'
    relays = {name: values["mail_relay_host"] for name, values in hosts.items() if values.get("mail_relay_host")}
    yield from (f'relay(["{relay}"])' for relay in dict.fromkeys(relays.values()) if relay not in hosts)
    addresses = {values["site_address"]: name for name, values in hosts.items()}
    for name, values in hosts.items():
        for rule in values["firewall_rules"] or ():
            ports = " ".join(str(port) for port in rule.get("ports") or [rule["port"]])
            for source in [addresses.get(address, address) for address in rule.get("from") or ()] or [WORLD]:
                if source != name:
                    yield f'{source} -->|"{rule["name"]} {ports}"| {name}'
    yield from (f'{name} -.->|"mail"| {relay if relay in hosts else "relay"}' for name, relay in relays.items())
