"""With whom a call was, by its number."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from sqlalchemy import ColumnElement, select

from leads.calls.facts import announce_end, snapshot
from leads.model import Call, KnownCustomer, Lead, LeadStatus
from leads.subjects import Subject

_OVER = (LeadStatus.CONVERTED, LeadStatus.DISQUALIFIED)


def match_number(session: ServiceSession, call: Call, among: ColumnElement[bool]) -> bool:
    """Let a call be with the lead that has its number, of some of the leads. Says whether any has. Leads that are over
    have none: a converted one is a customer."""
    rows = session.execute(
        select(Lead.id, Lead.owner_id)
        .where(Lead.phones.contains([call.phone]), Lead.status.not_in(_OVER), among)
        .order_by(Lead.id)
    ).all()
    settle(call, [(Subject("leads", row.id), row.owner_id) for row in rows])
    return bool(rows)


def identify(session: ServiceSession, call_id: UUID, customer_ids: Sequence[UUID]) -> None:
    """Let a call be with the customer that has its number, unless somebody has said meanwhile with whom it was."""
    call = session.get(Call, call_id, with_for_update=True)
    if call is None or call.customer_id is not None or call.lead_id is not None or not customer_ids:
        return
    before = snapshot(call)
    owners: dict[UUID, Any] = {
        row.id: row.owner_id
        for row in session.execute(
            select(KnownCustomer.id, KnownCustomer.owner_id).where(KnownCustomer.id.in_(customer_ids))
        )
    }
    settle(call, [(Subject("customers", key), owners.get(key)) for key in customer_ids])
    call.version += 1
    session.flush()
    audit.record(session, "call.identify", call.name, before, snapshot(call))
    announce_end(session, call)


def settle(call: Call, found: Sequence[tuple[Subject, UUID | None]]) -> None:
    """Of those who have a call's number, it is with the only one, else with the only one of whom speaks. Else they are
    noted for whoever knows."""
    mine = [subject for subject, owner_id in found if owner_id is not None and owner_id == call.assignee_id]
    subjects = [subject for subject, _ in found] if len(found) == 1 else mine
    if len(subjects) == 1:
        call.lead_id, call.customer_id = subjects[0].columns["lead_id"], subjects[0].columns["customer_id"]
        call.candidates = []
    else:
        call.candidates = [subject.name for subject, _ in found]
