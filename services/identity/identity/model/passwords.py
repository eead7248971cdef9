"""What is asked of passwords, and the tokens by which people set theirs."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import new_id
from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from identity.model.base import Base


class TokenPurpose(StrEnum):
    """What a token permits."""

    INVITATION = "INVITATION"
    RESET = "RESET"


class AccountToken(Base):
    """A token that was sent to somebody. Only its digest is kept; a new one replaces the former. Times are real."""

    __tablename__ = "account_token"
    __table_args__ = (Index("uq_account_token_digest", "digest", unique=True),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    expire_time: Mapped[datetime] = mapped_column(index=True)


class FormerPassword(Base):
    """A password that a user has, or had before. Real times."""

    __tablename__ = "former_password"
    __table_args__ = (Index("ix_former_password_user_id", "user_id", "create_time"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    password_hash: Mapped[str]
    create_time: Mapped[datetime]


class StoredPasswordRules(Base):
    """The one row of what the organisation asks of passwords."""

    __tablename__ = "password_rules"
    __table_args__ = (CheckConstraint("id", name="single"),)

    id: Mapped[bool] = mapped_column(primary_key=True, default=True)
    min_length: Mapped[int]
    required_classes: Mapped[list[str]] = mapped_column(ARRAY(String))
    history_count: Mapped[int]
    expire_days: Mapped[int]
    version: Mapped[int]

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {
            "min_length": self.min_length,
            "required_classes": self.required_classes,
            "history_count": self.history_count,
            "expire_days": self.expire_days,
        }
