"""The questions that requirements ask of the records of changes, and of people, each as a `Check`. Pure."""

from ops.logbook.operators import MAY_SIGN
from ops.runbook.grounds import OPEN_SECONDS, PATCH_SECONDS, PLANNED_KINDS, Grounds, age, share
from ops.runbook.language import N_
from ops.runbook.requirements import Check, Exceptional
from ops.runbook.store import Seen
from ops.runbook.summary import Summary


def planned(on: Grounds) -> Check:
    """Patches, reverts and restores that followed a plan."""
    return share(
        N_("patches, reverts and restores that followed a plan"),
        on.of(*PLANNED_KINDS),
        lambda one: one.planned,
        N_("has no plan"),
    )


def allowed(on: Grounds) -> Check:
    """Plans that were carried out under an approval of exactly them."""
    begun = [one for one in on.of(*PLANNED_KINDS) if one.planned]
    return share(
        N_("plans carried out under an approval of exactly that plan"),
        begun,
        lambda one: one.verdict == "approved" and one.approved_digest,
        N_("was carried out without an approval of its plan"),
    )


def recorded(on: Grounds) -> Check:
    """Changes that have an end on record."""
    old = [one for one in on.summaries if one.outcome or (one.asked and age(on, one.asked) > OPEN_SECONDS)]
    return share(
        N_("changes that have an end on record"),
        old,
        lambda one: bool(one.outcome),
        N_("was begun or asked for, and has no end"),
    )


def ways_back(on: Grounds) -> Check:
    """Package versions that were put aside for the way back."""
    patches = [one for one in on.of("patch") if one.evidence.replaced]
    bad = [one for one in patches if one.evidence.ways_back < one.evidence.replaced]
    total = sum(one.evidence.replaced for one in patches)
    return Check(
        N_("replaced package versions that were put aside for the way back"),
        total,
        sum(one.evidence.ways_back for one in patches),
        tuple(Exceptional(N_("replaced versions that nothing leads back to"), one.id) for one in bad),
    )


def canaries(on: Grounds) -> Check:
    """Patches of several hosts that began with fewer of them."""
    several = [one for one in on.of("patch", "revert") if sum(one.waves) > 1]
    return share(
        N_("patches of several hosts that went in waves"),
        several,
        lambda one: len(one.waves) > 1,
        N_("touched all hosts at once"),
    )


def stopped(on: Grounds) -> Check:
    """Patches with a closed gate in which no later wave began."""
    closed = [one for one in on.of("patch", "revert") if one.outcome == "failed" and len(one.waves) > 1]
    return share(
        N_("failed patches after which later waves did not begin"),
        [one for one in closed if _before_last(one)],
        lambda one: one.evidence.not_begun > 0,
        N_("went on after a failure"),
    )


def _before_last(one: Summary) -> bool:
    """Return whether a host failed and others were left, so that there was something to stop."""
    return 0 < len(one.failed) < sum(one.waves) and one.evidence.verified < sum(one.waves) - 1


def gated(on: Grounds) -> Check:
    """Hosts that were checked after their patch."""
    done = [one for one in on.of("patch", "revert") if one.evidence.verified]
    bad = [one for one in done if one.evidence.checked < one.evidence.verified]
    return Check(
        N_("patched hosts with the results of their checks on record"),
        sum(one.evidence.verified for one in done),
        sum(one.evidence.checked for one in done),
        tuple(Exceptional(N_("a host has no check on record"), one.id) for one in bad),
    )


def hashed(on: Grounds) -> Check:
    """Packages that were approved by their SHA-256."""
    plans = [one for one in on.of("patch", "revert") if one.evidence.packages]
    bad = [one for one in plans if one.evidence.hashed < one.evidence.packages]
    return Check(
        N_("packages that were approved by their checksum"),
        sum(one.evidence.packages for one in plans),
        sum(one.evidence.hashed for one in plans),
        tuple(Exceptional(N_("a package has no checksum"), one.id) for one in bad),
    )


