"""On which customers and leads a caller may log follow-ups."""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import DomainError, NotFound
from chassis.sharing import Place, not_yours
from sqlalchemy import select

from leads.lead_queries import no_lead
from leads.lead_queries import reach as lead_reach
from leads.life.statuses import has_converted
from leads.model import KnownUser, Lead, LeadStatus
from leads.premises import Premises
from leads.queries import REACHABLE


class Customers(Protocol):
    """Who knows the customers that are not known here yet."""

    def owners_of(self, customer_ids: Collection[UUID]) -> Mapping[UUID, UUID | None]:
        """Who looks after each of some customers. What the caller may not see is left out."""
        ...


def refusals(
    session: ServiceSession, customer_ids: Collection[UUID], premises: Premises, customers: Customers
) -> dict[UUID, DomainError]:
    """Why the caller may not log follow-ups on some of the customers: NotFound for what they cannot see, Denied
    NOT_YOURS for what they may see and no more."""
    places: dict[UUID, Place] = {
        row.id: (row.id, row.owner_id, row.owner_department_path)
        for row in premises.customers.values()
        if not row.deleted
    }
    seen = REACHABLE.reached(session, "customer.read", places.values())
    if unknown := set(customer_ids) - premises.customers.keys():
        # Created a moment ago, and its event still on its way: its own service knows, and whether it can be read.
        for key, owner_id in customers.owners_of(unknown).items():
            places[key] = key, owner_id, _path_of(session, owner_id)
            seen.add(key)
    opened = REACHABLE.reached(session, "follow_up.create", [places[key] for key in seen])
    return {key: _refusal(session, places[key] if key in seen else None) for key in set(customer_ids) - opened}


def followed_meanwhile(session: ServiceSession, customer_ids: Collection[UUID], premises: Premises) -> bool:
    """Whether the caller may reach a customer for a theatre that began to follow it after the premises were read.

    Premises wait for others who log, and show what was so before. Whoever reaches a customer neither by its owner nor
    for a theatre that they name does so by a share, or as a follower who is new.
    """
    scope = session.caller.scope("follow_up.create")
    known = [premises.customers[key] for key in customer_ids if key in premises.customers]
    return any(
        row.joint_theatre is None and not scope.reaches(row.owner_id, row.owner_department_path) for row in known
    )


def lock_leads(session: ServiceSession, lead_ids: Collection[UUID]) -> tuple[dict[UUID, Lead], dict[UUID, DomainError]]:
    """Lock those of the leads that the caller may log follow-ups on, and say why they may not on the others: NotFound
    for what they cannot see, Denied NOT_YOURS for what they may see and no more, Conflict LEAD_CONVERTED."""
    if not lead_ids:
        return {}, {}
    scope = session.caller.scope("follow_up.create")
    wanted = select(Lead).where(Lead.id.in_(lead_ids), lead_reach(session, "lead.read")).order_by(Lead.id)
    leads: dict[UUID, Lead] = {}
    refused: dict[UUID, DomainError] = {lead_id: no_lead() for lead_id in lead_ids}
    for lead in session.scalars(wanted.with_for_update()):
        if not scope.reaches(lead.owner_id, lead.owner_department_path):
            refused[lead.id] = not_yours("follow_up.create", lead.owner_id)
        elif lead.status == LeadStatus.CONVERTED:
            refused[lead.id] = has_converted(lead)
        else:
            leads[lead.id] = lead
            del refused[lead.id]
    return leads, refused


def _refusal(session: ServiceSession, place: Place | None) -> DomainError:
    missing = NotFound("CUSTOMER_NOT_FOUND", "there is no such customer, or you may not see it")
    return REACHABLE.refusal(session, "follow_up.create", "customer.read", place, missing)


def _path_of(session: ServiceSession, user_id: UUID | None) -> str | None:
    if user_id is not None and user_id == session.caller.user_id:
        return session.caller.department_path or None
    user = session.get(KnownUser, user_id) if user_id else None
    return user.department_path if user else None
