"""The tiers that customers are sorted into, the stages of their life, and how both changed."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from customers.model.base import Base


class LifecycleStage(StrEnum):
    """Where a customer is in its life with the organisation, by the names of `crm.customers.v1.LifecycleStage`."""

    PROSPECT = "PROSPECT"
    NEW = "NEW"
    ACTIVE = "ACTIVE"
    DORMANT = "DORMANT"
    LOST = "LOST"
    WON_BACK = "WON_BACK"


class Aspect(StrEnum):
    """What of a customer changed."""

    TIER = "TIER"
    STAGE = "STAGE"


class Origin(StrEnum):
    """Why it changed. The names are those of `crm.customers.v1.TierOrigin`."""

    RULE = "RULE"
    MANUAL = "MANUAL"
    IMPORT = "IMPORT"
    MERGE = "MERGE"


class Tier(Base):
    """A class of customers. Its code is what they bear as their level."""

    __tablename__ = "tier"
    __table_args__ = (
        Index("uq_tier_code", "code", unique=True),
        Index("uq_tier_position", "position", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str]
    display_name: Mapped[str]
    colour: Mapped[str]
    position: Mapped[int]
    """The first whose rule a customer meets is the customer's."""
    rule: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """In the form in which filters are kept; None if only people give the tier."""
    archived: Mapped[bool]
    creator: Mapped[str]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("tiers", self.id)


class TierLock(Base):
    """A customer whose tier rules leave alone."""

    __tablename__ = "tier_lock"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True)
    until: Mapped[date | None]
    """The last day of it; None if it does not end by itself."""
    reason: Mapped[str]
    locker: Mapped[str]
    lock_time: Mapped[datetime]


class ClassificationChange(Base):
    """A change of a customer's tier or stage. The newest leads to what the customer has now.

    There is no foreign key: they are written in bulk, and DeleteCustomer removes them with the customer.
    """

    __tablename__ = "classification_change"
    __table_args__ = (
        CheckConstraint("aspect IN ('TIER', 'STAGE')", name="aspect"),
        CheckConstraint("origin IN ('RULE', 'MANUAL', 'IMPORT', 'MERGE')", name="origin"),
        Index("ix_classification_change_customer", "customer_id", "aspect", text("position DESC")),
    )

    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    customer_id: Mapped[UUID]
    aspect: Mapped[str]
    before: Mapped[str | None]
    after: Mapped[str | None]
    origin: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    run_id: Mapped[UUID | None]
    """The job that evaluated it."""
    time: Mapped[datetime]


class LifecyclePolicy(Base):
    """The one row that says by what stages are told, once the company has set it."""

    __tablename__ = "lifecycle_policy"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, default=1)
    version: Mapped[int]
    new_days: Mapped[int]
    active_days: Mapped[int]
    dormant_days: Mapped[int]
    won_back_days: Mapped[int]
    prospect_days: Mapped[int]
    follow_ups_count: Mapped[bool]
    update_time: Mapped[datetime]
