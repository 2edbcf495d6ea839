"""Who is touched with whom: the canary first, then by size, the hosts of certain groups each in a wave at the end."""

from collections.abc import Iterator, Sequence

from ops.inventory import Inventory


def waves(
    inventory: Inventory, hosts: Sequence[str], unreachable_before: frozenset[str] = frozenset()
) -> tuple[tuple[str, ...], ...]:
    """Return *hosts* in waves by the policy of *inventory*.

    Args:
        inventory: gives ``patch_waves`` (sizes, the last one repeats) and ``patch_last_groups`` (a wave each, in this order).
        hosts: names, in the inventory's order.
        unreachable_before: hosts that the last change missed; they come first among their like.
    """
    ordered = sorted(hosts, key=lambda host: host not in unreachable_before)
    last = [[host for host in ordered if host in inventory.groups[group]] for group in inventory.policy.last_groups]
    first = [host for host in ordered if not any(host in group for group in last)]
    seen: set[str] = set()
    closing = []
    for group in last:
        closing.append(tuple(host for host in group if host not in seen))
        seen.update(group)
    return tuple(wave for wave in (*_sized(first, inventory.policy.waves), *closing) if wave)


def _sized(hosts: list[str], sizes: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield *hosts* in pieces of *sizes*: a number, or a share of all of them (at least one host)."""
    start = 0
    for size in [*sizes, *[sizes[-1]] * len(hosts)]:
        count = max(1, len(hosts) * int(size[:-1]) // 100) if size.endswith("%") else int(size)
        if start < len(hosts):
            yield tuple(hosts[start : start + count])
        start += count
