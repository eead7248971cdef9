"""Reminders before plans: each once to each participant, by what the participant set, else by what the plan says."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from chassis import outbox
from chassis.db import ServiceSession
from chassis.names import make_name, new_id
from chassis.notifications import NotificationRaised
from chassis.timers import has_rows
from sqlalchemy import select

from leads.model import CalendarSettings, KnownUser, Plan, PlanDeviation, PlanParticipant, PlanResponse, PlanStatus
from leads.plans.occurrences import Occurrence, deviations_of, occurrences
from leads.plans.queries import participants_of

BATCH = 500

_WIDTHS = tuple(timedelta(days=days) for days in (64, 400, 1_500, 16_000))
"""How far ahead the next occurrence is looked for, one after the other: seldom further than the first of them."""


def remind_of_plans(session: ServiceSession, due: datetime) -> bool:
    """Send the reminders that are due. Of several of one occurrence, after a downtime, one is enough; of what is
    over, none. Returns whether some are left, as others hold them."""
    column = PlanParticipant.next_remind_time
    wanted = select(PlanParticipant).where(column <= due).order_by(column)
    while rows := session.scalars(wanted.limit(BATCH).with_for_update(skip_locked=True)).all():
        _remind(session, rows, due)
    return has_rows(session, wanted)


def _remind(session: ServiceSession, rows: Sequence[PlanParticipant], due: datetime) -> None:
    plans = {plan.id: plan for plan in session.scalars(select(Plan).where(Plan.id.in_({row.plan_id for row in rows})))}
    deviations = deviations_of(session, plans)
    minutes = _minutes(session, rows, plans)
    gone = _gone(session, [row.user_id for row in rows])
    raised = []
    for row in rows:
        plan, before = plans[row.plan_id], minutes[row.plan_id, row.user_id]
        own = deviations.get(plan.id, ())
        if row.user_id not in gone:
            raised += [_reminder(session, row, one) for one in _due(plan, own, before, row.reminded_until, due)]
        row.reminded_until = due
        row.next_remind_time = _next(plan, own, before, due) if _is_reminded(row, plan) else None
    outbox.emit_all(session, raised)
    session.flush()


def schedule(session: ServiceSession, plans: Sequence[Plan], *, anew: bool = False) -> None:
    """Note when the participants of some plans are to be reminded next. `anew`: what was due before counts no more."""
    by_id = {plan.id: plan for plan in plans}
    rows = [row for group in participants_of(session, list(by_id)).values() for row in group]
    _schedule(session, rows, by_id, anew=anew)


def schedule_for(session: ServiceSession, user_id: UUID) -> None:
    """Note when somebody whose settings changed is to be reminded next of each plan to come."""
    open_ = Plan.status == PlanStatus.PLANNED, (Plan.span_end.is_(None)) | (Plan.span_end > session.now)
    wanted = select(PlanParticipant).join(Plan, Plan.id == PlanParticipant.plan_id)
    rows = session.scalars(wanted.where(PlanParticipant.user_id == user_id, *open_).with_for_update(of=PlanParticipant))
    found = list(rows)
    plans = session.scalars(select(Plan).where(Plan.id.in_({row.plan_id for row in found})))
    _schedule(session, found, {plan.id: plan for plan in plans}, anew=True)


def _schedule(
    session: ServiceSession, rows: Sequence[PlanParticipant], plans: Mapping[UUID, Plan], *, anew: bool
) -> None:
    deviations = deviations_of(session, plans)
    minutes = _minutes(session, rows, plans)
    for row in rows:
        plan = plans[row.plan_id]
        if anew:
            row.reminded_until = session.now
        before = minutes[row.plan_id, row.user_id]
        wanted = _is_reminded(row, plan)
        row.next_remind_time = _next(plan, deviations.get(plan.id, ()), before, row.reminded_until) if wanted else None


def _is_reminded(row: PlanParticipant, plan: Plan) -> bool:
    return row.response != PlanResponse.DECLINED and plan.status == PlanStatus.PLANNED


def _minutes(
    session: ServiceSession, rows: Iterable[PlanParticipant], plans: Mapping[UUID, Plan]
) -> dict[tuple[UUID, UUID], Sequence[int]]:
    """How many minutes before each start each of them is reminded."""
    own = select(CalendarSettings.user_id, CalendarSettings.reminder_minutes).where(
        CalendarSettings.user_id.in_({row.user_id for row in rows}), CalendarSettings.own_reminders
    )
    settings = {row.user_id: row.reminder_minutes for row in session.execute(own)}
    return {(row.plan_id, row.user_id): settings.get(row.user_id, plans[row.plan_id].reminder_minutes) for row in rows}


def _gone(session: ServiceSession, ids: Sequence[UUID]) -> set[UUID]:
    """Those of the users who may not sign in any more."""
    return set(session.scalars(select(KnownUser.id).where(KnownUser.id.in_(ids), KnownUser.active.is_(False))))


def _next(plan: Plan, deviations: Sequence[PlanDeviation], minutes: Sequence[int], after: datetime) -> datetime | None:
    """When the first reminder after a moment is due."""
    if not minutes:
        return None
    longest = timedelta(minutes=max(minutes))
    for width in _WIDTHS if plan.recurrence else _WIDTHS[-1:]:
        moments = [
            moment
            for one in _planned(plan, deviations, after, after + width + longest)
            for moment in _moments(one, minutes)
            if after < moment
        ]
        # Beyond this, occurrences that were not looked at may have earlier ones.
        if moments and min(moments) <= after + width:
            return min(moments)
        if plan.span_end is not None and plan.span_end <= after + width:
            return None
    return None


def _due(
    plan: Plan, deviations: Sequence[PlanDeviation], minutes: Sequence[int], after: datetime, until: datetime
) -> Iterator[Occurrence]:
    """The occurrences of which somebody is to be reminded between two moments, and that are not over by then."""
    if not minutes:
        return
    last = until + timedelta(minutes=max(minutes)) + timedelta(microseconds=1)
    for one in _planned(plan, deviations, after, last):
        if one.slot.end > until and any(after < moment <= until for moment in _moments(one, minutes)):
            yield one


def _planned(plan: Plan, deviations: Sequence[PlanDeviation], start: datetime, end: datetime) -> Iterator[Occurrence]:
    return (one for one in occurrences(plan, deviations, start, end) if one.status == PlanStatus.PLANNED)


def _moments(one: Occurrence, minutes: Sequence[int]) -> Iterator[datetime]:
    return (one.slot.start - timedelta(minutes=before) for before in minutes)


def _reminder(session: ServiceSession, row: PlanParticipant, one: Occurrence) -> NotificationRaised:
    plan = one.plan
    return NotificationRaised(
        id=str(new_id()),
        recipient=make_name("users", row.user_id),
        kind="PLAN_REMINDER",
        resource=plan.name,
        params={
            "title": plan.title,
            "kind": plan.kind,
            "place": plan.place or "",
            "start_time": one.slot.start.isoformat(),
            "end_time": one.slot.end.isoformat(),
            "time_zone": plan.time_zone,
        },
        raise_time=session.now,
    )
