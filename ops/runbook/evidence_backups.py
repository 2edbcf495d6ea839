"""The questions that requirements ask of the records of backups and drills, each as a `Check`. Pure."""

from datetime import timedelta

from ops.runbook.grounds import BACKUP_DAYS, DRILL_DAYS, Grounds, age, share
from ops.runbook.language import N_
from ops.runbook.requirements import Check, Exceptional


def backups(on: Grounds) -> Check:
    """Backups that were made."""
    return share(N_("backups that succeeded"), on.of("backup"), lambda one: one.outcome == "verified", N_("failed"))


def backup_days(on: Grounds) -> Check:
    """Days, of those since the first backup, at most the last ones, with a good backup."""
    good = {one.ended.date() for one in on.of("backup") if one.outcome == "verified" and one.ended}
    first = min(good, default=on.now.date())
    days = [on.now.date() - timedelta(days=back) for back in range(1, BACKUP_DAYS + 1)]
    days = [day for day in days if day >= first] if good else []
    bad = tuple(Exceptional(N_("no backup on this day"), "", day.isoformat()) for day in days if day not in good)
    return Check(N_("days of the last month with a backup"), len(days), len(days) - len(bad), bad)


def two_places(on: Grounds) -> Check:
    """Good backups that are in two repositories."""
    good = [one for one in on.of("backup") if one.outcome == "verified"]
    return share(
        N_("backups kept in two places"), good, lambda one: one.evidence.repositories > 1, N_("is in one place only")
    )


def drills(on: Grounds) -> Check:
    """Drills that passed in full."""
    return share(
        N_("drills that passed in full"),
        on.of("drill"),
        lambda one: one.drill is not None and one.drill.verdict == "pass",
        N_("did not pass in full"),
    )


def drilled_lately(on: Grounds) -> Check:
    """Whether the newest drill that passed is of the last days."""
    passed = [one for one in on.of("drill") if one.drill and one.drill.verdict == "pass" and one.ended]
    recent = [one for one in passed if one.ended and age(on, one.ended) <= DRILL_DAYS * 86400]
    bad = () if recent else (Exceptional(N_("no drill has passed within nine days"), passed[-1].id if passed else ""),)
    return Check(N_("a drill passed within the last nine days"), 1, int(bool(recent)), bad)


def in_time(on: Grounds) -> Check:
    """Drills whose restore was as fast as promised."""
    measured = [one for one in on.of("drill") if one.drill and one.drill.recovery_time is not None]
    return share(
        N_("drills that were as fast as promised"),
        measured,
        lambda one: (
            one.drill is not None and (one.drill.recovery_time or 0) <= (one.drill.promised_time or on.promise.time)
        ),
        N_("took longer than promised"),
    )


def little_lost(on: Grounds) -> Check:
    """Drills that lost no more than promised."""
    measured = [one for one in on.of("drill") if one.drill and one.drill.recovery_point is not None]
    return share(
        N_("drills that would have lost no more than promised"),
        measured,
        lambda one: (
            one.drill is not None and (one.drill.recovery_point or 0) <= (one.drill.promised_point or on.promise.point)
        ),
        N_("would have lost more than promised"),
    )
