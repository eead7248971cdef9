"""What this service hands over when somebody leaves."""

from collections.abc import Mapping
from uuid import UUID

from chassis.db import ServiceSession
from chassis.handover import Handover, HandoverEntity
from crm.common.v1.filter_pb2 import Filter
from sqlalchemy import ColumnElement, Select, func, select

from customers import queries
from customers.consumers import keep_user
from customers.model import Contact, Customer, CustomerTheatre, KnownUser
from customers.usecases.hand_over_customers import hand_over_customers
from customers.usecases.hand_over_theatres import followed_by, hand_over_theatres


def _held_by(user_id: UUID) -> ColumnElement[bool]:
    return Customer.owner_id == user_id


def _matches(session: ServiceSession, conditions: Filter) -> ColumnElement[bool]:
    return queries.registry(session).where(conditions, caller=session.caller)


def _theatre_matches(session: ServiceSession, conditions: Filter) -> ColumnElement[bool]:
    """Whether a filter holds of the customer that a theatre follows."""
    return CustomerTheatre.customer_id.in_(select(Customer.id).where(_matches(session, conditions)))


def _attached(session: ServiceSession, held: ColumnElement[bool]) -> Mapping[str, int]:
    contacts = select(func.count()).select_from(Contact).join(Customer).where(held)
    return {"contact": session.scalar(contacts) or 0}


def _known_user(user_id: UUID) -> Select[bool, str | None]:
    return select(KnownUser.active, KnownUser.department_path).where(KnownUser.id == user_id)


HANDOVER = Handover(
    service="customers",
    entities=(
        HandoverEntity("customer", Customer.id, _held_by, _matches, hand_over_customers, _attached),
        HandoverEntity("customer_theatre", CustomerTheatre.id, followed_by, _theatre_matches, hand_over_theatres),
    ),
    learn_user=keep_user,
    known_user=_known_user,
)
