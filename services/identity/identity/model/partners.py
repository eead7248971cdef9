"""The organisations outside the company that bring in business."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from identity.model.base import Base


class Partner(Base):
    """An agent, dealer or referrer. Users who belong to one call the suite as partners. An absent text is NULL."""

    __tablename__ = "partner"
    __table_args__ = (
        Index("uq_partner_display_name", "display_name", unique=True),
        Index("ix_partner_manager_id", "manager_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    contact_name: Mapped[str | None]
    contact_phone: Mapped[str | None]
    contact_email: Mapped[str | None]
    manager_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_account.id", use_alter=True))
    remark: Mapped[str | None]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("partners", self.id)

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {
            "display_name": self.display_name,
            "contact_name": self.contact_name,
            "contact_phone": self.contact_phone,
            "contact_email": self.contact_email,
            "manager": make_name("users", self.manager_id),
            "remark": self.remark,
        }
