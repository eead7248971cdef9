"""Delete a contact."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag

from customers.facts import contact_snapshot
from customers.queries import lock_contact


def delete_contact(session: ServiceSession, contact_id: UUID, *, etag: str = "") -> None:
    """Delete a contact. The audit log keeps what it held."""
    contact = lock_contact(session, contact_id, "contact.delete")
    check_etag(etag, contact.version)
    session.delete(contact)
    session.flush()
    audit.record(session, "contact.delete", contact.name, contact_snapshot(contact), None)
