"""Note what another system knows of a customer that bears on whether it falls back into a pool."""

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid, Violation
from chassis.rules import refuse

from customers import queries
from customers.model import CustomerStanding

_SOURCE = re.compile("[a-z0-9-]{1,50}")
_COUNTS = ("open_opportunities", "overdue_receivables", "open_tickets")


@dataclass(frozen=True)
class Standing:
    """What a system knows."""

    source: str
    version: int
    open_opportunities: int
    overdue_receivables: int
    open_tickets: int
    last_opportunity_time: datetime | None

    def __post_init__(self) -> None:
        faults = [
            Violation(f"standing.{name}", "OUT_OF_RANGE", "a number of records is 0 or more")
            for name in _COUNTS
            if getattr(self, name) < 0
        ]
        if self.version < 1:
            faults.append(Violation("standing.version", "OUT_OF_RANGE", "versions begin with 1"))
        if not _SOURCE.fullmatch(self.source):
            message = "name the system by up to 50 small letters, digits and hyphens, e.g. opportunities"
            raise Invalid("INVALID_SOURCE", message, field="standing.source")
        refuse(faults)


def set_customer_standing(session: ServiceSession, customer_id: UUID, standing: Standing) -> CustomerStanding:
    """Keep what a system knows of a customer, and return what is kept: a state that is not newer changes nothing.

    Raises NotFound, or Denied NOT_YOURS. The customer is locked, so that no run judges it by what is just changing.
    """
    customer = queries.lock_customer(session, customer_id, "customer.standing")
    kept = session.get(CustomerStanding, (customer_id, standing.source))
    if kept is not None and kept.version >= standing.version:
        return kept
    values = asdict(standing)
    before = None if kept is None else {name: getattr(kept, name) for name in values}
    if kept is None:
        kept = CustomerStanding(customer_id=customer_id, source=standing.source)
        session.add(kept)
    for name, value in values.items():
        setattr(kept, name, value)
    kept.update_time = session.now
    session.flush()
    audit.record(session, "customer.standing", customer.name, before, values)
    return kept
