"""The sessions that people have open, and the attempts to open one."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chassis.names import new_id
from sqlalchemy import ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from identity.model.base import Base


class SignInMethod(StrEnum):
    """How a session began. The names are those of `crm.identity.v1.SignInMethod`."""

    PASSWORD = "PASSWORD"  # noqa: S105 - a name
    OIDC = "OIDC"


class LoginSession(Base):
    """What begins with a login: a chain of refresh tokens, each replaced by the next. Times are real times."""

    __tablename__ = "login_session"
    __table_args__ = (Index("ix_login_session_user_id", "user_id", postgresql_where=text("revoke_time IS NULL")),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    create_time: Mapped[datetime]
    expire_time: Mapped[datetime] = mapped_column(index=True)
    revoke_time: Mapped[datetime | None]
    agent: Mapped[str] = mapped_column(server_default="")
    """What the program says of itself."""
    address: Mapped[str] = mapped_column(server_default="")
    """Where it was last used from."""
    method: Mapped[str] = mapped_column(server_default=SignInMethod.PASSWORD.value)
    second_factor: Mapped[bool] = mapped_column(server_default=false())
    """True if a second factor was given, here or at a provider that is trusted with it."""
    last_use_time: Mapped[datetime | None]
    """When it last got tokens."""

    @property
    def name(self) -> str:
        """The resource name, also what revocations call it."""
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
    __table_args__ = (
        Index("ix_login_attempt_key", "key", "time"),
        Index("ix_login_attempt_name_key", "name_key", "time"),
        Index("ix_login_attempt_address_key", "address_key", "time"),
        Index("ix_login_attempt_time", "time"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[bytes]
    """A digest of whose password it was and from where, so that names typed by mistake are not kept."""
    name_key: Mapped[bytes | None]
    """A digest of whose it was alone."""
    address_key: Mapped[bytes | None]
    """A digest of where it came from alone."""
    time: Mapped[datetime]


class Revocation(Base):
    """The subject's access tokens issued before a real time are refused."""

    __tablename__ = "revocation"

    subject: Mapped[str] = mapped_column(primary_key=True)
    """`users/{uuid}`, `clients/{uuid}` or `sessions/{uuid}`."""
    not_before: Mapped[datetime] = mapped_column(index=True)
