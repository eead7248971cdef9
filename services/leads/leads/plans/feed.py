"""What the calendar of somebody holds for the programs that read it."""

import hashlib
from datetime import timedelta
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.names import make_name
from sqlalchemy import and_, or_, select

from leads import subjects
from leads.model import (
    UNENDED,
    CalendarSettings,
    FollowUp,
    KnownUser,
    Plan,
    PlanParticipant,
    PlanResponse,
    PlanStatus,
    Task,
)
from leads.plans.ical import Due, Item, to_icalendar
from leads.plans.occurrences import deviations_of, within
from leads.plans.settings import settings_by_token

PAST = timedelta(days=90)
AHEAD = timedelta(days=366)
CANCELLED_FOR = timedelta(days=30)
"""For how long what was called off is told of as such, so that whoever copied it notices."""
MOST_PLANS = 2_000
MOST_DUES = 500


def read_feed(session: ServiceSession, token: str) -> tuple[bytes, str]:
    """The calendar that a link leads to, as iCalendar, and its version, which changes with what it holds.

    Private plans are in it: whoever has the link stands for the user. Raises NotFound for a link that leads nowhere,
    be it that it was replaced, or that the user has left.
    """
    settings = settings_by_token(session, token)
    if settings is None or _has_left(session, settings.user_id):
        raise NotFound("CALENDAR_NOT_FOUND", "this link leads to no calendar; make a new one")
    dues = _contacts(session, settings.user_id) if settings.feed_follow_ups else []
    dues += _tasks(session, settings.user_id) if settings.feed_tasks else []
    data = to_icalendar(_items(session, settings), dues, session.now - CANCELLED_FOR)
    return data, hashlib.sha256(data).hexdigest()[:32]


def _has_left(session: ServiceSession, user_id: UUID) -> bool:
    active = session.scalar(select(KnownUser.active).where(KnownUser.id == user_id))
    return active is False


def _items(session: ServiceSession, settings: CalendarSettings) -> list[Item]:
    """The user's plans around now, those first that begin first; the first of them if there are very many."""
    told = or_(Plan.status != PlanStatus.CANCELLED, Plan.cancel_time > session.now - CANCELLED_FOR)
    mine = and_(
        PlanParticipant.user_id == settings.user_id,
        PlanParticipant.response != PlanResponse.DECLINED,
    )
    wanted = (
        select(Plan)
        .join(PlanParticipant, PlanParticipant.plan_id == Plan.id)
        .where(mine, told, within(session.now - PAST, session.now + AHEAD))
        .order_by(Plan.start_time, Plan.id)
        .limit(MOST_PLANS)
    )
    plans = session.scalars(wanted).all()
    deviations = deviations_of(session, [plan.id for plan in plans if plan.recurrence])
    about = {plan.id: subjects.of(plan) for plan in plans if plan.subject}
    titles = subjects.titles(session, about.values())
    return [
        Item(
            plan,
            deviations.get(plan.id, ()),
            titles.get(about[plan.id], "") if plan.id in about else "",
            settings.reminder_minutes if settings.own_reminders else plan.reminder_minutes,
        )
        for plan in plans
    ]


def _contacts(session: ServiceSession, user_id: UUID) -> list[Due]:
    """When the user is to get in touch with leads and customers again."""
    planner = or_(
        FollowUp.assignee_id == user_id,
        and_(FollowUp.assignee_id.is_(None), FollowUp.author == make_name("users", user_id)),
    )
    wanted = (
        select(FollowUp)
        .where(planner, FollowUp.reminder_open, FollowUp.next_contact_time < session.now + AHEAD)
        .order_by(FollowUp.next_contact_time, FollowUp.id)
        .limit(MOST_DUES)
    )
    found = session.scalars(wanted).all()
    titles = subjects.titles(session, map(subjects.of, found))
    return [
        Due(row.id, "FOLLOW_UP", titles.get(subjects.of(row), ""), row.next_contact_time, row.create_time)
        for row in found
        if row.next_contact_time is not None
    ]


def _tasks(session: ServiceSession, user_id: UUID) -> list[Due]:
    """When the user's open tasks are due."""
    wanted = (
        select(Task)
        .where(Task.assignee_id == user_id, Task.status.in_(UNENDED), Task.due_time < session.now + AHEAD)
        .order_by(Task.due_time, Task.id)
        .limit(MOST_DUES)
    )
    return [
        Due(task.id, "TASK", task.title, task.due_time, task.update_time)
        for task in session.scalars(wanted)
        if task.due_time is not None
    ]
