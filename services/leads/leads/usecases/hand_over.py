"""Give what somebody who leaves holds to successors. Nothing but the owner changes."""

from collections.abc import Sequence
from uuid import UUID

from chassis import audit, notifications
from chassis.db import ServiceSession
from chassis.handover import Move, find_successors
from chassis.names import make_name
from sqlalchemy import ColumnElement, and_, or_, select

from leads.facts import snapshot
from leads.model import FollowUp, Lead
from leads.owners import find_owner, set_owner
from leads.usecases.update_lead import announce


def owned_by(user_id: UUID) -> ColumnElement[bool]:
    """Whether a user owns a lead."""
    return Lead.owner_id == user_id


def planned_by(user_id: UUID) -> ColumnElement[bool]:
    """Whether a user is to get in touch again after a follow-up."""
    author = and_(FollowUp.assignee_id.is_(None), FollowUp.author == make_name("users", user_id))
    return and_(FollowUp.reminder_open, or_(FollowUp.assignee_id == user_id, author))


def hand_over_leads(session: ServiceSession, leaver_id: UUID, moves: Sequence[Move]) -> list[UUID]:
    """Give leads to their successors."""
    owners = find_successors(session, moves, find_owner)
    successors = {move.record_id: move.successor_id for move in moves}
    wanted = select(Lead).where(Lead.id.in_(successors), owned_by(leaver_id)).order_by(Lead.id)
    leads = session.scalars(wanted.with_for_update()).all()
    for lead in leads:
        before = snapshot(lead)
        set_owner(lead, owners[successors[lead.id]])
        announce(session, lead, before, "lead.hand_over")
    for successor_id in owners:
        count = sum(successors[lead.id] == successor_id for lead in leads)
        if count:
            params = {"count": str(count), "actor": session.caller.subject}
            notifications.notify(session, successor_id, "LEADS_ASSIGNED", "", params)
    return [lead.id for lead in leads]


def hand_over_plans(session: ServiceSession, leaver_id: UUID, moves: Sequence[Move]) -> list[UUID]:
    """Have others reminded: the successor if a rule names one, else whoever owns the customer when the time comes."""
    find_successors(session, moves, find_owner)
    by_record = {move.record_id: move for move in moves}
    wanted = select(FollowUp).where(FollowUp.id.in_(by_record), planned_by(leaver_id)).order_by(FollowUp.id)
    follow_ups = session.scalars(wanted.with_for_update()).all()
    changes = []
    for follow_up in follow_ups:
        before, move = {"planner": follow_up.planner}, by_record[follow_up.id]
        follow_up.assignee_id, follow_up.follows_owner = move.successor_id, not move.named
        after = {"planner": follow_up.planner, "follows_owner": follow_up.follows_owner}
        changes.append(audit.Change("follow_up.hand_over", follow_up.name, before, after))
    session.flush()
    audit.record_all(session, changes)
    return [follow_up.id for follow_up in follow_ups]
