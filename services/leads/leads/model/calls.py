"""Telephone calls, and what the telephone system told of them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base
from leads.model.subjects import OfAssignee, OfSubject


class CallDirection(StrEnum):
    """Who calls whom. The names are those of `crm.leads.v1.CallDirection`."""

    OUTBOUND = "OUTBOUND"
    INBOUND = "INBOUND"


class CallState(StrEnum):
    """How far a call has come. The names are those of `crm.leads.v1.CallState`."""

    REQUESTED = "REQUESTED"
    FAILED = "FAILED"
    RINGING = "RINGING"
    ANSWERED = "ANSWERED"
    ENDED = "ENDED"
    MISSED = "MISSED"


class Call(Base, OfSubject, OfAssignee):
    """A call. What the telephone system told of it is derived from all of its events, see `leads.calls.events`.

    Unlike other work it may be about nobody yet: then its number is that of nobody known here, or of several.
    """

    __tablename__ = "call"
    __table_args__ = (
        Index("ix_call_lead", "lead_id", "start_time", "id"),
        Index("ix_call_customer", "customer_id", "start_time", "id"),
        Index("ix_call_assignee", "assignee_id", "start_time", "id"),
        Index("ix_call_department", "assignee_department_path"),
        Index("ix_call_start_time", "start_time", "id"),
        Index("ix_call_phone", "phone"),
        Index(
            "uq_call_provider_call_id",
            "provider",
            "provider_call_id",
            unique=True,
            postgresql_where=text("provider_call_id IS NOT NULL"),
        ),
        CheckConstraint("duration_seconds >= 0", name="duration"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    direction: Mapped[str]
    phone: Mapped[str]
    """The number at the other end, E.164 where it is one; empty once it was erased."""
    provider: Mapped[str]
    provider_call_id: Mapped[str | None]
    state: Mapped[str]
    request_time: Mapped[datetime | None]
    """When somebody here asked for it."""
    start_time: Mapped[datetime]
    answer_time: Mapped[datetime | None]
    end_time: Mapped[datetime | None]
    duration_seconds: Mapped[int]
    recording_url: Mapped[str]
    outcome: Mapped[str]
    note: Mapped[str]
    outcome_time: Mapped[datetime | None]
    follow_up_id: Mapped[UUID | None]
    candidates: Mapped[list[str]]
    failure_reason: Mapped[str]
    version: Mapped[int]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("calls", self.id)


class CallEvent(Base):
    """What the telephone system told of a call at one time. The same told twice is one row."""

    __tablename__ = "call_event"

    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of what was told."""
    details: Mapped[dict[str, Any]]
    """See `leads.calls.events.Told`."""
    receive_time: Mapped[datetime]
