"""Since when nobody has followed up."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from leads.life.statuses import OPEN
from leads.model import Escalation, FollowUp, KnownCustomer, Lead

LEAD_QUIET_SINCE: ColumnElement[Any] = func.greatest(Lead.owner_since, Lead.last_follow_up_time)
"""Since when nobody has followed up on a lead: since the last time, or since its owner got it."""

_last = (
    select(FollowUp.occur_time)
    .where(FollowUp.customer_id == KnownCustomer.id)
    .order_by(FollowUp.occur_time.desc())
    .limit(1)
    .correlate(KnownCustomer)
    .scalar_subquery()
)
CUSTOMER_QUIET_SINCE: ColumnElement[Any] = func.greatest(KnownCustomer.owner_since, _last)
"""The same of a customer."""


def worked_on() -> ColumnElement[bool]:
    """Whether somebody is to follow up on a lead."""
    return and_(Lead.owner_id.is_not(None), Lead.status.in_([status.value for status in OPEN]))


def looked_after() -> ColumnElement[bool]:
    """Whether somebody is to follow up with a customer."""
    return and_(KnownCustomer.owner_id.is_not(None), ~KnownCustomer.deleted)


def standing() -> ColumnElement[bool]:
    """Whether a step that was taken still holds: the record has the same owner, and nobody has followed up since."""
    lead = exists().where(
        Lead.id == Escalation.lead_id,
        Lead.owner_id == Escalation.assignee_id,
        worked_on(),
        Escalation.quiet_since == LEAD_QUIET_SINCE,
    )
    customer = exists().where(
        KnownCustomer.id == Escalation.customer_id,
        KnownCustomer.owner_id == Escalation.assignee_id,
        looked_after(),
        Escalation.quiet_since == CUSTOMER_QUIET_SINCE,
    )
    return or_(and_(Escalation.customer_id.is_(None), lead), customer)