def trusted(on: Grounds) -> Check:
    """Package sources whose signature was checked when a plan was made."""
    plans = [one for one in on.of("patch", "revert") if one.evidence.sources]
    bad = [one for one in plans if one.evidence.trusted < one.evidence.sources]
    return Check(
        N_("answers of package sources that were signed by a known key"),
        sum(one.evidence.sources for one in plans),
        sum(one.evidence.trusted for one in plans),
        tuple(Exceptional(N_("a source did not answer with a known key"), one.id) for one in bad),
    )


def caught_up(on: Grounds) -> Check:
    """Hosts that a patch did not reach and a later one did."""
    missed = [(one, host) for one in on.of("patch") for host in _missed(one)]
    last = {host: one.id for one in on.of("patch") for host, state in one.hosts.items() if state == "verified"}
    late = [(one, host) for one, host in missed if last.get(host, "") <= one.id]
    named = tuple(Exceptional(N_("was not reached, and not patched since"), one.id, host) for one, host in late)
    return Check(
        N_("hosts that a patch did not reach and a later one did"),
        len(missed),
        len(missed) - len(late),
        named,
        needed=False,
    )


def _missed(one: Summary) -> list[str]:
    states = ("unreachable", "not-begun", "interrupted", "refused")
    return sorted({*one.excluded, *(host for host, state in one.hosts.items() if state in states)})


def reasons(on: Grounds) -> Check:
    """Changes with a reason."""
    told = [one for one in on.summaries if one.outcome]
    return share(N_("changes that say why"), told, lambda one: bool(one.reason), N_("has no reason"))


def people(on: Grounds) -> Check:
    """Changes that say who asked, who acted, and when."""
    told = [one for one in on.summaries if one.outcome]
    return share(
        N_("changes that say who asked, who acted, and when"),
        told,
        lambda one: bool(one.requester and one.operator and one.ended),
        N_("does not say who, or when"),
    )


def emergencies(on: Grounds) -> Check:
    """Emergency changes that were approved afterwards in time."""
    urgent = [one for one in on.summaries if one.category == "emergency" and one.owed_until]
    return share(
        N_("emergency changes that were approved afterwards"),
        [one for one in urgent if one.verdict or (one.owed_until and one.owed_until < on.now)],
        lambda one: one.verdict == "approved",
        N_("its approval is overdue"),
        needed=False,
    )


def four_eyes(on: Grounds) -> Check:
    """Changes that a second operator allowed."""
    changes = [one for one in on.of(*PLANNED_KINDS) if one.planned]
    return share(
        N_("plans that another operator allowed"),
        changes,
        lambda one: one.basis == "operator" and one.approver != one.requester,
        N_("was allowed by the policy alone"),
    )


def separated(on: Grounds) -> Check:
    """Changes whose category needs another operator, and that were not allowed by who asked."""
    needs = {name for name, rule in on.inventory.policy.approval.items() if rule != "policy"}
    changes = [one for one in on.summaries if one.category in needs and one.planned and one.verdict]
    return share(
        N_("changes that need another operator and were decided by one"),
        changes,
        lambda one: one.approver != one.requester,
        N_("was decided by who asked for it"),
    )


def automatic(on: Grounds) -> Check:
    """Hosts whose automatic updates are as the inventory says, by the newest plan."""
    hosts = on.inventory.hosts
    bad = []
    for host, policy in hosts.items():
        seen = on.looks.get(host)
        if seen is None:
            bad.append(Exceptional(N_("no plan has looked at it"), "", host))
        elif seen.look.automatic_updates != policy.automatic_updates:
            bad.append(Exceptional(N_("has another setting than the inventory"), seen.change, host))
    return Check(
        N_("hosts whose automatic updates are set as configured, by the newest plan"),
        len(hosts),
        len(hosts) - len(bad),
        tuple(bad),
    )


def current(on: Grounds) -> Check:
    """Hosts that the newest plan could judge, and that have no security update open for longer than the limit."""
    late = {one.host for one in on.exposures if on.now.timestamp() - one.seen > PATCH_SECONDS}
    bad = [found for host in on.inventory.hosts if (found := _behind(host, on.looks.get(host), late))]
    hosts = len(on.inventory.hosts)
    return Check(
        N_("hosts that could be judged and have no update open for more than a week"),
        hosts,
        hosts - len(bad),
        tuple(bad),
    )


