"""Make, change and lift legal holds."""

from collections.abc import Set
from datetime import datetime
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import check_etag
from chassis.names import new_id
from chassis.personal_data import KnownLegalHold, Person, keep_hold
from chassis.snapshots import difference

from identity import personal_data_queries
from identity.events import LegalHoldChanged
from identity.locks import lock_holds
from identity.model import LegalHold
from identity.usecases.create_personal_data_request import PERMISSION, why


def create_legal_hold(
    session: ServiceSession, subject: str, person: Person, reason: str, expire_time: datetime | None
) -> LegalHold:
    """Keep the data about a person, as all services know the person, from being erased or deleted."""
    session.caller.require_everything(PERMISSION)
    lock_holds(session)
    hold = LegalHold(
        id=new_id(),
        subject=subject,
        reason=why(reason),
        expire_time=_future(session, expire_time),
        records=sorted(person.records),
        creator=session.caller.subject,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    hold.keep_marks(session.data_keys, person.marks)
    session.add(hold)
    session.flush()
    audit.record(session, "legal_hold.create", hold.name, None, hold.snapshot())
    announce(session, hold, active=True)
    return hold


def update_legal_hold(
    session: ServiceSession, hold_id: UUID, paths: Set[str], reason: str, expire_time: datetime | None, etag: str
) -> LegalHold:
    """Change the reason or the end."""
    lock_holds(session)
    hold = personal_data_queries.get_hold(session, hold_id, lock=True)
    check_etag(etag, hold.version)
    before = hold.snapshot()
    if "reason" in paths:
        hold.reason = why(reason)
    if "expire_time" in paths:
        hold.expire_time = _future(session, expire_time)
    old, new = difference(before, hold.snapshot())
    if not new and not old:
        return hold
    hold.version += 1
    hold.update_time = session.now
    session.flush()
    audit.record(session, "legal_hold.update", hold.name, old, new)
    announce(session, hold, active=True)
    return hold


def delete_legal_hold(session: ServiceSession, hold_id: UUID, etag: str) -> None:
    """Lift a hold."""
    lock_holds(session)
    hold = personal_data_queries.get_hold(session, hold_id, lock=True)
    check_etag(etag, hold.version)
    hold.version += 1
    audit.record(session, "legal_hold.delete", hold.name, hold.snapshot(), None)
    announce(session, hold, active=False)
    session.delete(hold)
    session.flush()


def _future(session: ServiceSession, expire_time: datetime | None) -> datetime | None:
    if expire_time is not None and expire_time <= session.now:
        raise Invalid("INVALID_EXPIRE_TIME", "a legal hold ends in the future, or not at all", field="expire_time")
    return expire_time


def announce(session: ServiceSession, hold: LegalHold, *, active: bool) -> None:
    """Let every service know, this one at once."""
    known = KnownLegalHold(
        id=hold.id,
        version=hold.version,
        records=hold.records,
        digests=hold.digests,
        expire_time=hold.expire_time,
        active=active,
    )
    keep_hold(session, known)
    outbox.emit(
        session,
        LegalHoldChanged(hold.name, hold.version, hold.records, hold.digests, hold.expire_time, active),
    )
