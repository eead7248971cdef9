"""Changes of what theatres follow, each with its audit entry and event. The customers must be locked."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis import audit, notifications, outbox
from chassis.db import ServiceSession
from chassis.names import make_name, new_id
from sqlalchemy import select

from customers.events import CustomerTheatreChanged
from customers.model import Customer, CustomerTheatre, KnownUser
from customers.owners import Owner
from customers.theatres.following import live_theatres, theatres_at


def find_theatre(session: ServiceSession, customer_id: UUID, department_id: UUID) -> CustomerTheatre | None:
    """What a theatre does, or did, with a customer, locked."""
    found = select(CustomerTheatre).where(
        CustomerTheatre.customer_id == customer_id, CustomerTheatre.department_id == department_id
    )
    return session.scalars(found.with_for_update()).first()


def begin(
    session: ServiceSession, customer_id: UUID, department_id: UUID, owner_id: UUID, owner_path: str | None
) -> CustomerTheatre:
    """Let a theatre follow a customer that it does not follow yet, or no more."""
    kept = find_theatre(session, customer_id, department_id)
    if kept is None:
        kept = CustomerTheatre(id=new_id(), customer_id=customer_id, department_id=department_id, version=0)
        session.add(kept)
    kept.start_time, kept.end_time = session.now, None
    kept.owner_id, kept.owner_department_path = owner_id, owner_path
    _note(session, kept, None)
    return kept


def give(session: ServiceSession, theatres: Sequence[CustomerTheatre], owners: Mapping[UUID, Owner]) -> None:
    """Give what theatres follow to others, by the id of each row."""
    for kept in theatres:
        before, owner = kept.snapshot(), owners[kept.id]
        kept.owner_id, kept.owner_department_path = owner.id, owner.department_path
        _note(session, kept, before)


def end(session: ServiceSession, theatres: Sequence[CustomerTheatre], *, became_holder: bool = False) -> None:
    """End that theatres follow customers; `became_holder` says that somebody of the theatre owns the customer now."""
    for kept in theatres:
        before = kept.snapshot()
        kept.end_time, kept.next_contact_time = session.now, None
        _note(session, kept, before, became_holder=became_holder)


def end_where_held(session: ServiceSession, owners: Mapping[UUID, Owner]) -> None:
    """End that theatres follow customers that their own people own from now on, by customer."""
    theatres = live_theatres(session, owners)
    if theatres:
        at = theatres_at(session, {owner.department_path for owner in owners.values() if owner.department_path})
        held = [one for one in theatres if at.get(owners[one.customer_id].department_path or "") == one.department_id]
        end(session, held, became_holder=True)


def end_of_department(session: ServiceSession, department_id: UUID) -> None:
    """End all that a theatre follows, which is there no more."""
    mine = (CustomerTheatre.department_id == department_id, CustomerTheatre.end_time.is_(None))
    customers = select(CustomerTheatre.customer_id).where(*mine)
    session.execute(select(Customer.id).where(Customer.id.in_(customers)).order_by(Customer.id).with_for_update())
    end(session, session.scalars(select(CustomerTheatre).where(*mine).order_by(CustomerTheatre.id)).all())


def unite(session: ServiceSession, winner: Customer, others: Collection[UUID]) -> list[CustomerTheatre]:
    """Let the theatres that follow customers follow the one that these become one with, but for its owner's own."""
    here = {one.department_id for one in live_theatres(session, [winner.id])}
    path = winner.owner_department_path
    if path:
        here |= set(theatres_at(session, [path]).values())
    begun = []
    for one in live_theatres(session, others):
        if one.department_id not in here:
            here.add(one.department_id)
            kept = begin(session, winner.id, one.department_id, one.owner_id, one.owner_department_path)
            kept.last_touch_time, kept.next_contact_time = one.last_touch_time, one.next_contact_time
            begun.append(kept)
    session.flush()
    return begun


def restore_theatres(session: ServiceSession, begun: Mapping[str, int], others: Collection[UUID]) -> None:
    """Take back what `unite` began, unless somebody has changed it since, and tell of what the others have again."""
    ids = [UUID(key) for key in begun]
    rows = session.scalars(select(CustomerTheatre).where(CustomerTheatre.id.in_(ids)).order_by(CustomerTheatre.id))
    end(session, [one for one in rows if one.end_time is None and one.version == begun[str(one.id)]])
    for kept in live_theatres(session, others):
        user = session.get(KnownUser, kept.owner_id)
        kept.owner_department_path = user.department_path if user else kept.owner_department_path
        _note(session, kept, None)


def tell_owner(session: ServiceSession, customer: Customer, owner_id: UUID, kind: str) -> None:
    """Tell somebody who did not do it what happened with a customer that they follow, or followed."""
    if owner_id != session.caller.user_id:
        params = {"customer_name": customer.display_name, "actor": session.caller.subject}
        notifications.notify(session, owner_id, kind, customer.name, params)


def theatre_changed(kept: CustomerTheatre, *, became_holder: bool = False) -> CustomerTheatreChanged:
    """The fact that a theatre does with a customer what it does now."""
    return CustomerTheatreChanged(
        customer=make_name("customers", kept.customer_id),
        theatre=kept.theatre,
        owner=make_name("users", kept.owner_id),
        owner_department_path=kept.owner_department_path or "",
        version=kept.version,
        active=kept.end_time is None,
        became_holder=became_holder,
    )


def _note(
    session: ServiceSession, kept: CustomerTheatre, before: dict[str, Any] | None, *, became_holder: bool = False
) -> None:
    """Keep a change, and tell others of it; `before` is what the audit says that there was."""
    kept.version += 1
    session.flush()
    customer, live = make_name("customers", kept.customer_id), kept.end_time is None
    action = "customer.assign_theatre" if live else "customer.end_theatre"
    audit.record(session, action, customer, before, kept.snapshot() if live else None)
    outbox.emit(session, theatre_changed(kept, became_holder=became_holder))
