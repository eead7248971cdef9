"""Give a customer a tier that rules leave alone, or let rules decide on it again."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from uuid import UUID

from chassis import audit, rules
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.field_rules import require_writable

from customers.days import today
from customers.model import Customer, TierLock
from customers.own_fields import ENTITY
from customers.queries import lock_customer
from customers.usecases.update_customer import CustomerPatch, change_customer

PERMISSION = "tier.lock"
_REASON = {"reason": partial(rules.required_text, maximum=500, lines=True)}


@dataclass(frozen=True)
class LockDraft:
    """A lock as somebody states it."""

    customer_id: UUID
    level: str
    """The code of a tier; empty for the one that the customer has."""
    until: date | None
    """The last day; None for a lock that does not end by itself."""
    reason: str


def lock_customer_tier(session: ServiceSession, draft: LockDraft) -> tuple[Customer, TierLock]:
    """Lock the tier of a customer, and set it if one is named. A lock that is there is replaced.

    Raises NotFound, Denied NOT_YOURS, Invalid.
    """
    customer = _opened(session, draft.customer_id)
    stored, faults = rules.apply(_REASON, {"reason": draft.reason})
    rules.refuse(faults)
    present = today(session)
    if draft.until is not None and draft.until < present:
        raise Invalid("INVALID_DATE", f"the last day of the lock is at least {present}", field="until")
    if draft.level:
        customer = change_customer(session, customer, CustomerPatch({"level": draft.level}), reason=stored["reason"])
    lock = session.get(TierLock, customer.id) or TierLock(customer_id=customer.id)
    before = _snapshot(lock) if lock.lock_time else None
    lock.until, lock.reason = draft.until, stored["reason"]
    lock.locker, lock.lock_time = session.caller.subject, session.now
    session.add(lock)
    session.flush()
    audit.record(session, "tier.lock", customer.name, before, _snapshot(lock) | {"level": customer.level})
    return customer, lock


def unlock_customer_tier(session: ServiceSession, customer_id: UUID) -> Customer:
    """Let rules decide on the tier of a customer again. What is not locked stays so.

    Raises NotFound, Denied NOT_YOURS, or FIELD_NOT_WRITABLE for whose roles keep the tier from being changed.
    """
    customer = _opened(session, customer_id)
    lock = session.get(TierLock, customer_id)
    if lock is not None:
        audit.record(session, "tier.unlock", customer.name, _snapshot(lock), None)
        session.delete(lock)
        session.flush()
    return customer


def _opened(session: ServiceSession, customer_id: UUID) -> Customer:
    customer = lock_customer(session, customer_id, PERMISSION)
    require_writable(session.caller, ENTITY, "level", path="tier")
    return customer


def _snapshot(lock: TierLock) -> dict[str, str]:
    return {"until": lock.until.isoformat() if lock.until else "", "reason": lock.reason, "locker": lock.locker}
