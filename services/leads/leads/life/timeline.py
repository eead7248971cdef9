"""What happened to leads, as their timelines tell it: noted with each change, whoever makes it."""

from collections.abc import Mapping
from typing import Any

from chassis.db import ServiceSession
from chassis.names import new_id
from sqlalchemy import update

from leads.model import FollowUp, Lead, LeadEvent, LeadEventKind, LeadStatus

_KINDS = (
    ("status", LeadEventKind.STATUS_CHANGED),
    ("owner", LeadEventKind.OWNER_CHANGED),
    ("registration_state", LeadEventKind.REGISTRATION_DECIDED),
)


def note(session: ServiceSession, lead: Lead, kind: LeadEventKind, **values: Any) -> None:
    """Add something that the caller did with a lead to its timeline."""
    values.setdefault("actor", session.caller.subject)
    session.add(LeadEvent(id=new_id(), lead_id=lead.id, kind=kind, occur_time=session.now, **values))


def note_changes(session: ServiceSession, lead: Lead, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Add to a lead's timeline in what two snapshots differ that it tells of. The plans of a lead that is given up end;
    those of one that changes hands are its next owner's."""
    changed = [(field, kind) for field, kind in _KINDS if before.get(field) != after.get(field)]
    for field, kind in changed:
        values: dict[str, Any] = {"before": before.get(field), "after": after.get(field)}
        if field == "status":
            values |= {"reason": lead.status_reason, "note": lead.status_note}
        note(session, lead, kind, **values)
    fields = {field for field, _ in changed}
    if "status" in fields and lead.status == LeadStatus.DISQUALIFIED:
        _settle_plans(session, lead, {"reminder_open": False})
    elif "owner" in fields and before.get("owner"):
        _settle_plans(session, lead, {"follows_owner": True})


def _settle_plans(session: ServiceSession, lead: Lead, values: dict[str, bool]) -> None:
    planned = update(FollowUp).where(
        FollowUp.lead_id == lead.id, FollowUp.customer_id.is_(None), FollowUp.reminder_open
    )
    session.execute(planned.values(**values).execution_options(synchronize_session=False))
