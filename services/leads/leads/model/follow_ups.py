"""Follow-ups: what was said to customers and leads, by whom, when to get in touch again; and how they are judged."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, Index, Uuid, false, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base


class FollowUpMethod(StrEnum):
    """How a customer was reached. The names are those of `crm.leads.v1.FollowUpMethod`."""

    CALL = "CALL"
    VISIT = "VISIT"
    WECHAT = "WECHAT"
    EMAIL = "EMAIL"
    MEETING = "MEETING"
    OTHER = "OTHER"


class FollowUp(Base):
    """A record of one touch with a customer or lead. What was logged never changes; only the reminder runs its course.

    What was logged on a lead keeps it when the lead becomes a customer, and is the customer's from then on.
    """

    __tablename__ = "follow_up"
    __table_args__ = (
        CheckConstraint(f"method IN ({', '.join(repr(str(value)) for value in FollowUpMethod)})", name="method"),
        CheckConstraint("num_nonnulls(lead_id, customer_id) > 0", name="subject"),
        Index("ix_follow_up_lead", "lead_id", "occur_time", "id", postgresql_where=text("lead_id IS NOT NULL")),
        Index("ix_follow_up_customer", "customer_id", "occur_time", "id"),
        Index("ix_follow_up_author", "author", "occur_time", "id"),
        Index("ix_follow_up_occur_time", "occur_time", "id"),
        Index("ix_follow_up_create_time", "create_time", "id"),
        Index("ix_follow_up_next_contact_time", "next_contact_time", "id"),
        Index("ix_follow_up_due", "next_contact_time", postgresql_where=text("reminder_open")),
        Index("ix_follow_up_awaiting", "customer_id", postgresql_where=text("awaits_acknowledgement")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[UUID | None]
    method: Mapped[str]
    content: Mapped[str]
    contact_id: Mapped[UUID | None]
    occur_time: Mapped[datetime]
    next_contact_time: Mapped[datetime | None]
    author: Mapped[str]
    """The resource name of the user or client who logged it."""
    reminder_open: Mapped[bool]
    """True while a reminder may still have to be sent."""
    remind_time: Mapped[datetime | None]
    assignee_id: Mapped[UUID | None]
    """Who is reminded instead of the author, who has left."""
    follows_owner: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """True if whoever owns the customer is reminded, and the assignee only if nobody does."""
    create_time: Mapped[datetime]
    theatre: Mapped[str | None]
    """Whose contact it is, see `leads.premises.Premises.theatre`; None for what was logged before anybody counted."""
    duration_seconds: Mapped[int | None]
    """How long a call took."""
    inbound: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """True if the customer got in touch, or answered."""
    check_in: Mapped[dict[str, Any] | None]
    """See `leads.effectiveness.CheckIn`."""
    verdict: Mapped[str | None]
    """Whether it counts, see `leads.effectiveness`; None for what was logged before anybody judged."""
    verdict_reasons: Mapped[list[str]] = mapped_column(server_default="{}", default=list)
    joint_theatre: Mapped[str | None]
    """The theatre that it was logged for, if that followed the customer beside its owner; None for the owner's side."""
    awaits_acknowledgement: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """True if the customer's owner has yet to take over the contact that somebody else planned."""
    acknowledge_time: Mapped[datetime | None]
    """When an owner took it over."""
    lead_id: Mapped[UUID | None]
    """The lead that it was logged on; None for one logged on a customer."""
    mentions: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default="{}", default=list)
    """Employees whom it mentions."""

    @property
    def subject_id(self) -> UUID:
        """The customer that it is about, or the lead that is none yet."""
        subject = self.customer_id or self.lead_id
        assert subject is not None
        return subject

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("followUps", self.id)

    @property
    def planner(self) -> str:
        """Who is to get in touch again, unless it is the customer's owner: a resource name."""
        return make_name("users", self.assignee_id) or self.author


class FollowUpRules(Base):
    """The one row that holds the rules by which follow-ups are judged, once the company has set them."""

    __tablename__ = "follow_up_rules"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    version: Mapped[int]
    rules: Mapped[dict[str, Any]]
    """See `leads.effectiveness.EffectivenessRules`."""
    update_time: Mapped[datetime]


class MovedFollowUp(Base):
    """A follow-up that got another customer or contact by a merge of customers, and whose it was."""

    __tablename__ = "moved_follow_up"

    merge_id: Mapped[UUID] = mapped_column(primary_key=True)
    follow_up_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
