"""The question that requirements ask of the comparisons of access rights. Pure."""

from ops.runbook.grounds import ACCESS_DAYS, Grounds, age, newest_by_host
from ops.runbook.language import N_
from ops.runbook.requirements import Check, Exceptional
from ops.runbook.summary import Summary


def compared(on: Grounds) -> Check:
    """Hosts whose newest comparison of access rights is not old and found no difference; one that did not answer counts as none."""
    newest = newest_by_host(on.of("access"))
    hosts = on.inventory.hosts
    bad = [found for host in hosts if (found := _exception(on, host, newest.get(host)))]
    return Check(
        N_(
            "hosts whose accounts, keys, passwords, sudo and database roles were compared within 31 days, without a difference"
        ),
        len(hosts),
        len(hosts) - len(bad),
        tuple(bad),
    )


def _exception(on: Grounds, host: str, one: Summary | None) -> Exceptional | None:
    if one is None or one.ended is None:
        return Exceptional(N_("its access rights were never compared"), "", host)
    if not one.checks.get(host):
        return Exceptional(N_("its access rights could not be compared"), one.id, host)
    if one.hosts[host] != "verified":
        return Exceptional(N_("its access rights differ from what is configured"), one.id, host)
    old = age(on, one.ended) > ACCESS_DAYS * 86400
    return Exceptional(N_("its access rights were compared more than 31 days ago"), one.id, host) if old else None
