"""What this service tells again to whoever asks: see `chassis.restating`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.names import make_name
from chassis.restating import PAGE, Restatement, by_id
from chassis.sharing import RecordShare
from sqlalchemy import exists, literal, select

from customers.events import CustomerDeleted, CustomersRestated
from customers.facts import state
from customers.model import ChangeKind, Customer, CustomerTheatre, HoldingChange
from customers.own_fields import ENTITY
from customers.theatres.assignments import theatre_changed
from customers.usecases.share_customer import share_changed

_LAST_VERSION = 2**62
"""Greater than the version that a customer can have had."""


def _customers(session: ServiceSession, customers: Sequence[Customer]) -> Sequence[CustomersRestated]:
    if not customers:
        return []
    only = customers[0].name if len(customers) == 1 else ""
    return [CustomersRestated(only, [state(customer) for customer in customers])]


def _deleted(session: ServiceSession, after: str) -> tuple[Sequence[Any], str]:
    """Customers deleted for good: the ledger of holders keeps them. Of their versions nobody asks any more."""
    # Written out, as the index is one of such rows alone.
    gone = HoldingChange.kind == literal(ChangeKind.DELETED.value, literal_execute=True)
    statement = select(HoldingChange.customer_id).where(gone, ~exists().where(Customer.id == HoldingChange.customer_id))
    if after:
        statement = statement.where(HoldingChange.customer_id > UUID(after))
    ids = session.scalars(statement.distinct().order_by(HoldingChange.customer_id).limit(PAGE)).all()
    events = [CustomerDeleted(make_name("customers", key), _LAST_VERSION) for key in ids]
    return events, str(ids[-1]) if len(ids) == PAGE else ""


RESTATEMENTS = (
    Restatement("CustomersRestated", by_id(Customer, _customers)),
    Restatement("CustomerDeleted", _deleted),
    Restatement(
        "CustomerShareChanged",
        by_id(
            RecordShare,
            lambda session, shares: [share_changed(share) for share in shares],
            RecordShare.entity == ENTITY,
        ),
    ),
    Restatement(
        "CustomerTheatreChanged",
        by_id(CustomerTheatre, lambda session, theatres: [theatre_changed(one) for one in theatres]),
    ),
)
