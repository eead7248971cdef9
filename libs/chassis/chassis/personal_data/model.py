"""What a service keeps of requests for personal data, and of legal holds."""

from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BigInteger, Connection, CursorResult, LargeBinary, Table, Text, delete
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import ChassisTables, ServiceSession
from chassis.encryption import Encrypted, Place, Sealed

KEPT = timedelta(days=7)
"""How long what was collected can be downloaded."""


class PersonalDataTask(ChassisTables):
    """What was collected in this service for an export."""

    __tablename__ = "personal_data_task"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """The request's."""
    content: Mapped[Sealed] = mapped_column(Encrypted)
    """A JSON text."""
    expire_time: Mapped[datetime] = mapped_column(index=True)

    @staticmethod
    def place(request_id: UUID) -> Place:
        """Where the content is kept, which is part of its seal."""
        return Place("personal_data_task", "content", request_id)


class KnownLegalHold(ChassisTables):
    """A legal hold. Lifted ones are kept, so that a late older state brings none back."""

    __tablename__ = "known_legal_hold"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    records: Mapped[list[str]] = mapped_column(ARRAY(Text))
    digests: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    """See `chassis.personal_data.holds.digests`."""
    expire_time: Mapped[datetime | None]
    active: Mapped[bool]


def create_tables(bind: Connection) -> None:
    """Create the tables. For a revision of a service whose database is older than the tables."""
    for entity in (PersonalDataTask, KnownLegalHold):
        cast(Table, entity.__table__).create(bind, checkfirst=True)


def purge(session: ServiceSession) -> int:
    """Remove what was collected and can be downloaded no more, by the business time. Returns how many."""
    old = delete(PersonalDataTask).where(PersonalDataTask.expire_time < session.now)
    return cast(CursorResult[Any], session.execute(old)).rowcount
