"""Check out, and report on a visit, which makes it a follow-up."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied, Invalid
from chassis.names import make_name

from leads.drafts import FollowUpDraft
from leads.effectiveness import CheckIn
from leads.geo import Position
from leads.model import FollowUpMethod, Visit, VisitEnd
from leads.reachable import Customers
from leads.usecases.log_follow_up import log_follow_up
from leads.visits.checking_in import end_visit, reported
from leads.visits.facts import snapshot
from leads.visits.queries import get_visit


@dataclass(frozen=True)
class Report:
    """What was said and agreed."""

    content: str
    contact_id: UUID | None = None
    next_contact_time: datetime | None = None


def check_out(
    session: ServiceSession,
    visit_id: UUID,
    position: Position | None,
    report: Report | None,
    customers: Customers,
    *,
    reported_time: datetime | None = None,
) -> Visit:
    """End a visit of the caller now, or when they say that they left without a connection.

    Raises Conflict VISIT_ENDED if it is over, unless it was ended by something else only because the check-out was not
    known; Invalid INVALID_VALUE for a time before the check-in, and what `report_visit` raises.
    """
    visit = own_visit(session, visit_id)
    time = session.now if reported_time is None else reported(session, reported_time)
    if visit.check_out_time is not None and not _may_have_left(visit, reported_time):
        raise Conflict("VISIT_ENDED", "this visit is over", ended_by=visit.ended_by or "")
    if time < visit.check_in_time:
        raise Invalid("INVALID_VALUE", "nobody leaves before they come", field="occur_time")
    if position is not None:
        visit.out_latitude, visit.out_longitude = position.latitude, position.longitude
        visit.out_accuracy_metres = position.accuracy_metres
    end_visit(session, visit, time, VisitEnd.CHECK_OUT)
    if report is not None:
        _report(session, visit, report, customers)
    session.flush()
    return visit


def _may_have_left(visit: Visit, time: datetime | None) -> bool:
    """Whether a visit that was ended by the next one, or by the clock, may have been left before."""
    end = visit.check_out_time
    return time is not None and end is not None and visit.ended_by != VisitEnd.CHECK_OUT and time <= end


def report_visit(session: ServiceSession, visit_id: UUID, report: Report, customers: Customers) -> Visit:
    """Make a visit of the caller a follow-up. Raises Conflict ALREADY_REPORTED, and what `log_follow_up` raises."""
    visit = own_visit(session, visit_id)
    _report(session, visit, report, customers)
    session.flush()
    return visit


def own_visit(session: ServiceSession, visit_id: UUID) -> Visit:
    """A visit of the caller, locked. Raises NotFound, and Denied NOT_YOURS for that of somebody else."""
    visit = get_visit(session, visit_id, lock=True)
    if visit.assignee_id != session.caller.user_id:
        owner = make_name("users", visit.assignee_id)
        raise Denied("NOT_YOURS", "this visit is somebody else's", permission="visit.create", owner=owner)
    return visit


def _report(session: ServiceSession, visit: Visit, report: Report, customers: Customers) -> None:
    if visit.follow_up_id is not None:
        follow_up = make_name("followUps", visit.follow_up_id)
        raise Conflict("ALREADY_REPORTED", "this has been reported on", follow_up=follow_up)
    before = snapshot(visit)
    visit.follow_up_id = log_follow_up(session, _draft(visit, report), customers).id
    visit.version += 1
    audit.record(session, "visit.report", visit.name, before, snapshot(visit))


def _draft(visit: Visit, report: Report) -> FollowUpDraft:
    return FollowUpDraft(
        customer_id=visit.customer_id,
        lead_id=None if visit.customer_id is not None else visit.lead_id,
        method=FollowUpMethod.VISIT,
        content=report.content,
        contact_id=report.contact_id,
        occur_time=visit.check_in_time,
        next_contact_time=report.next_contact_time,
        check_in=_shown(visit),
    )


def _shown(visit: Visit) -> CheckIn | None:
    if visit.latitude is None or visit.longitude is None or visit.accuracy_metres is None:
        return None
    return CheckIn(visit.latitude, visit.longitude, visit.accuracy_metres, visit.check_in_time)
