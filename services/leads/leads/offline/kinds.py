"""What can be done on a device without a connection: the one place where operations are registered.

A kind is named as its field of `crm.leads.v1.OfflineOperation`. What was stated reaches it as `leads.offline.mapping`
reads it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid, Unavailable

from leads.drafts import FollowUpDraft
from leads.geo import Position
from leads.model import FollowUp
from leads.offline.edits import LeadEdits, merge_lead_edits
from leads.reachable import Customers
from leads.tasks.ending import complete_task
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.log_follow_ups import log_follow_ups
from leads.visits.checking_in import CheckInDraft, check_in
from leads.visits.checking_out import Report, check_out

T = TypeVar("T")


@dataclass(frozen=True)
class Done:
    """What an operation did."""

    record: str
    """The resource name of what it changed or made."""
    lead_id: UUID | None = None
    conflict: Mapping[str, Mapping[str, Any]] | None = None
    """What waits for a choice: see `leads.offline.edits.EditOutcome`."""


@dataclass(frozen=True)
class Leaving:
    """A check-out that was made without a connection."""

    visit_id: UUID
    time: datetime
    position: Position | None
    report: Report | None


@dataclass(frozen=True)
class Kind:
    """A kind of operation."""

    run: Callable[[ServiceSession, Sequence[Any], Customers], list[Done | DomainError]]
    """Does what was stated, each by itself. What could not be read is given as its fault, and returned."""
    together: bool = False
    """True if those that follow one another are best done at once."""


def one_by_one(call: Callable[[ServiceSession, T], Done]) -> Kind:
    """A kind that is done by a use case that raises what it refuses."""

    def run(session: ServiceSession, stated: Sequence[Any], customers: Customers) -> list[Done | DomainError]:
        return [_attempt(session, call, one) for one in stated]

    return Kind(run)


def _attempt(session: ServiceSession, call: Callable[[ServiceSession, Any], Done], stated: Any) -> Done | DomainError:
    if isinstance(stated, DomainError):
        return stated
    try:
        with session.begin_nested():
            return call(session, stated)
    except Unavailable:
        raise
    except DomainError as refusal:
        return refusal


def _create_lead(session: ServiceSession, draft: LeadDraft) -> Done:
    session.caller.scope("lead.create")
    lead = create_lead(session, draft)
    return Done(lead.name, lead.id)


def _update_lead(session: ServiceSession, edits: LeadEdits) -> Done:
    outcome = merge_lead_edits(session, edits)
    return Done(outcome.lead.name, outcome.lead.id, outcome.conflict)


def _complete_task(session: ServiceSession, task_id: UUID) -> Done:
    return Done(complete_task(session, task_id).name)


def _check_in(session: ServiceSession, drafts: Sequence[Any], customers: Customers) -> list[Done | DomainError]:
    def come(session: ServiceSession, draft: CheckInDraft) -> Done:
        session.caller.scope("visit.create")
        return Done(check_in(session, draft, customers).name)

    return [_attempt(session, come, draft) for draft in drafts]


def _check_out(session: ServiceSession, stated: Sequence[Any], customers: Customers) -> list[Done | DomainError]:
    def leave(session: ServiceSession, given: Leaving) -> Done:
        session.caller.scope("visit.create")
        left = check_out(session, given.visit_id, given.position, given.report, customers, reported_time=given.time)
        return Done(left.name)

    return [_attempt(session, leave, one) for one in stated]


def _log_follow_ups(
    session: ServiceSession, drafts: Sequence[FollowUpDraft | Invalid], customers: Customers
) -> list[Done | DomainError]:
    outcomes = log_follow_ups(session, drafts, customers)
    return [Done(one.name) if isinstance(one, FollowUp) else one for one in outcomes]


KINDS: Mapping[str, Kind] = {
    "create_lead": one_by_one(_create_lead),
    "update_lead": one_by_one(_update_lead),
    "complete_task": one_by_one(_complete_task),
    "check_in": Kind(_check_in),
    "check_out": Kind(_check_out),
    "log_follow_up": Kind(_log_follow_ups, together=True),
}
