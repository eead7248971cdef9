"""Lines of reporting between the contacts of a customer: they lead upwards and never in a circle."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from sqlalchemy import select, update

from customers.facts import contact_snapshot, difference
from customers.model import Contact


def judge_contact(session: ServiceSession, contact: Contact) -> None:
    """Raise Invalid UNKNOWN_SUPERIOR or INVALID_DATE, or Conflict REPORTING_CYCLE. The customer must be locked."""
    if contact.birthday is not None and contact.birthday > (session.now + timedelta(days=1)).date():
        raise Invalid("INVALID_DATE", "nobody is born yet who is born then", field="birthday")
    if contact.reports_to_id is None:
        return
    with session.no_autoflush:  # what is judged is not written yet
        known = select(Contact.id, Contact.reports_to_id).where(Contact.customer_id == contact.customer_id)
        above = {row.id: row.reports_to_id for row in session.execute(known)}
    if contact.reports_to_id not in above:
        message = "people report to another contact of the same customer"
        raise Invalid("UNKNOWN_SUPERIOR", message, field="reports_to")
    if contact.id in superiors(above, contact.reports_to_id):
        message = "that person reports to this one already, directly or through others"
        raise Conflict("REPORTING_CYCLE", message, field="reports_to")


def superiors(above: Mapping[UUID, UUID | None], contact_id: UUID) -> Sequence[UUID]:
    """Somebody and all above them, the nearest first."""
    line: list[UUID] = []
    at: UUID | None = contact_id
    while at is not None and at not in line:
        line.append(at)
        at = above.get(at)
    return line


def release_reports(session: ServiceSession, contact: Contact) -> None:
    """Let whoever reports to somebody who goes report to whom that one reported to."""
    before = {"reports_to": contact.name}
    followers = session.scalars(
        update(Contact)
        .where(Contact.reports_to_id == contact.id)
        .values(reports_to_id=contact.reports_to_id, version=Contact.version + 1, update_time=session.now)
        .returning(Contact)
        .execution_options(populate_existing=True)
    ).all()
    for follower in followers:
        old, new = difference(contact_snapshot(follower) | before, contact_snapshot(follower))
        audit.record(session, "contact.update", follower.name, old, new)
