"""The record of a change that has a plan, as far as it does not depend on what became of the hosts."""

from datetime import UTC, datetime
from typing import Literal

from ops import policy
from ops.change.session import Session
from ops.logbook.model import Approval, Plan, Record, Request

Ended = Literal["verified", "failed", "aborted", "interrupted", "refused", "rejected"]


def record_of(session: Session, plan: Plan, given: Approval | None, ended: Ended, detail: str = "") -> Record:
    """Return the record of *plan* as it stands now, without results of hosts.

    Args:
        session: who ends it.
        plan: what was to be done.
        given: the approval or rejection, None if there is none.
        ended: how it ended.
        detail: why, where that is not said by the hosts' results.
    """
    begun = ended in ("verified", "failed", "interrupted")
    fields = {
        "digest": plan.digest,
        "approver": given.by if given else None,
        "approval_owed_until": policy.owed_until(session.inventory.policy, plan, given) if begun else None,
        "waves": plan.actions.waves,
    }
    return refusal(session, plan.request, detail).model_copy(update={**fields, "outcome": ended})


def refusal(session: Session, request: Request, detail: str) -> Record:
    """Return the record of a *request* that was refused before it had a plan, with the reason in *detail*."""
    return Record(
        id=request.id,
        kind=request.kind,
        category=request.category,
        reason=request.reason,
        outcome="refused",
        detail=detail,
        digest=None,
        requester=request.requester,
        operator=session.operator,
        controller=request.controller,
        started=request.time,
        ended=datetime.now(UTC),
        command=request.command,
        links={"reverts": request.reverts} if request.reverts else {},
    )
