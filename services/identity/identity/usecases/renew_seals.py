"""Seal anew what an old data key sealed, so that the old key can be taken out."""

from chassis import audit
from chassis.db import ServiceSession
from chassis.encryption import SealBroken
from chassis.resealing import AT_ONCE, Renewal, encrypted_columns, reseal_batch
from sqlalchemy import and_, func, or_, select

from identity.locks import lock_holds
from identity.model import Base, LegalHold
from identity.usecases.keep_legal_hold import announce


def renew_seals(session: ServiceSession) -> None:
    """Seal what this service keeps with the key that seals now, some hundred values of each kind at a time."""
    for column in encrypted_columns(Base):
        reseal_batch(session, column, AT_ONCE)
    renew_holds(session, AT_ONCE)


def renew_holds(session: ServiceSession, limit: int) -> int:
    """Seal the numbers and addresses of legal holds anew, and tell all services what to find them by now. Those that do
    not open are passed over."""
    keys = session.data_keys
    lock_holds(session)
    holds = select(LegalHold).where(LegalHold.sealed_marks.is_not(None), keys.outdated(LegalHold.sealed_marks))
    count = 0
    for hold in session.scalars(holds.order_by(LegalHold.id).limit(limit).with_for_update()):
        try:
            marks = hold.marks(keys) or ()
        except SealBroken:
            continue
        hold.keep_marks(keys, marks)
        hold.version += 1
        hold.update_time = session.now
        session.flush()
        audit.record(session, "legal_hold.reseal", hold.name, None, {"version": hold.version})
        announce(session, hold, active=True)
        count += 1
    return count


def unknown_marks(session: ServiceSession) -> int:
    """How many legal holds nobody knows the numbers and addresses of but by digests: those so old that these were not
    kept, and those that no key opens."""
    sealed, marked = LegalHold.sealed_marks, func.cardinality(LegalHold.digests) > 0
    unknown = or_(and_(sealed.is_(None), marked), session.data_keys.outdated(sealed))
    return session.scalar(select(func.count()).where(unknown)) or 0


RENEWALS = (Renewal("legal_hold.sealed_marks", renew_holds, unknown_marks),)
