"""Customers that are likely one, and customers that became one."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Numeric, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from customers.model.base import Base


class DuplicatePolicy(StrEnum):
    """What is done with a likely duplicate on entry. The names are those of `DuplicatePolicy` in the contracts."""

    REFUSE = "REFUSE"
    WARN = "WARN"
    ALLOW = "ALLOW"


class GroupState(StrEnum):
    """What has become of a group. The names are those of `DuplicateGroupState`."""

    OPEN = "OPEN"
    DISMISSED = "DISMISSED"
    MERGED = "MERGED"


class DuplicateSettings(Base):
    """How the organisation deals with likely duplicates: one row, or none for the defaults."""

    __tablename__ = "duplicate_settings"
    __table_args__ = (
        CheckConstraint("id = 1", name="one"),
        CheckConstraint("policy IN ('REFUSE', 'WARN', 'ALLOW')", name="policy"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    policy: Mapped[str]


class DuplicateMember(Base):
    """A customer in a group. It may have been deleted since."""

    __tablename__ = "duplicate_member"
    __table_args__ = (Index("ix_duplicate_member_customer", "customer_id"),)

    group_id: Mapped[UUID] = mapped_column(ForeignKey("duplicate_group.id", ondelete="CASCADE"), primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)


class DuplicateGroup(Base):
    """Customers that a scan took for one."""

    __tablename__ = "duplicate_group"
    __table_args__ = (
        CheckConstraint("state IN ('OPEN', 'DISMISSED', 'MERGED')", name="state"),
        Index("uq_duplicate_group_members_key", "members_key", unique=True),
        Index("ix_duplicate_group_state", "state", "score", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    members_key: Mapped[str]
    """The ids of its members, sorted: a scan that finds the same group again changes it instead."""
    score: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    reasons: Mapped[list[str]]
    state: Mapped[str]
    scan_id: Mapped[UUID]
    """The scan that last found it."""
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]
    members: Mapped[list[DuplicateMember]] = relationship(lazy="selectin", order_by=DuplicateMember.customer_id)

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("duplicateGroups", self.id)


class DuplicateKey(Base):
    """A key that a scan found a customer by. Kept while the scan runs; a crash of the database may lose it."""

    __tablename__ = "duplicate_key"
    __table_args__ = (Index("ix_duplicate_key", "scan_id", "key", "customer_id"), {"prefixes": ["UNLOGGED"]})

    scan_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)


class CustomerMerge(Base):
    """Customers that became one with another."""

    __tablename__ = "customer_merge"
    __table_args__ = (
        Index("ix_customer_merge_customer", "customer_id", "create_time", "id"),
        Index("ix_customer_merge_kept", "create_time", postgresql_where=text("snapshot IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[UUID]
    other_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What it takes to take the merge back; None once that is past."""
    creator: Mapped[str]
    create_time: Mapped[datetime]
    undo_time: Mapped[datetime | None]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("customerMerges", self.id)


class MergedCustomer(Base):
    """A customer that is no more, and the one that it became one with."""

    __tablename__ = "merged_customer"
    __table_args__ = (Index("ix_merged_customer_merge", "merge_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merge_id: Mapped[UUID]
    customer_id: Mapped[UUID]


class MergedRow(Base):
    """A row of another table that a merge moved, and whose it was."""

    __tablename__ = "merged_row"

    merge_id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    """The table."""
    row_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
