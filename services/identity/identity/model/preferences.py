"""What people choose for themselves: their settings, and the ways in which they look at records."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from identity.model.base import Base


class UserSettings(Base):
    """A user's settings. Who has no row has chosen nothing. The language is kept with the user."""

    __tablename__ = "user_settings"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True)
    time_zone: Mapped[str] = mapped_column(default="")
    """An IANA name, or empty for the organisation's."""
    switches: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    """For each: kind, channel, enabled."""
    web_layout: Mapped[str] = mapped_column(default="")
    mobile_layout: Mapped[str] = mapped_column(default="")
    version: Mapped[int]

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of them; layouts decide nothing."""
        return {"time_zone": self.time_zone, "switches": self.switches}


class SavedView(Base):
    """A way to look at the records of an entity."""

    __tablename__ = "saved_view"
    __table_args__ = (
        Index("uq_saved_view_display_name", "owner_id", "entity", "display_name", unique=True),
        Index("uq_saved_view_default", "owner_id", "entity", unique=True, postgresql_where=text("is_default")),
        Index("ix_saved_view_department_id", "department_id", postgresql_where=text("department_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    entity: Mapped[str]
    display_name: Mapped[str]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    filter: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """`crm.common.v1.Filter` in JSON form."""
    columns: Mapped[list[str]] = mapped_column(JSONB)
    order_by: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """`crm.common.v1.OrderBy` in JSON form."""
    is_default: Mapped[bool]
    department_id: Mapped[UUID | None] = mapped_column(ForeignKey("department.id", ondelete="SET NULL"))
    """Whose people see it, with those below. When the department goes, the view is the owner's alone again."""
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("savedViews", self.id)

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {
            "entity": self.entity,
            "display_name": self.display_name,
            "owner": make_name("users", self.owner_id),
            "filter": self.filter,
            "columns": self.columns,
            "order_by": self.order_by,
            "is_default": self.is_default,
            "shared_department": make_name("departments", self.department_id),
        }
