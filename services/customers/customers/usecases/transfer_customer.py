"""Give a customer to another owner."""

from uuid import UUID

from chassis import audit, notifications, outbox
from chassis.db import ServiceSession
from chassis.etags import check_etag
from chassis.names import make_name

from customers import rules
from customers.events import CustomerTransferred
from customers.facts import difference, snapshot, state
from customers.model import Customer, KnownUser, TimelineEntry, TimelineKind
from customers.owners import Owner, find_owner, set_owner
from customers.queries import lock_customer


def transfer_customer(
    session: ServiceSession, customer_id: UUID, owner_id: UUID, *, reason: str = "", etag: str = ""
) -> Customer:
    """Give a customer to another owner, tell the new owner, and keep it in the timeline."""
    stored, faults = rules.apply(rules.TRANSFER_RULES, {"reason": reason})
    rules.refuse(faults)
    # The owner is locked before the customer, as in a department move, so that the two never wait for each other.
    owner = find_owner(session, owner_id)
    customer = lock_customer(session, customer_id, "customer.transfer")
    check_etag(etag, customer.version)
    if customer.owner_id == owner_id:
        return customer
    before, previous = snapshot(customer), customer.owner_id
    set_owner(customer, owner)
    customer.version += 1
    customer.update_time = session.now
    session.add(_entry(session, customer, previous, owner, stored["reason"] or ""))
    session.flush()
    old, new = difference(before, snapshot(customer))
    audit.record(session, "customer.transfer", customer.name, old, new)
    previous_name = make_name("users", previous)
    outbox.emit(
        session,
        CustomerTransferred(customer.name, customer.version, state(customer), previous_name, stored["reason"] or ""),
    )
    if owner_id != session.caller.user_id:
        params = {"customer_name": customer.display_name, "actor": session.caller.subject}
        notifications.notify(session, owner_id, "CUSTOMER_ASSIGNED", customer.name, params)
    return customer


def _entry(
    session: ServiceSession, customer: Customer, previous: UUID | None, owner: Owner, reason: str
) -> TimelineEntry:
    giver = session.get(KnownUser, previous) if previous else None
    return TimelineEntry(
        customer_id=customer.id,
        kind=TimelineKind.OWNER_CHANGED,
        source=session.service,
        resource=customer.name,
        actor=session.caller.subject,
        summary=f"{giver.display_name if giver else '-'} → {owner.display_name}",
        details={
            "previous_owner": make_name("users", previous),
            "owner": make_name("users", owner.id),
            "reason": reason,
        },
        occur_time=session.now,
    )
