"""Keep a follow-up that was logged elsewhere in the customer's timeline."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute

from customers.derived import children_changed
from customers.model import Customer, MergedCustomer, MergedRow, TimelineEntry, TimelineKind
from customers.queries import merged_into


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
    effective: bool
    """Whether it counts, or is only kept."""


def record_follow_up(session: ServiceSession, follow_up: FollowUp) -> None:
    """Add a follow-up to its customer's timeline, once, and note it as the last, and the last that counts, if it is the
    latest.

    A customer that has been deleted meanwhile keeps no timeline.
    """
    follow_up = _where_it_is(session, follow_up)
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
            details={"method": follow_up.method, "effective": follow_up.effective},
            occur_time=follow_up.occur_time,
        )
        .on_conflict_do_nothing()
    )
    _note(session, follow_up, Customer.last_follow_up_time)
    if follow_up.effective:
        _note(session, follow_up, Customer.last_effective_follow_up_time)

    children_changed(session, [follow_up.customer_id], "follow_ups")


def _note(session: ServiceSession, follow_up: FollowUp, last: InstrumentedAttribute[datetime | None]) -> None:
    session.execute(
        update(Customer)
        .where(Customer.id == follow_up.customer_id, or_(last.is_(None), last < follow_up.occur_time))
        .values({last: follow_up.occur_time})
        .execution_options(synchronize_session=False)
    )


def _where_it_is(session: ServiceSession, follow_up: FollowUp) -> FollowUp:
    """The follow-up of the customer whose timeline tells of it: the one that its own was merged into, if it was.

    The entry is noted as moved, so that it goes back with the rest if the merge is taken back.
    """
    merged = session.get(MergedCustomer, follow_up.customer_id)
    if merged is None:
        return follow_up
    session.execute(
        insert(MergedRow)
        .values(
            merge_id=merged.merge_id,
            source=TimelineEntry.__tablename__,
            row_id=follow_up.event_id,
            customer_id=follow_up.customer_id,
        )
        .on_conflict_do_nothing()
    )
    return replace(follow_up, customer_id=merged_into(session, follow_up.customer_id) or follow_up.customer_id)
