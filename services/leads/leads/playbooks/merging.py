"""What becomes of where leads are in their playbooks when two leads are made one."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.names import make_name
from sqlalchemy import exists, update
from sqlalchemy.orm import aliased

from leads.model import LeadPlaybook, StageStay, TemplateUse
from leads.playbooks.queries import content_of


def follow_lead_merge(session: ServiceSession, other_id: UUID, lead_id: UUID) -> None:
    """Let a lead be where another one is that it is made one with, if it follows no playbook, or the same one and is
    not as far; and have been where the other one was. Both must be locked.

    A template that has made its task for either makes it no second time on the same occasion.
    """
    own, other = session.get(LeadPlaybook, lead_id), session.get(LeadPlaybook, other_id)
    taken = other is not None and (own is None or _further(session, other, own))
    ended = lead_id if taken else other_id
    _change(
        session,
        update(StageStay)
        .where(StageStay.lead_id == ended, StageStay.leave_time.is_(None))
        .values(leave_time=session.now),
    )
    _change(session, update(StageStay).where(StageStay.lead_id == other_id).values(lead_id=lead_id))
    mine = aliased(TemplateUse)
    same = exists().where(
        mine.lead_id == lead_id, mine.template_id == TemplateUse.template_id, mine.occasion == TemplateUse.occasion
    )
    _change(session, update(TemplateUse).where(TemplateUse.lead_id == other_id, ~same).values(lead_id=lead_id))
    if other is not None and taken:
        _take(session, own, other, lead_id)


def _further(session: ServiceSession, other: LeadPlaybook, own: LeadPlaybook) -> bool:
    if other.playbook_id != own.playbook_id:
        return False
    content = content_of(session, other.playbook_id, max(other.playbook_version, own.playbook_version))
    return content.position(other.stage_id) > content.position(own.stage_id)


def _take(session: ServiceSession, own: LeadPlaybook | None, other: LeadPlaybook, lead_id: UUID) -> None:
    before = _told(own) if own is not None else None
    if own is None:
        own = LeadPlaybook(lead_id=lead_id)
        session.add(own)
    own.playbook_id, own.playbook_version = other.playbook_id, other.playbook_version
    own.stage_id, own.enter_time = other.stage_id, other.enter_time
    session.flush()
    audit.record(session, "lead.start_playbook", make_name("leads", lead_id), before, _told(own))


def _told(row: LeadPlaybook) -> dict[str, object]:
    playbook = make_name("playbooks", row.playbook_id)
    return {"playbook": playbook, "playbook_version": row.playbook_version, "stage": str(row.stage_id or "")}


def _change(session: ServiceSession, statement: object) -> None:
    session.execute(statement.execution_options(synchronize_session=False))  # type: ignore[attr-defined]
