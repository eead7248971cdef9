"""An event takes effect once per handler: the handler claims it in the transaction of the effect.

Delivered again, also to another process at the same time, it finds the claim and does nothing. A second claim
waits until the transaction of the first has ended.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Index, delete, func, text
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import ChassisTables, ServiceSession
from chassis.prepared import Prepared

KEPT = timedelta(days=14)
"""How long a claim is kept. Nothing is delivered again after that."""


class InboxClaim(ChassisTables):
    """An event that a handler has dealt with."""

    __tablename__ = "inbox_claim"
    __table_args__ = (
        # Rows come in the order of time and are only read to be purged: a block range index costs next to nothing.
        Index("ix_inbox_claim_claim_time", "claim_time", postgresql_using="brin"),
    )

    handler: Mapped[str] = mapped_column(primary_key=True)
    """The name of the handler's queue."""
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    claim_time: Mapped[datetime] = mapped_column(server_default=text("now()"))
    """By the real clock."""


_CLAIM = Prepared(
    text(
        """
    INSERT INTO inbox_claim (handler, event_id) SELECT CAST(:handler AS text), unnest(CAST(:ids AS uuid[]))
    ON CONFLICT DO NOTHING RETURNING event_id
        """
    )
)


def claim(session: ServiceSession, handler: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """Claim events for a handler. Returns those that nobody has claimed before, which are to be handled now."""
    return {row.event_id for row in _CLAIM.write(session, handler=handler, ids=list(event_ids))}


def purge(session: ServiceSession, kept: timedelta = KEPT) -> int:
    """Delete the claims older than `kept`. Returns how many."""
    statement = delete(InboxClaim).where(InboxClaim.claim_time < func.now() - kept)
    return int(session.execute(statement, execution_options={"synchronize_session": False}).rowcount)  # type: ignore[attr-defined]
