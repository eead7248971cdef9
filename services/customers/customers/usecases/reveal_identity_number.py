"""Show the identity number of a person in full."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.rules import optional_text

from customers.model import Contact, Customer
from customers.queries import lock_contact, lock_customer

PERMISSION = "personal_data.read"
MOST_REASON = 500


def reveal_identity_number(session: ServiceSession, collection: str, person_id: UUID, reason: str) -> str:
    """The number of a customer or contact, empty if none is known. The audit log keeps who asked and why, not what.

    Raises Invalid MISSING_REASON, Denied NOT_YOURS, or NotFound.
    """
    why = optional_text(reason, maximum=MOST_REASON, lines=True)
    if why is None:
        raise Invalid("MISSING_REASON", "say why the identity number is needed", field="reason")
    person: Contact | Customer = (
        lock_contact(session, person_id, PERMISSION)
        if collection == "contacts"
        else lock_customer(session, person_id, PERMISSION)
    )
    audit.record(session, "identity_number.reveal", person.name, None, {"reason": why})
    return person.identity_number(session.data_keys) or ""
