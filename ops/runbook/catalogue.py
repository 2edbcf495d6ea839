"""What an auditor checks, in words of our own, with the questions that each requirement asks of the records. Pure.

Ids are those of the German BSI's IT-Grundschutz (edition 2022 with the changes of 2023) and of ISO/IEC 27001:2022; the
catalogues' own texts are not repeated. OPS.1.1.3.A16 was dropped in 2023 and is not cited.
"""

from ops.runbook import evidence, evidence_access, evidence_backups
from ops.runbook.grounds import Grounds
from ops.runbook.language import N_
from ops.runbook.requirements import Check, Requirement, Rule

NO_AUDIT = N_(
    "the signatures were not verified when this page was made: invoke runbook --audit does, and the page on how to verify says how"
)
SELECTION = {"security": N_("security updates only"), "all": N_("all updates")}
RULES = {
    "policy": N_("the question on the terminal is enough"),
    "operator": N_("another operator, before it begins"),
    "operator-within-24h": N_("another operator, within 24 hours after it began"),
}
CATEGORIES = {"standard": N_("standard"), "normal": N_("normal"), "emergency": N_("emergency")}


def requirements(on: Grounds) -> tuple[Requirement, ...]:
    """Return every requirement with its checks made on *on*, in the order of the catalogues."""
    return (*_patching(on), *_rolling_out(on), *_administration(on), *_backups(on), *_organisation(on), *_iso(on))


def _one(ids: str, title: str, rules: tuple[Rule, ...], checks: tuple[Check, ...], *limits: str) -> Requirement:
    return Requirement(tuple(ids.split(", ")), title, rules, checks, limits)


def _approval_rules(on: Grounds) -> tuple[Rule, ...]:
    policy = on.inventory.policy
    names = [(str(name), str(rule)) for name, rule in policy.approval.items()]
    return tuple(
        Rule(N_("Approval of a change of category {category}: {rule}."), {"category": name, "rule": rule})
        for name, rule in names
    )


def _waves(on: Grounds) -> Rule:
    policy = on.inventory.policy
    return Rule(
        N_("Sizes of waves: {waves}; groups that come last: {last}."),
        {"waves": ", ".join(policy.waves), "last": ", ".join(policy.last_groups) or "-"},
    )


def _promises(on: Grounds) -> Rule:
    return Rule(
        N_("Promised: at most {point} s are lost, a restore takes at most {time} s."),
        {"point": on.promise.point, "time": on.promise.time},
    )


def _off_host(on: Grounds) -> Rule:
    return Rule(N_("The logbook is kept at {remote}."), {"remote": on.inventory.policy.logbook_remote or "-"})


def _selection(on: Grounds) -> Rule:
    return Rule(N_("Plans take: {selection}."), {"selection": str(on.inventory.policy.selection)})


def _patching(on: Grounds) -> tuple[Requirement, ...]:
    return (
        _one(
            "OPS.1.1.3.A1",
            N_("Changes are planned, approved, documented and tested before; there is a way back"),
            (*_approval_rules(on), _waves(on)),
            (
                evidence.planned(on),
                evidence.allowed(on),
                evidence.recorded(on),
                evidence.canaries(on),
                evidence.ways_back(on),
            ),
        ),
        _one(
            "OPS.1.1.3.A2",
            N_("It is settled who is responsible for what, and access rights follow from it"),
            (),
            (evidence.offices(on), evidence.two_administrators(on), evidence_access.compared(on)),
        ),
        _one(
            "OPS.1.1.3.A3",
            N_("Automatic updates are ruled, and set so on each host"),
            _automatic(on),
            (evidence.automatic(on),),
        ),
        _one(
            "OPS.1.1.3.A5, OPS.1.1.3.A6",
            N_("Requests for changes are recorded and judged; those concerned are heard; there is a fast path"),
            _approval_rules(on),
            (evidence.reasons(on), evidence.emergencies(on)),
            N_("whether those concerned were heard is not on record"),
        ),
    )


def _rolling_out(on: Grounds) -> tuple[Requirement, ...]:
    return (
        _one(
            "OPS.1.1.3.A10",
            N_("Signature or checksum is checked before installing, from a trusted source"),
            (_selection(on),),
            (evidence.hashed(on), evidence.trusted(on)),
        ),
        _one("OPS.1.1.3.A11", N_("Every phase is documented"), (), (evidence.recorded(on), evidence.people(on))),
        _one(
            "OPS.1.1.3.A12",
            N_("Break points stop a faulty roll-out"),
            (_waves(on),),
            (evidence.canaries(on), evidence.stopped(on)),
        ),
        _one("OPS.1.1.3.A13", N_("Tests after a change, with their results on record"), (), (evidence.gated(on),)),
        _one(
            "OPS.1.1.3.A14", N_("Hosts that could not be reached get the change later"), (), (evidence.caught_up(on),)
        ),
        _one(
            "OPS.1.1.3.A15",
            N_("Patches are judged and installed soon; what is left out has a reason; unsupported products are found"),
            (_selection(on),),
            (evidence.current(on), evidence.decided(on), evidence.patched_in_time(on)),
        ),
    )


