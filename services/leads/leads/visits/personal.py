"""What visits, and where leads and customers are, tell of a person.

Where employees were exactly is forgotten by `leads.visits.timers.purge_positions`. Here it goes with whom they visited.
"""

from collections.abc import Iterator

from chassis import audit
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.personal_data import REDACTED, Finding, Person
from sqlalchemy import ColumnElement, Text, case, delete, func, or_, select, update

from leads.model import SubjectPosition, Visit, VisitPhoto

VISIT, POSITION = "visit", "subject_position"
PLACE = case(
    (Visit.customer_id.is_not(None), func.concat("customers/", Visit.customer_id, type_=Text)),
    else_=func.concat("leads/", Visit.lead_id, type_=Text),
)
"""The resource name of what a visit was at."""


def find(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """The visits at the person, with their pictures, and where the person is."""
    for visit in session.scalars(select(Visit).where(_theirs(Visit, person)).order_by(Visit.id)):
        photos = select(VisitPhoto.digest).where(VisitPhoto.visit_id == visit.id, VisitPhoto.erased.is_(False))
        values = {
            "subject": visit.subject,
            "check_in_time": visit.check_in_time,
            "check_out_time": visit.check_out_time,
            "latitude": visit.latitude,
            "longitude": visit.longitude,
            "note": visit.note,
            "photos": list(session.scalars(photos)),
        }
        yield Finding(VISIT, visit.name, values, about=person.records, whole=False)
    for row in session.scalars(select(SubjectPosition).where(_theirs(SubjectPosition, person))):
        values = {"subject": row.subject, "latitude": row.latitude, "longitude": row.longitude}
        yield Finding(POSITION, f"subjectPositions/{row.id}", values, about=person.records)


def erase(session: ServiceSession, found: Finding) -> None:
    """Take out where the person is, and what was noted and photographed there. That a visit took place stays."""
    if found.kind == POSITION:
        key = parse_name("subjectPositions", found.name)
        session.execute(delete(SubjectPosition).where(SubjectPosition.id == key))
        audit.record(session, "visit.erase_position", found.name, None, {"erased": True})
        return
    visit = session.get(Visit, parse_name("visits", found.name), with_for_update=True)
    if visit is None:
        return
    visit.latitude = visit.longitude = visit.accuracy_metres = None
    visit.out_latitude = visit.out_longitude = visit.out_accuracy_metres = None
    visit.note = REDACTED if visit.note else ""
    visit.review_note = REDACTED if visit.review_note else ""
    visit.version += 1
    session.execute(update(VisitPhoto).where(VisitPhoto.visit_id == visit.id).values(erased=True))
    session.flush()
    audit.record(session, "visit.erase", visit.name, None, {"version": visit.version})


def _theirs(table: type[Visit] | type[SubjectPosition], person: Person) -> ColumnElement[bool]:
    return or_(table.customer_id.in_(person.ids("customers")), table.lead_id.in_(person.ids("leads")))
