"""What happens when nobody follows up for days."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base
from leads.model.subjects import OfAssignee, OfSubject


class EscalationSubject(StrEnum):
    """What a policy is for. The names are those of `crm.leads.v1.EscalationSubject`."""

    LEADS = "LEADS"
    CUSTOMERS = "CUSTOMERS"


class EscalationAction(StrEnum):
    """What becomes of a record. The names are those of `crm.leads.v1.EscalationAction`; NONE is its absence."""

    NONE = "NONE"
    HIGH_RISK = "HIGH_RISK"
    REASSIGN = "REASSIGN"


class EscalationPolicy(Base):
    """What happens to the records of a department's people."""

    __tablename__ = "escalation_policy"
    __table_args__ = (
        CheckConstraint("subject IN ('LEADS', 'CUSTOMERS')", name="subject"),
        Index(
            "uq_escalation_policy_department",
            "subject",
            text("coalesce(department_id, '00000000-0000-0000-0000-000000000000')"),
            unique=True,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    department_id: Mapped[UUID | None]
    """Whose people; everybody's if not given."""
    subject: Mapped[str]
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """See `leads.escalation.policies.Step`."""
    disabled: Mapped[bool]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("escalationPolicies", self.id)


class Escalation(OfSubject, OfAssignee, Base):
    """A step that was taken. The assignee is who owned the record then."""

    __tablename__ = "escalation"
    __table_args__ = (
        CheckConstraint("num_nonnulls(lead_id, customer_id) > 0", name="subject"),
        Index("ix_escalation_lead", "lead_id", "days", "quiet_since"),
        Index("ix_escalation_customer", "customer_id", "days", "quiet_since"),
        Index("ix_escalation_assignee", "assignee_id"),
        Index("ix_escalation_time", "time", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    policy_id: Mapped[UUID]
    manager_id: Mapped[UUID | None]
    """The manager who was told, or got the record."""
    days: Mapped[int]
    action: Mapped[str]
    quiet_since: Mapped[datetime]
    """Since when nobody had followed up."""
    time: Mapped[datetime]


class EscalationNotice(Base):
    """Somebody whom a step concerns and who was not told yet. The row goes when they are."""

    __tablename__ = "escalation_notice"
    __table_args__ = (Index("ix_escalation_notice_recipient", "recipient_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    escalation_id: Mapped[UUID]
    recipient_id: Mapped[UUID]
    kind: Mapped[str]
    """That of the notification of one step."""
