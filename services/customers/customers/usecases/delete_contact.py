"""Delete a contact."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag
from chassis.personal_data import refuse_held

from customers.decisions.lines import release_reports
from customers.derived import children_changed
from customers.facts import contact_snapshot, marks
from customers.findings import set_aside
from customers.queries import lock_contact


def delete_contact(session: ServiceSession, contact_id: UUID, *, etag: str = "") -> None:
    """Delete a contact. The audit log keeps what it held; who reported to it reports to its superior.

    Raises Conflict LEGAL_HOLD if the person's data must be kept.
    """
    contact = lock_contact(session, contact_id, "contact.delete")
    check_etag(etag, contact.version)
    refuse_held(session, {contact.name}, marks(session.data_keys, contact))
    set_aside(session, contact)
    release_reports(session, contact)
    session.delete(contact)
    session.flush()
    children_changed(session, [contact.customer_id], "contacts")
    audit.record(session, "contact.delete", contact.name, contact_snapshot(contact), None)
