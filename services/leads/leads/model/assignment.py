"""Assignment of leads: rules, what people can take, what they are owed, decisions, and the leads nobody has."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, ForeignKey, Index, Uuid, false, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base

DEFAULT_MONTHLY_CAPACITY = 30
DEFAULT_PERFORMANCE_DAYS = 90
DEFAULT_TRIES = 3


class AssignmentStrategy(StrEnum):
    """By what one of a rule's candidates is chosen. The names are those of `crm.leads.v1.AssignmentStrategy`."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_BUSY = "LEAST_BUSY"
    WEIGHTED = "WEIGHTED"
    REGION = "REGION"
    SKILL = "SKILL"
    PERFORMANCE = "PERFORMANCE"


class OutsideHours(StrEnum):
    """What becomes of leads while none of a rule's candidates works. The names are those of
    `crm.leads.v1.OutsideHours`."""

    NEXT_WORKER = "NEXT_WORKER"
    WAIT = "WAIT"
    IGNORE = "IGNORE"


class AssignmentOutcome(StrEnum):
    """What was decided on a lead. The names are those of `crm.leads.v1.AssignmentOutcome`."""

    ASSIGNED = "ASSIGNED"
    WAITING = "WAITING"
    POOLED = "POOLED"
    CLAIMED = "CLAIMED"


class AssignmentCause(StrEnum):
    """Why a lead was judged. The names are those of `crm.leads.v1.AssignmentCause`."""

    CREATED = "CREATED"
    REQUESTED = "REQUESTED"
    RETRIED = "RETRIED"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    CLAIMED = "CLAIMED"


class Acceptance(StrEnum):
    """Whether an assignee took a lead over. The names are those of `crm.leads.v1.AcceptanceState`."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(value)) for value in values)})", name=column)


class AssignmentRule(Base):
    """A rule by which leads that nobody owns are given to people."""

    __tablename__ = "assignment_rule"
    __table_args__ = (
        _one_of("strategy", AssignmentStrategy),
        _one_of("outside_hours", OutsideHours),
        Index("ix_assignment_rule_priority", "priority", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    priority: Mapped[int]
    disabled: Mapped[bool]
    active_from: Mapped[datetime | None]
    active_until: Mapped[datetime | None]
    condition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """The JSON form of a `crm.common.v1.Filter`."""
    strategy: Mapped[str]
    users: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    departments: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    headed_departments: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default="{}", default=list)
    roles: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default="{}", default=list)
    required_skills: Mapped[list[str]]
    outside_hours: Mapped[str]
    accept_minutes: Mapped[int]
    max_tries: Mapped[int]
    performance_days: Mapped[int]
    fallback_department_id: Mapped[UUID | None]
    manager_id: Mapped[UUID | None]
    manager_is_head: Mapped[bool] = mapped_column(server_default=false(), default=False)
    creator: Mapped[str]
    """The resource name of whoever created it."""
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("assignmentRules", self.id)


class LeadAssignmentSettings(Base):
    """The one row of what holds whatever rules say."""

    __tablename__ = "lead_assignment_settings"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    fallback_department_id: Mapped[UUID | None]
    manager_id: Mapped[UUID | None]
    version: Mapped[int]


class LeadCapacity(Base):
    """How many leads somebody can be given, and which. Who has no row can be given what the defaults say."""

    __tablename__ = "lead_capacity"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    daily_capacity: Mapped[int]
    """0 for no limit."""
    monthly_capacity: Mapped[int]
    weight: Mapped[int]
    regions: Mapped[list[str]]
    skills: Mapped[list[str]]
    hours: Mapped[list[str]]
    declines_leads: Mapped[bool]
    version: Mapped[int]


class LeadAbsence(Base):
    """A time at which somebody is given no leads."""

    __tablename__ = "lead_absence"
    __table_args__ = (Index("ix_lead_absence_user", "user_id", "start_time", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID]
    start_time: Mapped[datetime]
    end_time: Mapped[datetime]
    creator: Mapped[str]
    create_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("leadAbsences", self.id)


class AssignmentDebt(Base):
    """What a rule owes somebody: the shares of the leads that they could have been given, less those they were given.
    The debts of a rule add up to nothing."""

    __tablename__ = "assignment_debt"

    rule_id: Mapped[UUID] = mapped_column(ForeignKey("assignment_rule.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    debt: Mapped[int]
    """In millionths of a millionth of a lead."""
    last_time: Mapped[datetime | None]
    """When they were last given a lead by the rule."""


class AssignmentRound(Base):
    """What many decisions have in common: the rules there were, or a rule's candidates. Rows never change."""

    __tablename__ = "assignment_round"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """Told by the facts, so that the same facts are kept once."""
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    create_time: Mapped[datetime]


class LeadAssignment(Base):
    """A decision on a lead: who is to work on it, or why nobody is."""

    __tablename__ = "lead_assignment"
    __table_args__ = (
        _one_of("outcome", AssignmentOutcome),
        _one_of("cause", AssignmentCause),
        _one_of("acceptance", Acceptance),
        Index("ix_lead_assignment_lead", "lead_id", "decide_time", "id"),
        Index(
            "ix_lead_assignment_assignee",
            "assignee_id",
            "decide_time",
            postgresql_where=text("assignee_id IS NOT NULL"),
        ),
        Index("ix_lead_assignment_due", "accept_due_time", postgresql_where=text("acceptance = 'PENDING'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lead_id: Mapped[UUID] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    outcome: Mapped[str]
    cause: Mapped[str]
    rule_id: Mapped[UUID | None]
    """Kept when the rule is deleted."""
    assignee_id: Mapped[UUID | None]
    reason: Mapped[str]
    acceptance: Mapped[str | None]
    accept_due_time: Mapped[datetime | None]
    decline_reason: Mapped[str | None]
    decide_time: Mapped[datetime]
    settle_time: Mapped[datetime | None]
    rules_id: Mapped[UUID | None] = mapped_column(ForeignKey("assignment_round.id"))
    """The rules there were."""
    candidates_id: Mapped[UUID | None] = mapped_column(ForeignKey("assignment_round.id"))
    """The candidates of the rule."""
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """What was decided by: see `leads.assignment.explaining`."""

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("leadAssignments", self.id)


class WaitingLead(Base):
    """A lead that nobody owns and that the rules are still to judge, or gave to nobody: the fallback pool."""

    __tablename__ = "waiting_lead"
    __table_args__ = (
        Index("ix_waiting_lead_retry_time", "retry_time", "lead_id", postgresql_where=text("retry_time IS NOT NULL")),
        Index("ix_waiting_lead_pool_time", "pool_time", "lead_id"),
        Index("ix_waiting_lead_department", "fallback_department_id"),
    )

    lead_id: Mapped[UUID] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"), primary_key=True)
    waiting: Mapped[bool] = mapped_column(server_default=false())
    """Whether it only waits until somebody works."""
    reason: Mapped[str]
    rule_id: Mapped[UUID | None]
    fallback_department_id: Mapped[UUID | None]
    pool_time: Mapped[datetime]
    retry_time: Mapped[datetime | None]
    cause: Mapped[str]
    """Why it is judged next."""