def _automatic(on: Grounds) -> tuple[Rule, ...]:
    settings: dict[str, list[str]] = {}
    for host, policy in on.inventory.hosts.items():
        settings.setdefault(policy.automatic_updates, []).append(host)
    return tuple(
        Rule(N_("Automatic updates {setting}: on {count} hosts."), {"setting": setting, "count": len(hosts)})
        for setting, hosts in sorted(settings.items())
    )


def _administration(on: Grounds) -> tuple[Requirement, ...]:
    unseen = () if on.audit else (NO_AUDIT,)
    checks = (evidence.audited(on),) if on.audit else ()
    return (
        _one(
            "OPS.1.1.2.A5",
            N_("Administrative work is traceable: what, by whom, when"),
            (),
            (evidence.people(on), evidence.recorded(on)),
        ),
        _one(
            "OPS.1.1.2.A17, OPS.1.1.2.A18",
            N_("One acts, another controls; who acts cannot change or delete the log"),
            (*_approval_rules(on), _off_host(on)),
            (evidence.separated(on), evidence.off_host(on), *checks),
            *unseen,
        ),
        _one("OPS.1.1.5.A12", N_("Stored logs are signed"), (), (evidence.signed(on), *checks), *unseen),
        _one(
            "OPS.1.1.6.A3, OPS.1.1.6.A4, OPS.1.1.6.A11, OPS.1.1.6.A13",
            N_(
                "Tests are evaluated and releases declared; test data holds no persons; tests run apart from production"
            ),
            (),
            (evidence.canaries(on),),
            N_("tests in the lab leave no record in this logbook"),
        ),
    )


def _backups(on: Grounds) -> tuple[Requirement, ...]:
    elsewhere = N_("restore order, retention and protection stand in the roles' settings, and no record compares them")
    return (
        _one(
            "CON.3.A1, CON.3.A2, CON.3.A4",
            N_("There is a backup concept: what, how often, how long, in which order it comes back"),
            (_promises(on),),
            (evidence_backups.backups(on),),
            elsewhere,
        ),
        _one(
            "CON.3.A5, CON.3.A12, CON.3.A14",
            N_("Backups were made as planned, and are kept elsewhere, out of reach"),
            (),
            (evidence_backups.backups(on), evidence_backups.backup_days(on), evidence_backups.two_places(on)),
            N_("that nobody can overwrite the second place is not on record"),
        ),
        _one(
            "CON.3.A15",
            N_("Restoring is tried regularly: without a fault, and in reasonable time"),
            (_promises(on),),
            (evidence_backups.drills(on), evidence_backups.drilled_lately(on), evidence_backups.in_time(on)),
        ),
        _one(
            "CON.3.A6, CON.3.A13",
            N_("The recovery point is kept for each system; backups are encrypted and their keys kept apart"),
            (_promises(on),),
            (evidence_backups.little_lost(on), evidence_backups.two_places(on)),
            N_(
                "a drill opens the repository with the copy for the safe; that the copy is in the safe is not on record"
            ),
        ),
    )


def _organisation(on: Grounds) -> tuple[Requirement, ...]:
    return (
        _one(
            "ORP.1.A4, ORP.4.A4",
            N_("Acting and controlling lie with different people, deputies too"),
            (),
            (evidence.offices(on), evidence.two_administrators(on), evidence.separated(on)),
        ),
        _one(
            "ORP.4.A2, ORP.4.A3",
            N_("Rights end when a person leaves; those on paper are compared with the real ones"),
            (),
            (evidence.signed(on), evidence.withdrawn(on), evidence_access.compared(on)),
        ),
        _one("ORP.4.A24", N_("Administration takes two people"), _approval_rules(on), (evidence.four_eyes(on),)),
    )


def _iso(on: Grounds) -> tuple[Requirement, ...]:
    return (
        _one(
            "ISO/IEC 27001:2022 A.8.8",
            N_("Vulnerabilities are known, judged and closed"),
            (_selection(on),),
            (evidence.current(on), evidence.patched_in_time(on)),
        ),
        _one(
            "ISO/IEC 27001:2022 A.8.13",
            N_("Backups are kept and tested as the policy says"),
            (_promises(on),),
            (evidence_backups.backups(on), evidence_backups.drills(on), evidence_backups.drilled_lately(on)),
        ),
        _one(
            "ISO/IEC 27001:2022 A.8.32",
            N_("Changes have impact, authorisation, communication, test, plan, fallback and record"),
            _approval_rules(on),
            (
                evidence.planned(on),
                evidence.allowed(on),
                evidence.gated(on),
                evidence.ways_back(on),
                evidence.recorded(on),
            ),
            N_("whether those concerned were told is not on record"),
        ),
    )
