"""The machines that sign in."""

from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any
from uuid import UUID

from chassis.errors import Conflict
from chassis.names import make_name, new_id
from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from identity.grants import RoleGrant
from identity.model.base import Base, Plain


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
    calls_per_minute: Mapped[int] = mapped_column(default=0, server_default="0")
    """0 for any number."""
    allowed_addresses: Mapped[list[str]] = mapped_column(ARRAY(Plain), default=list, server_default="{}")
    """Networks in CIDR notation; none for anywhere."""
    former_secret_digest: Mapped[bytes | None]
    former_secret_expire_time: Mapped[datetime | None]
    """A real time, as are those below."""
    last_use_time: Mapped[datetime | None]
    last_address: Mapped[str | None]
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

    def admits(self, address: str) -> bool:
        """Whether it may sign in from an IP address. An unknown one is no allowed one."""
        if not self.allowed_addresses:
            return True
        return bool(address) and any(ip_address(address) in ip_network(network) for network in self.allowed_addresses)

    def ensure_changeable(self) -> None:
        """Raise Conflict for a service of the suite."""
        if self.builtin:
            raise Conflict("BUILTIN_CLIENT", "a service of the suite signs in by this client", client=self.name)

    def snapshot(self) -> Mapping[str, Any]:
        """What the audit keeps of it."""
        return {
            "client_id": self.client_id,
            "display_name": self.display_name,
            "grants": self.stored_grants,
            "disabled": self.disabled,
            "calls_per_minute": self.calls_per_minute,
            "allowed_addresses": self.allowed_addresses,
        }
