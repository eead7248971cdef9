"""Requests to export or erase the data about a person, and legal holds."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from chassis.encryption import DataKeys, Encrypted, Place, Sealed
from chassis.names import make_name, new_id
from chassis.personal_data import digests
from chassis.resealing import BY_HAND
from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from identity.model.base import Base, Plain


class RequestKind(StrEnum):
    """What is to be done. The names are those of `crm.identity.v1.PersonalDataKind`."""

    EXPORT = "EXPORT"
    ERASE = "ERASE"


class RequestState(StrEnum):
    """How far a request has come. The names are those of `crm.identity.v1.PersonalDataState`."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"


class PersonalDataPart(Base):
    """What a service did for a request, as it told."""

    __tablename__ = "personal_data_part"

    request_id: Mapped[UUID] = mapped_column(
        ForeignKey("personal_data_request.id", ondelete="CASCADE"), primary_key=True
    )
    service: Mapped[str] = mapped_column(primary_key=True)
    done: Mapped[bool]
    found: Mapped[dict[str, int]] = mapped_column(JSONB)
    erased: Mapped[dict[str, int]] = mapped_column(JSONB)
    held: Mapped[dict[str, int]] = mapped_column(JSONB)
    kept: Mapped[dict[str, int]] = mapped_column(JSONB)


class PersonalDataRequest(Base):
    """A request. What the person is known by is not kept: only the event carries it, sealed."""

    __tablename__ = "personal_data_request"
    __table_args__ = (Index("ix_personal_data_request_create_time", "create_time", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    subject: Mapped[str]
    """A resource name, or empty."""
    reason: Mapped[str]
    state: Mapped[str]
    creator: Mapped[str]
    create_time: Mapped[datetime]
    end_time: Mapped[datetime | None]
    expire_time: Mapped[datetime | None]
    """Until when the file of an export can be downloaded."""
    parts: Mapped[list[PersonalDataPart]] = relationship(lazy="selectin", order_by=PersonalDataPart.service)

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("personalDataRequests", self.id)

    def conclude(self, now: datetime) -> bool:
        """End it if all services are done. Says whether it has ended."""
        if not all(part.done for part in self.parts):
            return False
        left = any(part.held or part.kept for part in self.parts)
        self.state = RequestState.PARTIAL if left else RequestState.SUCCEEDED
        self.end_time = now
        return True

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "reason": self.reason,
            "state": self.state,
            "parts": {
                part.service: {"found": part.found, "erased": part.erased, "held": part.held, "kept": part.kept}
                for part in self.parts
                if part.done
            },
        }


class LegalHold(Base):
    """What keeps the data about a person from being erased or deleted."""

    __tablename__ = "legal_hold"
    __table_args__ = (Index("ix_legal_hold_create_time", "create_time", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    subject: Mapped[str]
    reason: Mapped[str]
    expire_time: Mapped[datetime | None]
    records: Mapped[list[str]] = mapped_column(ARRAY(Plain))
    """The person's records, by their resource names."""
    digests: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    """Blind indexes of the person's numbers and addresses."""
    sealed_marks: Mapped[Sealed | None] = mapped_column(Encrypted, info={BY_HAND: True})
    """These numbers and addresses, a JSON text, from which the indexes are made anew when the data keys change. None in
    holds older than the column."""
    creator: Mapped[str]
    version: Mapped[int] = mapped_column(BigInteger)
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("legalHolds", self.id)

    def keep_marks(self, keys: DataKeys, marks: Iterable[str]) -> None:
        """Keep numbers and addresses, sealed, and what they are found by."""
        self.sealed_marks = keys.seal(orjson.dumps(sorted(marks)).decode(), self._place)
        self.digests = digests(keys, marks)

    def marks(self, keys: DataKeys) -> frozenset[str] | None:
        """The numbers and addresses that it keeps; None if that is not known. Raises SealBroken."""
        sealed = self.sealed_marks
        return frozenset(orjson.loads(keys.open(sealed, self._place))) if sealed is not None else None

    @property
    def _place(self) -> Place:
        return Place("legal_hold", "sealed_marks", self.id)

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        expires = self.expire_time.isoformat() if self.expire_time else None
        return {"subject": self.subject, "reason": self.reason, "expire_time": expires, "records": self.records}
