"""Who takes part in plans."""

from collections.abc import Collection, Mapping
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.sharing import not_yours
from sqlalchemy import select

from leads.model import KnownUser, Plan, PlanParticipant, PlanResponse
from leads.plans.drafts import MAX_PEOPLE
from leads.plans.queries import participants_of


def find_people(session: ServiceSession, user_ids: Collection[UUID]) -> Mapping[UUID, str | None]:
    """The paths of the departments of some employees. They are share-locked until the transaction ends, as owners are.

    Raises Invalid TOO_MANY, UNKNOWN_PARTICIPANT or INACTIVE_PARTICIPANT.
    """
    if len(user_ids) > MAX_PEOPLE:
        raise Invalid("TOO_MANY", f"at most {MAX_PEOPLE} people fit", field="participants", maximum=MAX_PEOPLE)
    wanted = select(KnownUser).where(KnownUser.id.in_(user_ids)).order_by(KnownUser.id).with_for_update(read=True)
    known = {user.id: user for user in session.scalars(wanted)}
    found: dict[UUID, str | None] = {}
    for user_id in sorted(user_ids):
        user = known.get(user_id)
        if user is None and user_id == session.caller.user_id:
            # Created a moment ago, and the event still on its way.
            found[user_id] = session.caller.department_path or None
        elif user is None or user.partner_id is not None:
            raise Invalid("UNKNOWN_PARTICIPANT", "name employees of the company", field="participants")
        elif not user.active:
            message = "somebody named may not sign in and cannot take part"
            raise Invalid("INACTIVE_PARTICIPANT", message, field="participants")
        else:
            found[user_id] = user.department_path
    return found


def set_assignee(session: ServiceSession, plan: Plan, assignee_id: UUID, path: str | None, permission: str) -> None:
    """Make a plan somebody's work. Raises Denied NOT_YOURS for somebody whom the caller does not reach with the
    permission."""
    own = assignee_id == session.caller.user_id
    if not own and not session.caller.scope(permission).reaches(assignee_id, path):
        raise not_yours(permission, assignee_id)
    plan.assignee_id, plan.assignee_department_path = assignee_id, path


def ask(session: ServiceSession, plan: Plan, user_ids: Collection[UUID]) -> list[UUID]:
    """Let just these people take part in a plan, its assignee with them. Returns those who did not before."""
    rows = {row.user_id: row for row in participants_of(session, [plan.id])[plan.id]}
    wanted = {*user_ids, *([plan.assignee_id] if plan.assignee_id else [])}
    for user_id in rows.keys() - wanted:
        session.delete(rows[user_id])
    new = sorted(wanted - rows.keys())
    for user_id in new:
        agrees = user_id in (plan.assignee_id, session.caller.user_id)
        session.add(
            PlanParticipant(
                plan_id=plan.id,
                user_id=user_id,
                response=PlanResponse.ACCEPTED if agrees else PlanResponse.NEEDS_ACTION,
                respond_time=session.now if agrees else None,
                reminded_until=session.now,
                next_remind_time=None,
            )
        )
    session.flush()
    return new


def ask_again(session: ServiceSession, plan: Plan) -> None:
    """Nobody has said anything to a plan's new times, save its assignee and the caller."""
    for row in participants_of(session, [plan.id])[plan.id]:
        if row.user_id not in (plan.assignee_id, session.caller.user_id):
            row.response, row.respond_time = PlanResponse.NEEDS_ACTION, None


def who_come(session: ServiceSession, plan: Plan) -> list[UUID]:
    """Who takes part in a plan and has not declined."""
    rows = participants_of(session, [plan.id])[plan.id]
    return [row.user_id for row in rows if row.response != PlanResponse.DECLINED]
