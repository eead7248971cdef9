"""Grant or refuse a request to keep a customer longer."""

from uuid import UUID

from chassis import audit, notifications
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied, NotFound
from sqlalchemy import select

from customers import queries
from customers.model import ExtensionState, RecycleExtension
from customers.pools.rules import note_text


def decide_extension(session: ServiceSession, extension_id: UUID, *, approved: bool, note: str) -> RecycleExtension:
    """Decide on a request, and tell the owner.

    Raises NotFound, Denied if the permission does not reach the owner or the owner is the caller, and Conflict for a
    request that is decided, or whose customer has another owner by now.
    """
    words = note_text(note)
    customer_id = session.scalar(select(RecycleExtension.customer_id).where(RecycleExtension.id == extension_id))
    if customer_id is None:
        raise no_extension()
    customer = queries.lock_customer(session, customer_id, "customer.extend", missing=no_extension())
    extension = session.get_one(RecycleExtension, extension_id, with_for_update=True)
    if extension.owner_id == session.caller.user_id:
        raise Denied("OWN_EXTENSION", "somebody else decides on what you ask for", extension=extension.name)
    if extension.state != ExtensionState.PENDING:
        raise Conflict("EXTENSION_DECIDED", "this request is decided already", state=extension.state)
    if approved and customer.owner_id != extension.owner_id:
        raise Conflict("OWNER_CHANGED", "the customer has another owner by now: reject the request")
    extension.state = (ExtensionState.APPROVED if approved else ExtensionState.REJECTED).value
    extension.decider, extension.note, extension.decide_time = session.caller.subject, words, session.now
    session.flush()
    kind = "approve" if approved else "reject"
    after = {"days": extension.days, "owner": f"users/{extension.owner_id}", "note": words}
    audit.record(session, f"customer.{kind}_extension", customer.name, {"state": ExtensionState.PENDING.value}, after)
    params = {"customer_name": customer.display_name, "days": str(extension.days), "note": words}
    told = "EXTENSION_APPROVED" if approved else "EXTENSION_REJECTED"
    notifications.notify(session, extension.owner_id, told, customer.name, params)
    return extension


def no_extension() -> NotFound:
    """The refusal of a request that does not exist or cannot be seen, which are told alike."""
    return NotFound("EXTENSION_NOT_FOUND", "there is no such request, or you may not see it")
