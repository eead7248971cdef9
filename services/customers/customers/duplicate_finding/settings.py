"""How the organisation deals with likely duplicates."""

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Duplicate, Invalid
from chassis.names import make_name

from customers.duplicate_finding.candidates import find_duplicates
from customers.model import Customer
from customers.model.duplicates import DuplicatePolicy, DuplicateSettings

_RESOURCE = "duplicateSettings"


def policy(session: ServiceSession) -> DuplicatePolicy:
    """What is done when somebody enters a likely duplicate."""
    stored = session.get(DuplicateSettings, 1)
    return policy_of(stored.policy if stored is not None else None)


def policy_of(stored: str | None) -> DuplicatePolicy:
    """The policy that a stored text means; None if the company has not chosen."""
    return DuplicatePolicy(stored) if stored is not None else DuplicatePolicy.WARN


def set_policy(session: ServiceSession, value: str) -> DuplicatePolicy:
    """Change it. Raises Invalid INVALID_DUPLICATE_POLICY."""
    if value not in DuplicatePolicy.__members__:
        raise Invalid(
            "INVALID_DUPLICATE_POLICY", f"choose one of {', '.join(DuplicatePolicy)}", field="settings.policy"
        )
    before = policy(session)
    if before == value:
        return before
    session.merge(DuplicateSettings(id=1, policy=value))
    session.flush()
    audit.record(session, "duplicate_settings.update", _RESOURCE, {"policy": before}, {"policy": value})
    return DuplicatePolicy(value)


def refuse_likely_duplicate(session: ServiceSession, customer: Customer, chosen: DuplicatePolicy) -> None:
    """Raise Duplicate LIKELY_DUPLICATE if there is one and the organisation wants none."""
    if chosen is not DuplicatePolicy.REFUSE:
        return
    with session.no_autoflush:
        found = find_duplicates(session, customer)
    if found.visible or found.hidden:
        details = {"existing": make_name("customers", found.visible[0].customer.id)} if found.visible else {}
        raise Duplicate(
            "LIKELY_DUPLICATE",
            "this customer is likely there already: look at it, and enter another one only by its credit code",
            field="display_name",
            **details,
        )
