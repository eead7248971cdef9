"""The machines that sign in."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from identity.grants import RoleGrant
from identity.model.base import Base


class Client(Base):
    """A machine that signs in. Its secret is random and long, so that a plain digest of it is enough."""

    __tablename__ = "client"
    __table_args__ = (Index("uq_client_client_id", "client_id", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    client_id: Mapped[str]
    display_name: Mapped[str]
    stored_grants: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    secret_digest: Mapped[bytes]
    disabled: Mapped[bool]
    builtin: Mapped[bool]
    """True for a service of the suite."""
    version: Mapped[int]
    create_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("clients", self.id)

    @property
    def grants(self) -> tuple[RoleGrant, ...]:
        """What it may do."""
        return tuple(RoleGrant.from_json(item) for item in self.stored_grants)

    def snapshot(self) -> Mapping[str, Any]:
        """What the audit keeps of it."""
        return {
            "client_id": self.client_id,
            "display_name": self.display_name,
            "grants": self.stored_grants,
            "disabled": self.disabled,
        }
