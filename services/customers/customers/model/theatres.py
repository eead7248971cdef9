"""Theatres (战区) that follow customers beside their owners."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from customers.model.base import Base


class CustomerTheatre(Base):
    """A theatre that follows a customer beside its owner. There is one row for both, which is kept when it ends."""

    __tablename__ = "customer_theatre"
    __table_args__ = (
        UniqueConstraint("customer_id", "department_id"),
        Index("ix_customer_theatre_owner", "owner_id", postgresql_where=text("end_time IS NULL")),
        Index("ix_customer_theatre_place", "owner_department_path", postgresql_where=text("end_time IS NULL")),
        Index("ix_customer_theatre_department", "department_id", postgresql_where=text("end_time IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"))
    department_id: Mapped[UUID]
    """The theatre."""
    owner_id: Mapped[UUID]
    """Who follows the customer for it."""
    owner_department_path: Mapped[str | None]
    start_time: Mapped[datetime]
    end_time: Mapped[datetime | None]
    """None while the theatre follows the customer."""
    last_touch_time: Mapped[datetime | None]
    """When the theatre's latest follow-up took place."""
    next_contact_time: Mapped[datetime | None]
    """When it plans to get in touch again, as that says."""
    version: Mapped[int] = mapped_column(BigInteger)

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("customerTheatres", self.id)

    @property
    def theatre(self) -> str:
        """The resource name of the theatre."""
        return make_name("departments", self.department_id)

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {"theatre": self.theatre, "owner": make_name("users", self.owner_id)}
