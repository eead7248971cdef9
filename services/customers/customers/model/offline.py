"""Claims that were made without a connection."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chassis.names import make_name
from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from customers.model.base import Base


class OfflineClaimState(StrEnum):
    """How a claim stands. The names are those of the contract."""

    PENDING = "PENDING"
    WON = "WON"
    REFUSED = "REFUSED"


class OfflineClaim(Base):
    """A claim that was made without a connection and handed in later."""

    __tablename__ = "offline_claim"
    __table_args__ = (
        CheckConstraint("state IN ('PENDING', 'WON', 'REFUSED')", name="state"),
        Index("ix_offline_claim_user", "user_id", "position"),
        Index("ix_offline_claim_pending", "decide_time", postgresql_where=text("state = 'PENDING'")),
        Index("ix_offline_claim_customer", "customer_id", "claim_time", "position"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """Chosen by the client."""
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    """The order in which claims were received."""
    user_id: Mapped[UUID]
    department_path: Mapped[str]
    """Of the claimant when it was received, by which membership is told."""
    customer_id: Mapped[UUID]
    state: Mapped[str]
    reason: Mapped[str]
    claim_time: Mapped[datetime]
    """When it counts as made."""
    beacon_accepted: Mapped[bool]
    receive_time: Mapped[datetime]
    decide_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("offlineClaims", self.id)
