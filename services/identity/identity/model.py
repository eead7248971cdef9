"""The organisation: its departments and people, what roles let them do, and the sessions they have open."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.db import NAMING, UtcDateTime
from chassis.errors import Conflict, Invalid
from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, MetaData, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from identity.events import DepartmentChanged, UserChanged
from identity.grants import RoleGrant

MAXIMUM_DEPTH = 20
LOCALES = ("zh-CN", "zh-TW", "en")

# Orders and prefixes must not depend on the locale that a database was made with.
Plain = Text(collation="C")


class Base(DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcDateTime, bytes: LargeBinary, str: Plain}  # noqa: RUF012


class UserState(StrEnum):
    """Whether a user may sign in. The names are those of `crm.identity.v1.UserState`."""

    ACTIVE = "ACTIVE"
    DEACTIVATED = "DEACTIVATED"


def label(value: str, *, field: str) -> str:
    """A name for people: trimmed, 1 to 100 characters. Raises Invalid."""
    trimmed = " ".join(value.split())
    if not 1 <= len(trimmed) <= 100:
        raise Invalid("INVALID_DISPLAY_NAME", f"{field} must have 1 to 100 characters", field=field)
    return trimmed


class Department(Base):
    """A part of the organisation. The path holds the ids from the root down, each followed by `/`."""

    __tablename__ = "department"
    __table_args__ = (
        Index("uq_department_name", "parent_id", "display_name", unique=True),
        Index(
            "uq_department_root", text("(parent_id IS NULL)"), unique=True, postgresql_where=text("parent_id IS NULL")
        ),
        Index("uq_department_path", "path", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("department.id"))
    head_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_account.id", use_alter=True))
    path: Mapped[str]
    theatre: Mapped[bool]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("departments", self.id)

    def place(self, parent: "Department | None") -> None:
        """Put it under a parent, or at the root. Raises Conflict for a place inside itself or too deep."""
        if parent is not None and self.path and parent.path.startswith(self.path):
            raise Conflict("DEPARTMENT_CYCLE", "a department cannot move into its own subtree", department=self.name)
        path = f"{parent.path if parent else ''}{self.id}/"
        ensure_depth(path)
        self.parent_id = parent.id if parent else None
        self.path = path

    def changed(self, previous_path: str) -> DepartmentChanged:
        """The fact that it is now as it is."""
        return DepartmentChanged(self.name, self.version, self.display_name, self.path, previous_path)

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {
            "display_name": self.display_name,
            "parent": make_name("departments", self.parent_id),
            "head": make_name("users", self.head_id),
            "path": self.path,
            "theatre": self.theatre,
        }


def ensure_depth(path: str) -> None:
    """Raise Conflict if a department of this path sits too deep."""
    if path.count("/") > MAXIMUM_DEPTH:
        raise Conflict("TREE_TOO_DEEP", f"departments nest at most {MAXIMUM_DEPTH} deep")


user_role = Table(
    "user_role",
    Base.metadata,
    Column("user_id", Uuid, ForeignKey("user_account.id"), primary_key=True),
    Column("role_id", Uuid, ForeignKey("role.id"), primary_key=True),
    Index("ix_user_role_role_id", "role_id"),
)


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
    builtin: Mapped[bool]
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

    def ensure_changeable(self) -> None:
        """Raise Conflict for the administrator role."""
        if self.builtin:
            raise Conflict("BUILTIN_ROLE", "the administrator role can be neither changed nor deleted", role=self.name)

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {"display_name": self.display_name, "grants": self.stored_grants, "builtin": self.builtin}


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
        CheckConstraint("state IN ('ACTIVE', 'DEACTIVATED')", name="state"),
        Index("uq_user_account_username", "username", unique=True),
        Index("uq_user_account_email", "email", unique=True),
        Index("ix_user_account_department_id", "department_id"),
        Index("ix_user_account_department_path", "department_path", "username"),
        Index("ix_user_account_display_name", "display_name", "id"),
        Index("ix_user_account_state", "state", "username"),
        Index("ix_user_account_create_time", "create_time", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    username: Mapped[str]
    display_name: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    department_id: Mapped[UUID] = mapped_column(ForeignKey("department.id"))
    department_path: Mapped[str]
    state: Mapped[str]
    locale: Mapped[str]
    password_hash: Mapped[str]
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
        """Whether the person may sign in and holds the administrator role."""
        return self.active and any(role.builtin for role in self.roles)

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
        )

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of the user."""
        return {
            "username": self.username,
            "display_name": self.display_name,
            "email": self.email,
            "phone": self.phone,
            "department": make_name("departments", self.department_id),
            "roles": sorted(role.name for role in self.roles),
            "state": self.state,
            "locale": self.locale,
        }


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


class LoginSession(Base):
    """What begins with a login: a chain of refresh tokens, each replaced by the next. Times are real times."""

    __tablename__ = "login_session"
    __table_args__ = (Index("ix_login_session_user_id", "user_id", postgresql_where=text("revoke_time IS NULL")),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    create_time: Mapped[datetime]
    expire_time: Mapped[datetime] = mapped_column(index=True)
    revoke_time: Mapped[datetime | None]

    @property
    def name(self) -> str:
        """What revocations call it."""
        return f"sessions/{self.id}"


class RefreshToken(Base):
    """A refresh token that was given out. Only its digest is kept. Times are real times."""

    __tablename__ = "refresh_token"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("login_session.id", ondelete="CASCADE"), index=True)
    expire_time: Mapped[datetime]
    use_time: Mapped[datetime | None]


class LoginAttempt(Base):
    """An attempt to prove a password that did not succeed, or not yet. Times are real times."""

    __tablename__ = "login_attempt"
    __table_args__ = (Index("ix_login_attempt_key", "key", "time"), Index("ix_login_attempt_time", "time"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[bytes]
    """A digest of whose password it was, so that names typed by mistake are not kept."""
    time: Mapped[datetime]


class Revocation(Base):
    """The subject's access tokens issued before a real time are refused."""

    __tablename__ = "revocation"

    subject: Mapped[str] = mapped_column(primary_key=True)
    """`users/{uuid}`, `clients/{uuid}` or `sessions/{uuid}`."""
    not_before: Mapped[datetime] = mapped_column(index=True)


class PolicyState(Base):
    """The one row that counts the changes of the policy."""

    __tablename__ = "policy_state"
    __table_args__ = (CheckConstraint("id", name="single"),)

    id: Mapped[bool] = mapped_column(primary_key=True, default=True)
    version: Mapped[int]
