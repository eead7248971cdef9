"""Automation: rules that users make, what came of their runs, and what this knows of who may do what."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base


class AutomationState(StrEnum):
    """Whether a rule runs. The names are those of `crm.leads.v1.AutomationState`."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    SUSPENDED = "SUSPENDED"


class TriggerKind(StrEnum):
    """What starts a rule. The names are those of `crm.leads.v1.AutomationTriggerKind`."""

    EVENT = "EVENT"
    FIELD_CHANGE = "FIELD_CHANGE"
    SCHEDULE = "SCHEDULE"
    TIME_AFTER = "TIME_AFTER"


class Outcome(StrEnum):
    """What came of a run. The names are those of `crm.leads.v1.AutomationOutcome`."""

    DONE = "DONE"
    NOT_MATCHED = "NOT_MATCHED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    LOOP = "LOOP"


class DeliveryState(StrEnum):
    """What has become of a call of another system."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(value)) for value in values)})", name=column)


class AutomationRule(Base):
    """When, if, then."""

    __tablename__ = "automation_rule"
    __table_args__ = (
        _one_of("state", AutomationState),
        _one_of("trigger_kind", TriggerKind),
        Index("uq_automation_rule_display_name", "display_name", unique=True),
        Index("ix_automation_rule_order", "priority", "id"),
        Index("ix_automation_rule_author", "author_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    state: Mapped[str]
    priority: Mapped[int]
    trigger_kind: Mapped[str]
    trigger: Mapped[dict[str, Any]]
    """See `leads.automation.drafts.Judge.trigger`."""
    condition: Mapped[str]
    actions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """See `leads.automation.drafts.Judge.body`."""
    author_id: Mapped[UUID]
    suspension_reason: Mapped[str | None]
    publish_time: Mapped[datetime | None]
    next_run_time: Mapped[datetime | None]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("automationRules", self.id)


class AutomationRun(Base):
    """One run of a rule for one record, on one occasion."""

    __tablename__ = "automation_run"
    __table_args__ = (
        _one_of("outcome", Outcome),
        Index("uq_automation_run_occasion", "rule_id", "occasion", unique=True),
        Index("ix_automation_run_rule", "rule_id", "run_time"),
        Index("ix_automation_run_record", "record", "id"),
        Index("ix_automation_run_time", "run_time"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    rule_id: Mapped[UUID]
    rule_name: Mapped[str]
    rule_version: Mapped[int]
    occasion: Mapped[str]
    """What a rule runs for once: the event's id; the record and the time that was due, or that its field holds."""
    record: Mapped[str]
    event: Mapped[str]
    outcome: Mapped[str]
    reason: Mapped[str | None]
    message: Mapped[str | None]
    read_values: Mapped[dict[str, Any]]
    results: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    depth: Mapped[int]
    run_time: Mapped[datetime]
    duration_ms: Mapped[int]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("automationRuns", self.id)


class AutomationCause(Base):
    """An event that a run brought about, with the steps that led there."""

    __tablename__ = "automation_cause"
    __table_args__ = (Index("ix_automation_cause_create_time", "create_time"),)

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    steps: Mapped[list[str]]
    """The rules that ran one after the other, each with its record."""
    create_time: Mapped[datetime]


class AutomationDelivery(Base):
    """A call of another system that a rule makes."""

    __tablename__ = "automation_delivery"
    __table_args__ = (
        _one_of("state", DeliveryState),
        Index("ix_automation_delivery_due", "next_attempt_time", postgresql_where=text("state = 'PENDING'")),
        Index("ix_automation_delivery_ended", "create_time", postgresql_where=text("state <> 'PENDING'")),
        Index("ix_automation_delivery_run", "run_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    run_id: Mapped[UUID]
    rule_id: Mapped[UUID]
    author_id: Mapped[UUID]
    action: Mapped[int]
    """The place of the action among those of the rule."""
    record: Mapped[str]
    event: Mapped[str]
    url: Mapped[str]
    fields: Mapped[list[str]]
    state: Mapped[str]
    attempts: Mapped[int]
    next_attempt_time: Mapped[datetime]
    last_error: Mapped[str | None]
    create_time: Mapped[datetime]


class KnownRole(Base):
    """What this service keeps of a role of the identity service."""

    __tablename__ = "known_role"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    grants: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """Each with `permission`, `reach` and `departments`."""
    field_rules: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """Each with `entity`, `field` and `effect`."""
    deleted: Mapped[bool]
    """Kept, so that a late older state does not bring the role back."""


class KnownHolder(Base):
    """The roles that a user of the identity service holds."""

    __tablename__ = "known_holder"
    __table_args__ = (Index("ix_known_holder_roles", "roles", postgresql_using="gin"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    roles: Mapped[list[str]]
    """Their resource names."""
