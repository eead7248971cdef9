"""Legal holds, as each service knows them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC
from typing import cast
from uuid import UUID

from crm.identity.v1.events_pb2 import LegalHoldChanged
from sqlalchemy import Select, Table, or_, select
from sqlalchemy.dialects.postgresql import insert

from chassis.bus.handlers import Received
from chassis.db import ServiceSession
from chassis.encryption import DataKeys
from chassis.errors import Conflict
from chassis.names import parse_name
from chassis.personal_data.model import KnownLegalHold, digests


class Holds:
    """The legal holds of a moment."""

    def __init__(self, keys: DataKeys, holds: Sequence[KnownLegalHold]) -> None:
        self._keys = keys
        self._records = {record for hold in holds for record in hold.records}
        self._digests = {digest for hold in holds for digest in hold.digests}

    def keep(self, records: Collection[str], marks: Iterable[str] = ()) -> bool:
        """Whether one of some records, or one of their numbers and addresses, is held."""
        if not self._records.isdisjoint(records):
            return True
        return bool(self._digests) and not self._digests.isdisjoint(digests(self._keys, marks))


def holds_in_force(session: ServiceSession) -> Select[KnownLegalHold]:
    """The holds that are known to be in force."""
    ends = KnownLegalHold.expire_time
    return select(KnownLegalHold).where(KnownLegalHold.active, or_(ends.is_(None), ends > session.now))


def current_holds(session: ServiceSession) -> Holds:
    """The holds that are in force."""
    return Holds(session.data_keys, session.scalars(holds_in_force(session)).all())


def refuse_held(session: ServiceSession, records: Collection[str], marks: Iterable[str] = ()) -> None:
    """Raise Conflict LEGAL_HOLD if one of some records, or one of their numbers and addresses, is held."""
    if current_holds(session).keep(records, marks):
        message = "a legal hold keeps this record: ask those who look after personal data to lift it"
        raise Conflict("LEGAL_HOLD", message)


def keep_hold(session: ServiceSession, hold: KnownLegalHold) -> None:
    """Note how a hold is. An older version changes nothing."""
    table = cast(Table, KnownLegalHold.__table__)
    values = {column.key: getattr(hold, column.key) for column in table.columns}
    statement = insert(table).values(values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={key: statement.excluded[key] for key in values if key != "id"},
            where=table.c.version < statement.excluded.version,
        )
    )


def learn_hold(session: ServiceSession, received: Received) -> None:
    """Note what the service that manages people announces."""
    keep_told(session, received.message(LegalHoldChanged))


def keep_told(session: ServiceSession, event: LegalHoldChanged) -> None:
    """Note how a hold is, as a message tells it."""
    hold_id: UUID = parse_name("legalHolds", event.hold, field="hold")
    keep_hold(
        session,
        KnownLegalHold(
            id=hold_id,
            version=event.version,
            records=list(event.records),
            digests=list(event.digests),
            expire_time=event.expire_time.ToDatetime(UTC) if event.HasField("expire_time") else None,
            active=event.active,
        ),
    )