def _behind(host: str, seen: Seen | None, late: set[str]) -> Exceptional | None:
    if seen is None:
        return Exceptional(N_("no plan has looked at it"), "", host)
    if seen.verdict == "end-of-life":
        return Exceptional(N_("its release is no longer supported"), seen.change, host)
    if seen.verdict not in ("current", "pending"):
        return Exceptional(N_("could not be judged"), seen.change, host)
    return Exceptional(N_("has an update open for more than a week"), seen.change, host) if host in late else None


def decided(on: Grounds) -> Check:
    """Updates that were left out with a reason."""
    left = [(seen, one) for seen in on.looks.values() for one in seen.look.deferred]
    bad = tuple(
        Exceptional(N_("is held, and the inventory gives no reason"), seen.change, f"{seen.host}: {one.name}")
        for seen, one in left
        if one.state == "held" and not one.reason
    )
    return Check(N_("updates left out that have a reason"), len(left), len(left) - len(bad), bad, needed=False)


def patched_in_time(on: Grounds) -> Check:
    """Security updates that were installed within the week after they were first seen."""
    return Check(N_("security updates installed within a week after a plan first saw them"), on.installed, on.in_time)


def signed(on: Grounds) -> Check:
    """Entries of the logbook that name the key of an operator who may sign."""
    total = sum(count for _who, _key, count, _first, _last in on.signers)
    bad = [(who, key, count) for who, key, count, _first, _last in on.signers if not _may_sign(on, key)]
    named = tuple(
        Exceptional(N_("signed by a key that is none of an administrator's"), "", f"{who} {key}")
        for who, key, _count in bad
    )
    return Check(
        N_("entries of the logbook signed with the key of an administrator"),
        total,
        total - sum(c for *_, c in bad),
        named,
    )


def _may_sign(on: Grounds, key: str) -> bool:
    owner = on.operators.owner(key)
    return owner is not None and owner[0].office in MAY_SIGN


def audited(on: Grounds) -> Check:
    """Commits in which an audit found nothing; only asked where one was made with the site."""
    if on.audit is None:
        return Check(N_("entries in which the audit found nothing wrong"), 0, 0)
    bad = {one.commit for one in on.audit.findings}
    named = tuple(
        Exceptional(N_("the audit found something"), "", f"{one.commit[:12]} {one.what}".strip())
        for one in on.audit.findings
    )
    return Check(
        N_("entries in which the audit found nothing wrong"),
        on.audit.commits,
        max(0, on.audit.commits - len(bad)),
        named,
    )


def two_administrators(on: Grounds) -> Check:
    """Whether a second administrator can act and approve."""
    count = sum(on.operators.may_change(name) for name in on.operators.names())
    bad = () if count > 1 else (Exceptional(N_("there is one administrator only: nobody can stand in, or approve")),)
    return Check(N_("at least two administrators"), 1, int(count > 1), bad)


def offices(on: Grounds) -> Check:
    """People with exactly one office; the inventory is refused where somebody has two."""
    people = [one for one in on.operators.all if one.state == "present"]
    return Check(N_("people who hold exactly one office"), len(people), len({one.name for one in people}))


def withdrawn(on: Grounds) -> Check:
    """People who left and whose keys have ended."""
    gone = [one for one in on.operators.all if one.state == "absent"]
    bad = [one for one in gone if any(key.valid_at(on.now) for key in one.keys)]
    named = tuple(Exceptional(N_("has left, and a key still counts"), "", one.name) for one in bad)
    return Check(
        N_("people who left and whose keys no longer count"), len(gone), len(gone) - len(bad), named, needed=False
    )


def off_host(on: Grounds) -> Check:
    """Whether the logbook is kept on a host where operators cannot rewrite it."""
    kept = bool(on.inventory.policy.logbook_remote)
    bad = () if kept else (Exceptional(N_("the logbook is kept on the administrator's machine only")),)
    return Check(N_("the logbook is kept on another host"), 1, int(kept), bad)
