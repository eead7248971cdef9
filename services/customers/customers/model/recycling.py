"""What keeps customers from falling back into pools, and what is kept of the runs that take them there."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from customers.model.base import Base


class CustomerStanding(Base):
    """What another system says of a customer that bears on whether it falls back: one row per system.

    Each system states what it knows and 0 for the rest; the sums over all of them count.
    """

    __tablename__ = "customer_standing"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    """Which system, e.g. `opportunities`."""
    version: Mapped[int] = mapped_column(BigInteger)
    """Grows with every state of this source. Older states are ignored."""
    open_opportunities: Mapped[int]
    overdue_receivables: Mapped[int]
    open_tickets: Mapped[int]
    last_opportunity_time: Mapped[datetime | None]
    """When the newest opportunity was created."""
    update_time: Mapped[datetime]


class RecycleRunState(StrEnum):
    """How far a run has come. The names are those of `RecycleRunState` in the contracts."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class RecycleRun(Base):
    """The run of a day."""

    __tablename__ = "recycle_run"

    day: Mapped[date] = mapped_column(primary_key=True)
    """The day of the organisation's calendar whose rules it goes by."""
    job_id: Mapped[UUID]
    state: Mapped[str]
    position: Mapped[UUID | None]
    """The last customer that it has come past; None at the start, and again when it looks for those it passed over."""
    recycled: Mapped[int] = mapped_column(BigInteger)
    create_time: Mapped[datetime]
    end_time: Mapped[datetime | None]


class RecycleWarning(Base):
    """A warning that an owner was sent: once for a customer, the day on which it falls back, and the days before."""

    __tablename__ = "recycle_warning"
    __table_args__ = (Index("ix_recycle_warning_due_date", "due_date"),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    due_date: Mapped[date] = mapped_column(primary_key=True)
    days_before: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Which of the rule's `warning_days` it was."""
    send_time: Mapped[datetime]


class ExtensionState(StrEnum):
    """What became of a request. The names are those of `RecycleExtensionState` in the contracts."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class RecycleExtension(Base):
    """A request of an owner to keep a customer for some days more."""

    __tablename__ = "recycle_extension"
    __table_args__ = (
        CheckConstraint("state IN ('PENDING', 'APPROVED', 'REJECTED')", name="state"),
        Index("ix_recycle_extension_customer", "customer_id", "id"),
        Index("uq_recycle_extension_pending", "customer_id", unique=True, postgresql_where=text("state = 'PENDING'")),
        # Looked into for each customer whose clock is reckoned: holds those alone that move a day.
        Index(
            "ix_recycle_extension_approved",
            "customer_id",
            "decide_time",
            "days",
            postgresql_where=text("state = 'APPROVED'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"))
    owner_id: Mapped[UUID]
    """Who asked for it: the customer's owner."""
    days: Mapped[int]
    reason: Mapped[str]
    """Why, in words."""
    state: Mapped[str]
    decider: Mapped[str]
    """Who decided, or empty."""
    note: Mapped[str]
    """What was said to it."""
    create_time: Mapped[datetime]
    decide_time: Mapped[datetime | None]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("recycleExtensions", self.id)
