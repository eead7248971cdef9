"""Plans: visits, meetings and calls that are to take place, who takes part, and how people want their calendars."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Uuid

from leads.model.base import Base
from leads.model.subjects import OfAssignee, OfSubject


class PlanKind(StrEnum):
    """What is planned. The names are those of `crm.leads.v1.PlanKind`."""

    VISIT = "VISIT"
    MEETING = "MEETING"
    CALL = "CALL"
    OTHER = "OTHER"


class PlanStatus(StrEnum):
    """What has become of a plan. The names are those of `crm.leads.v1.PlanStatus`."""

    PLANNED = "PLANNED"
    DONE = "DONE"
    CANCELLED = "CANCELLED"


class PlanResponse(StrEnum):
    """What a participant says to a plan. The names are those of `crm.leads.v1.PlanResponse`."""

    NEEDS_ACTION = "NEEDS_ACTION"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    TENTATIVE = "TENTATIVE"


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(value)) for value in values)})", name=column)


class Plan(OfSubject, OfAssignee, Base):
    """What is to take place, once or again and again. It need not be about anybody."""

    __tablename__ = "plan"
    __table_args__ = (
        _one_of("kind", PlanKind),
        _one_of("status", PlanStatus),
        CheckConstraint("start_time < end_time", name="times"),
        Index("ix_plan_customer", "customer_id", postgresql_where=text("customer_id IS NOT NULL")),
        Index("ix_plan_lead", "lead_id", postgresql_where=text("lead_id IS NOT NULL")),
        Index("ix_plan_assignee", "assignee_id", "start_time", "id"),
        Index("ix_plan_start_time", "start_time", "id"),
        Index("ix_plan_create_time", "create_time", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    title: Mapped[str]
    place: Mapped[str | None]
    organiser: Mapped[str]
    """The resource name of the user or client who made it."""
    contact_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    guests: Mapped[list[str]]
    start_time: Mapped[datetime]
    """When it begins; of what recurs, the first time."""
    end_time: Mapped[datetime]
    time_zone: Mapped[str]
    all_day: Mapped[bool]
    recurrence: Mapped[str | None]
    """An RRULE in the form of `leads.plans.recurrence`."""
    span_start: Mapped[datetime]
    """When its earliest occurrence begins, moved ones included."""
    span_end: Mapped[datetime | None]
    """When its last occurrence ends, moved ones included; None if it recurs without end."""
    reminder_minutes: Mapped[list[int]]
    private: Mapped[bool]
    status: Mapped[str]
    result: Mapped[str | None]
    cancel_reason: Mapped[str | None]
    cancel_time: Mapped[datetime | None]
    sequence: Mapped[int]
    """Rises whenever it is moved or cancelled: the SEQUENCE of RFC 5545."""
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("plans", self.id)


class PlanParticipant(Base):
    """An employee who takes part in a plan, or is asked to."""

    __tablename__ = "plan_participant"
    __table_args__ = (
        _one_of("response", PlanResponse),
        Index("ix_plan_participant_user", "user_id", "plan_id"),
        Index("ix_plan_participant_remind", "next_remind_time", postgresql_where=text("next_remind_time IS NOT NULL")),
    )

    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    response: Mapped[str]
    respond_time: Mapped[datetime | None]
    reminded_until: Mapped[datetime]
    """No reminder of a time up to this one is still to be sent."""
    next_remind_time: Mapped[datetime | None]
    """When the next reminder is due; None if there is none to come."""


class PlanDeviation(Base):
    """An occurrence of a plan that recurs, if something became of it by itself."""

    __tablename__ = "plan_deviation"
    __table_args__ = (_one_of("status", PlanStatus), UniqueConstraint("plan_id", "original_start"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id", ondelete="CASCADE"))
    original_start: Mapped[datetime]
    """When it would begin by the recurrence."""
    start_time: Mapped[datetime]
    end_time: Mapped[datetime]
    status: Mapped[str]
    result: Mapped[str | None]
    cancel_reason: Mapped[str | None]
    update_time: Mapped[datetime]


class PlanRules(Base):
    """The one row that holds the rules for plans, once the company has set them."""

    __tablename__ = "plan_rules"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    version: Mapped[int]
    rules: Mapped[dict[str, Any]]
    """See `leads.plans.rules.ConflictRules`."""
    update_time: Mapped[datetime]


class CalendarSettings(Base):
    """How a user wants to be reminded of plans, and the link under which programs read the user's calendar."""

    __tablename__ = "calendar_settings"
    __table_args__ = (UniqueConstraint("feed_digest"),)

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    own_reminders: Mapped[bool]
    reminder_minutes: Mapped[list[int]]
    feed_follow_ups: Mapped[bool]
    feed_tasks: Mapped[bool] = mapped_column(server_default=false(), default=False)
    feed_digest: Mapped[bytes | None]
    """SHA-256 of the link's token, which is kept nowhere; None while there is no link."""
    feed_create_time: Mapped[datetime | None]
    version: Mapped[int]
