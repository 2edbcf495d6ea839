"""May this change go on? Pure: a plan, the policy, what was approved, and the clock give the answer."""

from datetime import datetime, timedelta

from ops.errors import OpsError, Refused, Waiting
from ops.inventory import Policy
from ops.logbook.model import Approval, Category, Plan

FOLLOW_UP = timedelta(hours=24)
"""Within this time an emergency change needs its approval."""


def freeze(policy: Policy, category: Category, now: datetime) -> Refused | None:
    """Return the refusal by a freeze that is in force for *category* at *now*, None where there is none."""
    for entry in policy.freezes:
        if entry.forbids(category, now):
            return Refused(
                f"changes of category {category} are frozen until {entry.end:%Y-%m-%d %H:%M %Z}: {entry.reason}",
                left="nothing was touched",
                next_step="wait until then, or ask for an emergency change with --category emergency",
            )
    return None


def approval(policy: Policy, plan: Plan, given: Approval | None) -> OpsError | None:
    """Return why *plan* must not be applied under *given*, None where it may (or where the policy asks nobody else).

    An approval is for one digest, and never the requester's own.
    """
    needed = policy.approval[plan.request.category]
    if given is None:
        return None if needed != "operator" else _missing(plan)
    if given.verdict == "rejected":
        return Refused(f"{given.by} rejected it: {given.reason}", left="nothing was touched")
    if given.digest != plan.digest:
        return Refused(
            f"the approval by {given.by} is for the plan {given.digest[:12]}, this one is {plan.digest[:12]}",
            left="nothing was touched",
            next_step="ask for the new plan with invoke patch.plan --request, and have it approved",
        )
    if needed != "policy" and given.by == plan.request.requester:
        return Refused(f"{given.by} requested it and cannot approve it", next_step="ask another operator")
    return None


def _missing(plan: Plan) -> Waiting:
    return Waiting(
        f"a {plan.request.category} change needs the approval of another operator",
        left="nothing was touched",
        next_step=f"another operator runs: invoke patch.approve {plan.request.id} --reason …",
    )


def owed_until(policy: Policy, plan: Plan, given: Approval | None) -> datetime | None:
    """Return until when an approval is still owed for a change that began without one, None if none is."""
    if given is not None or policy.approval[plan.request.category] != "operator-within-24h":
        return None
    return plan.request.time + FOLLOW_UP
