"""How customers stand to one another."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from customers.model.base import Base

COLLECTION = "customerRelations"


class RelationKind(StrEnum):
    """How a customer stands to another. The names are those of `crm.customers.v1.CustomerRelationKind`."""

    GROUP = "GROUP"
    SUBSIDIARY = "SUBSIDIARY"
    BRANCH = "BRANCH"
    SUPPLIER = "SUPPLIER"
    PARTNER = "PARTNER"
    DISTRIBUTOR = "DISTRIBUTOR"
    INVESTOR = "INVESTOR"
    COMPETITOR = "COMPETITOR"


UPWARD = frozenset({RelationKind.GROUP, RelationKind.SUBSIDIARY, RelationKind.BRANCH})
"""Kinds in which the other customer is above: nobody is above themselves."""
MUTUAL = frozenset({RelationKind.PARTNER, RelationKind.COMPETITOR})
"""Kinds that hold in both directions."""
_KINDS = ", ".join(repr(str(kind)) for kind in RelationKind)


class CustomerRelation(Base):
    """How one customer stands to another, from one day to another, both included; None for no bound."""

    __tablename__ = "customer_relation"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_KINDS})", name="kind"),
        CheckConstraint("from_id <> to_id", name="others"),
        CheckConstraint("valid_from <= valid_until", name="period"),
        Index("uq_customer_relation", "from_id", "to_id", "kind", unique=True),
        Index("ix_customer_relation_to", "to_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    from_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"))
    to_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"))
    kind: Mapped[str]
    valid_from: Mapped[date | None]
    valid_until: Mapped[date | None]
    remark: Mapped[str | None]
    creator: Mapped[str]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name(COLLECTION, self.id)
