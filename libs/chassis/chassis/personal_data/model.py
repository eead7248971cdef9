"""What a service keeps of requests for personal data, and of legal holds."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, Connection, Index, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import ChassisTables
from chassis.encryption import DataKeys, Encrypted, Place, Sealed
from chassis.resealing import DERIVED

KEPT = timedelta(days=7)
"""How long what was collected can be downloaded."""
_PURPOSE = "legal_hold"


def digests(keys: DataKeys, marks: Iterable[str]) -> list[bytes]:
    """Blind indexes of phone numbers, addresses and identity numbers, in the forms in which records keep them."""
    return sorted(digest for mark in set(marks) for digest in keys.blind_indexes(mark, _PURPOSE))


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
    """See `digests`."""
    expire_time: Mapped[datetime | None]
    active: Mapped[bool]


def _digests_of(keys: DataKeys, content: str) -> Mapping[str, Any]:
    return {"digests": digests(keys, orjson.loads(content)["marks"])}


class DeletedRecord(ChassisTables):
    """A record that was deleted, set aside for legal holds: see `chassis.personal_data.deleted`."""

    __tablename__ = "deleted_record"
    __table_args__ = (Index("ix_deleted_record_digests", "digests", postgresql_using="gin"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    record: Mapped[str] = mapped_column(index=True)
    """Its resource name."""
    content: Mapped[Sealed] = mapped_column(Encrypted, info={DERIVED: _digests_of})
    """A JSON text: `values`, `names` and `marks`."""
    digests: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    """Of the marks."""
    delete_time: Mapped[datetime] = mapped_column(index=True)

    @staticmethod
    def place(record_id: UUID) -> Place:
        """Where the content is kept, which is part of its seal."""
        return Place("deleted_record", "content", record_id)


class ErasedPerson(ChassisTables):
    """Somebody who was erased here, while anything from before is under way: see `chassis.personal_data.echoes`."""

    __tablename__ = "erased_person"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """The request's."""
    identifiers: Mapped[Sealed] = mapped_column(Encrypted)
    """What the person was known by, a JSON text."""
    erase_time: Mapped[datetime]
    expire_time: Mapped[datetime] = mapped_column(index=True)
    sweep_time: Mapped[datetime | None]
    """When dead letters were last looked through, by the real time."""

    @staticmethod
    def place(request_id: UUID) -> Place:
        """Where the identifiers are kept, which is part of their seal."""
        return Place("erased_person", "identifiers", request_id)


def create_tables(bind: Connection) -> None:
    """Create those of the tables that are not there yet. For a revision of a service."""
    for entity in (PersonalDataTask, KnownLegalHold, DeletedRecord, ErasedPerson):
        cast(Table, entity.__table__).create(bind, checkfirst=True)
