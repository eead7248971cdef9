"""How leads came to be what they are: changes of status and owner, conversions, and the company's rules."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base


class LeadEventKind(StrEnum):
    """What happened to a lead. The names are those of `crm.leads.v1.LeadTimelineKind`."""

    CREATED = "CREATED"
    STATUS_CHANGED = "STATUS_CHANGED"
    OWNER_CHANGED = "OWNER_CHANGED"
    REGISTRATION_DECIDED = "REGISTRATION_DECIDED"
    MERGED = "MERGED"
    CONVERTED = "CONVERTED"


class LeadEvent(Base):
    """Something that happened to a lead. Follow-ups are not among these: they have a table of their own."""

    __tablename__ = "lead_event"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(repr(str(value)) for value in LeadEventKind)})", name="kind"),
        Index("ix_lead_event_lead", "lead_id", "occur_time", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lead_id: Mapped[UUID]
    kind: Mapped[str]
    actor: Mapped[str]
    """The resource name of who did it: a user, a client or a service."""
    before: Mapped[str | None]
    """The status, the owner or the state of the registration before; None if there was none."""
    after: Mapped[str | None]
    """The same afterwards; of a merge, the lead that became one with this one; of a conversion, the customer."""
    reason: Mapped[str | None]
    """The code of the reason, see `leads.life.rules`."""
    note: Mapped[str | None]
    """What was said about it."""
    occur_time: Mapped[datetime]


class LeadRules(Base):
    """The one row that holds the rules of the life of leads, once the company has set them."""

    __tablename__ = "lead_rules"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    version: Mapped[int]
    rules: Mapped[dict[str, Any]]
    """See `leads.life.rules.LifeRules`."""
    update_time: Mapped[datetime]


class ConversionState(StrEnum):
    """How far a conversion has come. The names are those of `crm.leads.v1.LeadConversionState`."""

    STARTED = "STARTED"
    DONE = "DONE"
    CANCELLED = "CANCELLED"


class LeadConversion(Base):
    """A lead that becomes a customer. STARTED, the customers service may or may not have admitted it yet."""

    __tablename__ = "lead_conversion"
    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(repr(str(value)) for value in ConversionState)})", name="state"),
        # A lead becomes a customer once, and one attempt is under way at a time.
        Index("uq_lead_conversion_lead", "lead_id", unique=True, postgresql_where=text("state <> 'CANCELLED'")),
        Index("ix_lead_conversion_started", "ask_time", postgresql_where=text("state = 'STARTED'")),
        Index("ix_lead_conversion_customer", "customer_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lead_id: Mapped[UUID]
    state: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    """Tells whether somebody asks for the same again."""
    attempt: Mapped[int] = mapped_column(server_default="1", default=1)
    """How often it was asked for: only who asked last may call it off."""
    creator: Mapped[str]
    """The resource name of who asked for it."""
    customer_id: Mapped[UUID | None]
    contact_id: Mapped[UUID | None]
    opportunity: Mapped[dict[str, Any] | None]
    """What is asked for as an opportunity, see `leads.life.opportunities.OpportunityDraft`."""
    ask_time: Mapped[datetime]
    """When the customers service is asked what has become of it, unless it is done by then."""
    create_time: Mapped[datetime]
    end_time: Mapped[datetime | None]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("leadConversions", self.id)
