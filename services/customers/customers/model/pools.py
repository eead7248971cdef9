"""Pools, who belongs to them, their rules from day to day, and who held which customer."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from customers.model.base import Base


class PoolRole(StrEnum):
    """What somebody is in a pool."""

    MEMBER = "MEMBER"
    ADMINISTRATOR = "ADMINISTRATOR"


class ChangeKind(StrEnum):
    """How a customer came from one holder to the next. The names are those of `HoldingChangeKind`."""

    TRANSFERRED = "TRANSFERRED"
    CLAIMED = "CLAIMED"
    ASSIGNED = "ASSIGNED"
    RELEASED = "RELEASED"
    RECALLED = "RECALLED"
    RECYCLED = "RECYCLED"
    MOVED = "MOVED"
    HANDED_OVER = "HANDED_OVER"
    DELETED = "DELETED"
    MERGED = "MERGED"
    RESTORED = "RESTORED"


class PoolMember(Base):
    """A user, or a department with all below it, that belongs to a pool."""

    __tablename__ = "pool_member"
    __table_args__ = (
        CheckConstraint("role IN ('MEMBER', 'ADMINISTRATOR')", name="role"),
        Index("ix_pool_member_grantee", "grantee"),
    )

    pool_id: Mapped[UUID] = mapped_column(ForeignKey("pool.id", ondelete="CASCADE"), primary_key=True)
    grantee: Mapped[str] = mapped_column(primary_key=True)
    """`users/{uuid}` or `departments/{uuid}`."""
    role: Mapped[str] = mapped_column(primary_key=True)


class Pool(Base):
    """A pool. Its rules are kept apart, since they change from one day to the next."""

    __tablename__ = "pool"
    __table_args__ = (
        Index("uq_pool_display_name", "display_name", unique=True),
        Index("uq_pool_precedence", "precedence", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    disabled: Mapped[bool]
    precedence: Mapped[int]
    department_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    """From whose owners customers fall into it; all if empty."""
    condition: Mapped[dict[str, Any]]
    """The JSON form of a `crm.common.v1.Filter`; empty for all customers."""
    hidden_fields: Mapped[list[str]]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]
    belonging: Mapped[list[PoolMember]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", order_by=PoolMember.grantee
    )

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("pools", self.id)

    def grantees(self, role: PoolRole) -> list[str]:
        """Who has a role in it."""
        return [one.grantee for one in self.belonging if one.role == role]

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {
            "display_name": self.display_name,
            "disabled": self.disabled,
            "precedence": self.precedence,
            "departments": [make_name("departments", one) for one in self.department_ids],
            "condition": self.condition,
            "members": self.grantees(PoolRole.MEMBER),
            "administrators": self.grantees(PoolRole.ADMINISTRATOR),
            "hidden_fields": self.hidden_fields,
        }


class PoolRuleVersion(Base):
    """The rules of a pool from a day on, until a newer version holds."""

    __tablename__ = "pool_rule_version"

    pool_id: Mapped[UUID] = mapped_column(ForeignKey("pool.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    effective_date: Mapped[date]
    rules: Mapped[dict[str, Any]]
    """See `customers.pools.rules`."""
    creator: Mapped[str]
    create_time: Mapped[datetime]


class HoldingChange(Base):
    """The ledger of holders: a row for each change of a customer's holder, none of which is ever changed or deleted.

    The first holder, who created the customer or received it in an import, has no row: `previous_*` of the first
    change tells, or the customer itself if there was none. A deleted customer keeps its rows.
    """

    __tablename__ = "holding_change"
    __table_args__ = (
        Index("ix_holding_change_customer", "customer_id", "id"),
        Index("ix_holding_change_claims", "user_id", "day", postgresql_where=text("kind = 'CLAIMED'")),
        Index("ix_holding_change_deleted", "customer_id", postgresql_where=text("kind = 'DELETED'")),
        Index("ix_holding_change_time", "time"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    customer_id: Mapped[UUID]
    kind: Mapped[str]
    previous_user_id: Mapped[UUID | None]
    previous_pool_id: Mapped[UUID | None]
    previous_since: Mapped[datetime]
    user_id: Mapped[UUID | None]
    pool_id: Mapped[UUID | None]
    time: Mapped[datetime]
    day: Mapped[date]
    """The day of the organisation's calendar."""
    actor: Mapped[str]
    reason: Mapped[str]
    note: Mapped[str]
    rule: Mapped[str]
    """`pools/{uuid}/rules/{number}`, or empty."""


class PoolView(Base):
    """A customer of a pool that somebody opened on a day."""

    __tablename__ = "pool_view"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    pool_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
