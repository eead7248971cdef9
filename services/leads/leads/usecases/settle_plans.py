"""What becomes of the owner's planned contacts when a customer goes back to a pool. Those of theatres go on."""

from collections.abc import Collection
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import update

from leads.model import FollowUp
from leads.theatres import of_owner


def close_plans(session: ServiceSession, customers: Collection[UUID]) -> None:
    """Remind nobody any more of the contacts planned with customers."""
    _settle(session, customers, {"reminder_open": False})


def leave_plans_to_next_owner(session: ServiceSession, customers: Collection[UUID]) -> None:
    """Let whoever owns the customers when they fall due be reminded of the contacts planned with them."""
    _settle(session, customers, {"follows_owner": True})


def _settle(session: ServiceSession, customers: Collection[UUID], values: dict[str, bool]) -> None:
    if customers:
        planned = update(FollowUp).where(FollowUp.customer_id.in_(customers), FollowUp.reminder_open, of_owner())
        session.execute(planned.values(**values).execution_options(synchronize_session=False))
