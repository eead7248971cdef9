"""Take over the promises to a customer that others made."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Denied, NotFound
from sqlalchemy import select

from leads.model import FollowUp, KnownCustomer
from leads.promises import awaits_owner
from leads.queries import REACHABLE


def acknowledge_promises(session: ServiceSession, customer_id: UUID) -> int:
    """Let the caller, who owns the customer, keep what others promised it: they are reminded from then on. Returns how
    many promises waited for that.

    Raises NotFound CUSTOMER_NOT_FOUND, or Denied OWNER_ACKNOWLEDGES.
    """
    customer = session.get(KnownCustomer, customer_id)
    missing = NotFound("CUSTOMER_NOT_FOUND", "there is no such customer, or you may not see it")
    if customer is None or customer.deleted:
        raise missing
    place = customer_id, customer.owner_id, customer.owner_department_path
    if not REACHABLE.reaches(session, "customer.read", *place):
        raise missing
    user_id = session.caller.user_id
    if user_id is None or customer.owner_id != user_id:
        raise Denied("OWNER_ACKNOWLEDGES", "only who owns the customer takes over what was promised to it")
    waiting = select(FollowUp).where(FollowUp.customer_id == customer_id, awaits_owner())
    promises = session.scalars(waiting.order_by(FollowUp.id).with_for_update()).all()
    changes = []
    for promise in promises:
        before = {"planner": promise.planner}
        promise.assignee_id, promise.follows_owner = user_id, False
        promise.awaits_acknowledgement, promise.acknowledge_time = False, session.now
        changes.append(audit.Change("follow_up.acknowledge", promise.name, before, {"planner": promise.planner}))
    session.flush()
    audit.record_all(session, changes)
    return len(promises)
