"""The people who sign in."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.errors import Invalid
from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Uuid, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from identity.events import UserChanged
from identity.model.base import Base
from identity.model.departments import Department
from identity.model.roles import Role

LOCALES = ("zh-CN", "zh-TW", "en")


class UserState(StrEnum):
    """Whether a user may sign in. The names are those of `crm.identity.v1.UserState`."""

    ACTIVE = "ACTIVE"
    DEACTIVATED = "DEACTIVATED"
    INVITED = "INVITED"
    """Has no password yet."""


user_role = Table(
    "user_role",
    Base.metadata,
    Column("user_id", Uuid, ForeignKey("user_account.id"), primary_key=True),
    Column("role_id", Uuid, ForeignKey("role.id"), primary_key=True),
    Index("ix_user_role_role_id", "role_id"),
)


_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")


def login_name(value: str) -> str:
    """A login name as it is kept: lower case. It holds no `@`, so that none reads like an e-mail address."""
    name = value.strip().lower()
    if not _USERNAME.fullmatch(name):
        raise Invalid(
            "INVALID_USERNAME",
            "a login name has 2 to 64 letters a-z, digits, '.', '_' or '-', and begins with a letter or digit",
            field="username",
        )
    return name


class User(Base):
    """A person who signs in. The department's path is kept along, so that one index serves a data scope."""

    __tablename__ = "user_account"
    __table_args__ = (
        CheckConstraint("state IN ('ACTIVE', 'DEACTIVATED', 'INVITED')", name="state"),
        Index("uq_user_account_username", "username", unique=True),
        Index("uq_user_account_email", "email", unique=True),
        Index("uq_user_account_login_phone", "login_phone", unique=True),
        Index("ix_user_account_department_id", "department_id"),
        Index("ix_user_account_department_path", "department_path", "username"),
        Index("ix_user_account_display_name", "display_name", "id"),
        Index("ix_user_account_state", "state", "username"),
        Index("ix_user_account_create_time", "create_time", "id"),
        Index("ix_user_account_partner_id", "partner_id", postgresql_where=text("partner_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    username: Mapped[str]
    display_name: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    login_phone: Mapped[str | None]
    """The phone number that the person signs in by: the same, unless another has had it since before it was unique."""
    department_id: Mapped[UUID] = mapped_column(ForeignKey("department.id"))
    department_path: Mapped[str]
    partner_id: Mapped[UUID | None] = mapped_column(ForeignKey("partner.id"))
    """The organisation that the person works for, if not for the company."""
    state: Mapped[str]
    locale: Mapped[str]
    password_hash: Mapped[str | None]
    """None until an invited person has set one."""
    password_time: Mapped[datetime | None]
    """When it was set. Real time."""
    must_change_password: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """Somebody else chose it, and the roles grant nothing until the person has chosen another."""
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]
    last_login_time: Mapped[datetime | None]
    roles: Mapped[list[Role]] = relationship(secondary=user_role, lazy="selectin", order_by=Role.display_name)

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("users", self.id)

    @property
    def active(self) -> bool:
        """Whether the person may sign in."""
        return self.state == UserState.ACTIVE

    @property
    def administers(self) -> bool:
        """Whether the person may sign in and holds the administrator role to some effect."""
        return self.active and self.partner_id is None and any(role.builtin for role in self.roles)

    def settle(self, department: Department) -> None:
        """Make the person belong to a department."""
        self.department_id, self.department_path = department.id, department.path

    def changed(self) -> UserChanged:
        """The fact that the user is now as it is."""
        return UserChanged(
            user=self.name,
            version=self.version,
            display_name=self.display_name,
            department=make_name("departments", self.department_id),
            department_path=self.department_path,
            active=self.active,
            username=self.username,
            partner=make_name("partners", self.partner_id),
            roles=sorted(role.name for role in self.roles),
        )

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of the user."""
        return {
            "username": self.username,
            "display_name": self.display_name,
            "email": self.email,
            "phone": self.phone,
            "department": make_name("departments", self.department_id),
            "partner": make_name("partners", self.partner_id),
            "roles": sorted(role.name for role in self.roles),
            "state": self.state,
            "locale": self.locale,
        }
