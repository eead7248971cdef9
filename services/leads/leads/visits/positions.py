"""Where leads and customers are."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid, NotFound
from chassis.names import make_name, new_id
from sqlalchemy import ColumnElement, select

from leads.company_rules import read_rules
from leads.geo import Position
from leads.model import Geofence, ReviewState, SubjectPosition, Visit
from leads.reachable import Customers
from leads.subjects import Subject, require
from leads.visits.queries import get_visit
from leads.visits.trust import RULES, VisitRules

LOCATE, READ = "visit.locate", "visit.read"


@dataclass(frozen=True)
class Located:
    """Where a lead or customer is, or seems to be."""

    subject: Subject
    position: Position
    set_time: datetime
    setter: str = ""
    visit_id: UUID | None = None
    suggested: bool = False


def position_of(session: ServiceSession, subject: Subject) -> Located | None:
    """Where a subject is, as it was set last."""
    table = SubjectPosition
    row = session.execute(
        select(table.latitude, table.longitude, table.setter, table.set_time, table.visit_id)
        .where(_about(table, subject))
        .order_by(table.set_time.desc(), table.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return Located(subject, Position(row.latitude, row.longitude), row.set_time, row.setter, row.visit_id)


def get_position(session: ServiceSession, subject: Subject, customers: Customers) -> Located:
    """Where a subject is, or where the first trusted visit suggests it is. Raises NotFound if neither is known."""
    require(session, subject, READ, customers)
    found = position_of(session, subject) or _suggested(session, subject)
    if found is None:
        raise NotFound("POSITION_NOT_FOUND", "nobody has said where this is", field="subject")
    return found


def set_position(
    session: ServiceSession, subject: Subject, position: Position | None, visit_id: UUID | None, customers: Customers
) -> Located:
    """Say where a subject is, for check-ins from now on. Raises Invalid, NotFound, Denied and Conflict."""
    require(session, subject, LOCATE, customers)
    if (position is None) == (visit_id is None):
        raise Invalid("INVALID_POSITION", "give a position, or a visit that shows it", field="position")
    where = position if position is not None else _shown_by(session, subject, visit_id)
    before = position_of(session, subject)
    kept = SubjectPosition(
        id=new_id(),
        latitude=where.latitude,
        longitude=where.longitude,
        setter=session.caller.subject,
        set_time=session.now,
        visit_id=visit_id,
        **subject.columns,
    )
    session.add(kept)
    session.flush()
    audit.record(session, LOCATE, subject.name, _snapshot(before.position) if before else None, _snapshot(where))
    return Located(subject, where, kept.set_time, kept.setter, visit_id)


def _shown_by(session: ServiceSession, subject: Subject, visit_id: UUID | None) -> Position:
    visit = get_visit(session, visit_id) if visit_id is not None else None
    if visit is None or not _is_at(visit, subject):
        raise Invalid("VISIT_ELSEWHERE", "this visit was not there", field="visit")
    if visit.latitude is None or visit.longitude is None:
        message = "where this visit was is kept no more"
        raise Conflict("POSITION_NOT_KEPT", message, visit=make_name("visits", visit_id))
    return Position(visit.latitude, visit.longitude)


def _is_at(visit: Visit, subject: Subject) -> bool:
    return subject.id == (visit.customer_id if subject.collection == "customers" else visit.lead_id)


def _suggested(session: ServiceSession, subject: Subject) -> Located | None:
    rules, _ = read_rules(session, RULES, VisitRules)
    row = session.execute(
        select(Visit.id, Visit.latitude, Visit.longitude, Visit.check_in_time)
        .where(
            _about(Visit, subject),
            Visit.latitude.is_not(None),
            Visit.geofence == Geofence.UNKNOWN,
            Visit.trust_score >= rules.review_threshold,
            Visit.review_state != ReviewState.REJECTED,
        )
        .order_by(Visit.check_in_time, Visit.id)
        .limit(1)
    ).first()
    if row is None:
        return None
    return Located(subject, Position(row.latitude, row.longitude), row.check_in_time, visit_id=row.id, suggested=True)


def _about(table: type[Visit] | type[SubjectPosition], subject: Subject) -> ColumnElement[bool]:
    return (table.customer_id if subject.collection == "customers" else table.lead_id) == subject.id


def _snapshot(position: Position) -> dict[str, float]:
    return {"latitude": position.latitude, "longitude": position.longitude}
