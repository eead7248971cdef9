"""Ask to keep a customer for some days more."""

from uuid import UUID

from chassis import audit, notifications
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied, Exhausted, Invalid
from sqlalchemy import func, select, update

from customers import queries
from customers.days import today
from customers.model import Customer, ExtensionState, KnownDepartment, RecycleExtension
from customers.pools.rules import RecycleRule, note_text
from customers.recycling.clocks import Clocks


def request_extension(session: ServiceSession, customer_id: UUID, days: int, reason: str) -> RecycleExtension:
    """Ask to keep a customer longer, and tell the head of the nearest department above who is not the owner.

    Raises Invalid for more days than the rule allows, Conflict if no rule takes the customer back or a request waits
    already, Exhausted if the owner has had as many extensions as the rule allows, and Denied for others than the owner.
    """
    customer = queries.lock_customer(session, customer_id, "customer.request_extension")
    owner_id = customer.owner_id
    if owner_id is None or owner_id != session.caller.user_id:
        raise Denied("NOT_THE_OWNER", "only the owner of a customer asks to keep it longer", customer=customer.name)
    words = note_text(reason)
    if not words:
        raise Invalid("REQUIRED", "say why the customer is to be kept longer", field="reason")
    rule = _rule(session, customer)
    if not 1 <= days <= rule.max_extension_days:
        message = f"an extension has from 1 to {rule.max_extension_days} days"
        raise Invalid("OUT_OF_RANGE", message, field="days")
    _ensure_allowed(session, customer, rule)
    extension = RecycleExtension(
        customer_id=customer_id,
        owner_id=owner_id,
        days=days,
        reason=words,
        state=ExtensionState.PENDING.value,
        decider="",
        note="",
        create_time=session.now,
    )
    session.add(extension)
    session.flush()
    audit.record(session, "customer.request_extension", customer.name, None, {"days": days, "reason": words})
    head = _head_above(session, customer)
    if head is not None:
        params = {"customer_name": customer.display_name, "days": str(days), "owner": f"users/{owner_id}"}
        notifications.notify(session, head, "EXTENSION_REQUESTED", extension.name, params)
    return extension


def _rule(session: ServiceSession, customer: Customer) -> RecycleRule:
    clocks = Clocks(session, today(session))
    statement = clocks.select(clocks.place.label("place"), clocks.due_date).where(Customer.id == customer.id)
    place, due = session.execute(statement).one()
    pool = clocks.pool_at(place)
    if pool is None or pool.recycle is None or due is None:
        raise Conflict("NEVER_DUE", "no rule takes this customer back as things stand", customer=customer.name)
    return pool.recycle


def _ensure_allowed(session: ServiceSession, customer: Customer, rule: RecycleRule) -> None:
    mine = (RecycleExtension.customer_id == customer.id, RecycleExtension.owner_id == customer.owner_id)
    pending = RecycleExtension.state == ExtensionState.PENDING.value
    # What a former owner asked for is settled by the customer having gone.
    gone = (RecycleExtension.customer_id == customer.id, RecycleExtension.owner_id != customer.owner_id, pending)
    session.execute(
        update(RecycleExtension)
        .where(*gone)
        .values(state=ExtensionState.REJECTED.value, decide_time=session.now)
        .execution_options(synchronize_session=False)
    )
    if session.scalar(select(RecycleExtension.id).where(*mine, pending)) is not None:
        raise Conflict("EXTENSION_PENDING", "a request for this customer waits to be decided", customer=customer.name)
    since = customer.held_since or customer.create_time
    approved = (RecycleExtension.state == ExtensionState.APPROVED.value, RecycleExtension.decide_time >= since)
    count = session.scalar(select(func.count()).select_from(RecycleExtension).where(*mine, *approved)) or 0
    if count >= rule.max_extensions:
        message = f"{count} extensions were granted, of {rule.max_extensions} that may be: follow the customer up"
        raise Exhausted("EXTENSION_LIMIT_REACHED", message, customer=customer.name)


def _head_above(session: ServiceSession, customer: Customer) -> UUID | None:
    """The head of the owner's department, or of the nearest one above whose head is somebody else."""
    above = [UUID(one) for one in (customer.owner_department_path or "").split("/") if one]
    return session.scalar(
        select(KnownDepartment.head_id)
        .where(
            KnownDepartment.id.in_(above),
            KnownDepartment.head_id.is_not(None),
            KnownDepartment.head_id != customer.owner_id,
        )
        .order_by(func.length(KnownDepartment.path).desc())
        .limit(1)
    )
