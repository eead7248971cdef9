"""What people may do."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.errors import Conflict
from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, Index, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from identity.events import FieldRuleTold, GrantTold, RoleChanged
from identity.field_rules import FieldRule
from identity.grants import RoleGrant
from identity.model.base import Base


class Role(Base):
    """A set of permissions, each with the data it reaches."""

    __tablename__ = "role"
    __table_args__ = (
        Index("uq_role_display_name", "display_name", unique=True),
        Index("uq_role_builtin", "builtin", unique=True, postgresql_where=text("builtin")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    stored_grants: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    stored_field_rules: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    builtin: Mapped[bool]
    require_second_factor: Mapped[bool] = mapped_column(server_default=false())
    """True if it grants nothing in sessions without a second factor."""
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("roles", self.id)

    @property
    def grants(self) -> tuple[RoleGrant, ...]:
        """What it grants."""
        return tuple(RoleGrant.from_json(item) for item in self.stored_grants)

    @property
    def field_rules(self) -> tuple[FieldRule, ...]:
        """What it keeps from its holders of single fields."""
        return tuple(FieldRule.from_json(item) for item in self.stored_field_rules)

    def ensure_changeable(self) -> None:
        """Raise Conflict for the administrator role."""
        if self.builtin:
            raise Conflict("BUILTIN_ROLE", "the administrator role can be neither changed nor deleted", role=self.name)

    def changed(self) -> RoleChanged:
        """The fact that the role is now as it is."""
        return RoleChanged(
            role=self.name,
            version=self.version,
            grants=[
                GrantTold(
                    grant.permission,
                    f"DATA_SCOPE_{grant.reach}",
                    [make_name("departments", key) for key in grant.departments],
                )
                for grant in self.grants
            ],
            field_rules=[
                FieldRuleTold(rule.entity, rule.field, f"FIELD_EFFECT_{rule.effect.name}") for rule in self.field_rules
            ],
        )

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {
            "display_name": self.display_name,
            "grants": self.stored_grants,
            "field_rules": self.stored_field_rules,
            "builtin": self.builtin,
            "require_second_factor": self.require_second_factor,
        }


class PolicyState(Base):
    """The one row that counts the changes of the policy."""

    __tablename__ = "policy_state"
    __table_args__ = (CheckConstraint("id", name="single"),)

    id: Mapped[bool] = mapped_column(primary_key=True, default=True)
    version: Mapped[int]
