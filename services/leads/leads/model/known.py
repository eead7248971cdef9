"""What this service keeps of what others own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base

CUSTOMER = "customer"
"""What shares call the customers service's customers."""


class KnownCustomer(Base):
    """What this service keeps of a customer of the customers service."""

    __tablename__ = "known_customer"
    __table_args__ = (
        Index("ix_known_customer_owner", "owner_id"),
        Index("ix_known_customer_company_key", "company_key", postgresql_where=text("company_key <> ''")),
        Index("ix_known_customer_credit_code", "credit_code", postgresql_where=text("credit_code IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    display_name: Mapped[str]
    company_key: Mapped[str] = mapped_column(default="", server_default="")
    """What a company is known by; empty for a person."""
    credit_code: Mapped[str | None]
    owner_id: Mapped[UUID | None]
    owner_department_path: Mapped[str | None]
    owner_since: Mapped[datetime | None]
    """When the owner got it, as far as this service heard."""
    deleted: Mapped[bool]
    """Kept, so that a late older state does not bring the customer back."""


class KnownTheatre(Base):
    """What this service keeps of a theatre that follows a customer beside its owner."""

    __tablename__ = "known_theatre"
    __table_args__ = (
        Index("ix_known_theatre_owner", "owner_id", postgresql_where=text("active")),
        Index("ix_known_theatre_place", "owner_department_path", postgresql_where=text("active")),
    )

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    theatre: Mapped[str] = mapped_column(primary_key=True)
    """The resource name of the department."""
    owner_id: Mapped[UUID]
    """Who follows the customer for it."""
    owner_department_path: Mapped[str | None]
    active: Mapped[bool]
    """False once it follows the customer no more."""
    version: Mapped[int]


class KnownUser(Base):
    """What this service keeps of a user of the identity service: the department that customers are reckoned to."""

    __tablename__ = "known_user"
    __table_args__ = (Index("ix_known_user_department", "department_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    department_id: Mapped[UUID | None]
    department_path: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    partner_id: Mapped[UUID | None]
    """The partner that the user works for, if not for the company."""


class KnownDepartment(Base):
    """What this service keeps of a department of the identity service."""

    __tablename__ = "known_department"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    path: Mapped[str]
    theatre: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """True if it is a sales theatre (战区)."""
    head_id: Mapped[UUID | None]
    """The user who heads it."""
