"""Take shares of customers back."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from chassis import audit, outbox, sharing
from chassis.db import ServiceSession
from chassis.errors import DomainError, NotFound
from chassis.names import make_name
from chassis.sharing import RecordShare

from customers.own_fields import ENTITY
from customers.queries import lock_customer
from customers.usecases.share_customer import share_changed


def unshare_customer(session: ServiceSession, share_id: UUID) -> None:
    """Take a share back. It counts no more from now on."""
    missing: DomainError = NotFound("SHARE_NOT_FOUND", "there is no such share, or you may not see its customer")
    share = session.get(RecordShare, share_id)
    if share is None or share.entity != ENTITY:
        raise missing
    lock_customer(session, share.record_id, "customer.share", missing=missing)
    session.refresh(share)
    if not share.live(session.now):
        raise missing
    end_shares(session, [share])


def end_shares_with(session: ServiceSession, grantee: str) -> Sequence[RecordShare]:
    """Take back all that is shared with a user or department who is there no more. Returns what was."""
    held = sharing.live_shares(session, ENTITY).where(RecordShare.grantee == grantee)
    # In one order, so that two such changes cannot wait for each other.
    shares = session.scalars(held.order_by(RecordShare.id).with_for_update()).all()
    end_shares(session, shares)
    return shares


def end_shares_of(session: ServiceSession, customer_id: UUID) -> None:
    """Take back all shares of a customer. It must be locked."""
    end_shares(
        session, session.scalars(sharing.live_shares(session, ENTITY).where(RecordShare.record_id == customer_id)).all()
    )


def end_shares(session: ServiceSession, shares: Iterable[RecordShare]) -> None:
    """Take shares back, each with its audit entry and event."""
    for share in shares:
        before = share.snapshot()
        sharing.revoke(session, share)
        audit.record(session, "customer.unshare", make_name("customers", share.record_id), before, None)
        outbox.emit(session, share_changed(share))
