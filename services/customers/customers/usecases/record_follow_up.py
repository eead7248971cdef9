"""Keep a follow-up that was logged elsewhere in the customer's timeline."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert

from customers.model import Customer, TimelineEntry, TimelineKind


@dataclass(frozen=True)
class FollowUp:
    """A follow-up as its event tells it."""

    event_id: UUID
    customer_id: UUID
    source: str
    resource: str
    actor: str
    method: str
    summary: str
    occur_time: datetime


def record_follow_up(session: ServiceSession, follow_up: FollowUp) -> None:
    """Add a follow-up to its customer's timeline, once, and note it as the last if it is the latest.

    A customer that has been deleted meanwhile keeps no timeline.
    """
    found = session.scalar(
        select(Customer.id).where(Customer.id == follow_up.customer_id).with_for_update(key_share=True)
    )
    if found is None:
        return
    session.execute(
        insert(TimelineEntry)
        .values(
            id=follow_up.event_id,
            customer_id=follow_up.customer_id,
            kind=TimelineKind.FOLLOW_UP_LOGGED,
            source=follow_up.source,
            resource=follow_up.resource,
            actor=follow_up.actor,
            summary=follow_up.summary,
            details={"method": follow_up.method},
            occur_time=follow_up.occur_time,
        )
        .on_conflict_do_nothing()
    )
    last = Customer.last_follow_up_time
    session.execute(
        update(Customer)
        .where(Customer.id == follow_up.customer_id, or_(last.is_(None), last < follow_up.occur_time))
        .values(last_follow_up_time=follow_up.occur_time)
        .execution_options(synchronize_session=False)
    )
