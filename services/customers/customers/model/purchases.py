"""What customers bought, and how they score by it."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import BigInteger, CheckConstraint, Index, Numeric, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from customers.model.base import Base

AMOUNT = Numeric(20, 4)
"""An exact amount of money; no currency divides its unit further."""
_SUM = Numeric(24, 4)


class PurchaseKind(StrEnum):
    """What a purchase is. The names are those of `crm.customers.v1.PurchaseKind`."""

    ORDER = "ORDER"
    PAYMENT = "PAYMENT"
    REFUND = "REFUND"


class RfmState(StrEnum):
    """Where an analysis stands, by the names of `crm.common.v1.JobState`."""

    QUEUED = "QUEUED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Purchase(Base):
    """An order, a payment or a refund. A row is never changed.

    There is no foreign key: they are written in bulk, and DeleteCustomer removes them with the customer.
    """

    __tablename__ = "purchase"
    __table_args__ = (
        CheckConstraint("kind IN ('ORDER', 'PAYMENT', 'REFUND')", name="kind"),
        CheckConstraint("amount >= 0 AND base_amount >= 0", name="amount"),
        Index("uq_purchase_origin", "source", "external_id", unique=True),
        Index("ix_purchase_customer", "customer_id", "time", "id"),
        Index("ix_purchase_time", "time"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[UUID]
    source: Mapped[str]
    external_id: Mapped[str]
    kind: Mapped[str]
    time: Mapped[datetime]
    amount: Mapped[Decimal] = mapped_column(AMOUNT)
    currency: Mapped[str]
    base_amount: Mapped[Decimal] = mapped_column(AMOUNT)
    """In the organisation's currency."""
    recorder: Mapped[str]
    record_time: Mapped[datetime]


class PurchaseTotal(Base):
    """What a customer's purchases add up to, in the organisation's currency. Kept up to date with each of them, so
    that customers can be filtered by it. Customers without purchases have no row."""

    __tablename__ = "purchase_total"

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    order_count: Mapped[int] = mapped_column(BigInteger)
    ordered: Mapped[Decimal] = mapped_column(_SUM)
    payment_count: Mapped[int] = mapped_column(BigInteger)
    paid: Mapped[Decimal] = mapped_column(_SUM)
    refunded: Mapped[Decimal] = mapped_column(_SUM)
    first_time: Mapped[datetime | None]
    """When the customer first ordered or paid."""
    last_time: Mapped[datetime | None]


class RfmPolicy(Base):
    """The one row that says what is analysed every night and kept for how long, once the company has set it."""

    __tablename__ = "rfm_policy"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, default=1)
    version: Mapped[int]
    nightly: Mapped[bool]
    period_days: Mapped[int]
    base: Mapped[str]
    method: Mapped[str]
    gross: Mapped[bool]
    keep_days: Mapped[int]
    keep_months: Mapped[int]
    update_time: Mapped[datetime]


class RfmRun(Base):
    """An analysis of all customers as of a day. Its id is that of the job that does it."""

    __tablename__ = "rfm_run"
    __table_args__ = (
        CheckConstraint("state IN ('QUEUED', 'SUCCEEDED', 'FAILED')", name="state"),
        Index("ix_rfm_run_analysis_date", "analysis_date", "id", postgresql_where=text("state = 'SUCCEEDED'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    analysis_date: Mapped[date]
    period_days: Mapped[int]
    base: Mapped[str]
    """The kind of purchase that counts: ORDER or PAYMENT."""
    method: Mapped[str]
    gross: Mapped[bool]
    state: Mapped[str]
    customer_count: Mapped[int]
    failure_reason: Mapped[str]
    creator: Mapped[str]
    create_time: Mapped[datetime]
    end_time: Mapped[datetime | None]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("rfmRuns", self.id)


class RfmScore(Base):
    """How a customer scores in an analysis.

    There are no foreign keys: an analysis writes all its rows at once, and a deleted customer is found no more.
    """

    __tablename__ = "rfm_score"
    __table_args__ = (
        Index("ix_rfm_score_monetary", "run_id", text("monetary DESC"), text("customer_id DESC")),
        Index("ix_rfm_score_segment", "run_id", "segment"),
    )

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    recency_days: Mapped[int]
    frequency: Mapped[int]
    monetary: Mapped[Decimal] = mapped_column(_SUM)
    r: Mapped[int] = mapped_column(SmallInteger)
    f: Mapped[int] = mapped_column(SmallInteger)
    m: Mapped[int] = mapped_column(SmallInteger)
    segment: Mapped[str]
    type: Mapped[str]
