"""Second factors: what proves, besides a password, that it is the person."""

from datetime import datetime
from uuid import UUID

from chassis.encryption import Encrypted, Place, Sealed
from chassis.names import new_id
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from identity.model.base import Base


class TotpFactor(Base):
    """A person's authenticator app (RFC 6238). It counts once it is confirmed. Times are real times."""

    __tablename__ = "totp_factor"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[Sealed] = mapped_column(Encrypted)
    create_time: Mapped[datetime]
    confirm_time: Mapped[datetime | None]
    last_step: Mapped[int]
    """The newest time step of which a code was taken: no code of it or of an older one is taken again."""
    failures: Mapped[int]
    """The wrong codes since `failing_since`."""
    failing_since: Mapped[datetime | None]

    @staticmethod
    def place(user_id: UUID) -> Place:
        """Where a user's secret is kept."""
        return Place("totp_factor", "secret", user_id)


class RecoveryCode(Base):
    """A code that signs in once in place of the app. Only a digest under a data key is kept: the code is short."""

    __tablename__ = "recovery_code"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("totp_factor.user_id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    use_time: Mapped[datetime | None]


class LoginChallenge(Base):
    """A login that waits for its second factor. Only the digest of the challenge is kept. Times are real times."""

    __tablename__ = "login_challenge"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    digest: Mapped[bytes] = mapped_column(unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    method: Mapped[str]
    """How the first step was done, as in `LoginSession.method`."""
    expire_time: Mapped[datetime] = mapped_column(index=True)
