"""What devices that work without a connection need: which records changed, and which operations they have handed in."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis import written
from chassis.names import make_name, new_id
from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from leads.model.base import Base

written.exempt("offline_operation", "what a device handed in; what came of it is audited where it was done")


class FullTransactionId(UserDefinedType[str]):
    """PostgreSQL's `xid8`: the number of a transaction, which never starts anew."""

    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        return "xid8"


class RecordChange(Base):
    """A note that a record changed, written by triggers, so that none is missed; see `leads.offline.feed`."""

    __tablename__ = "record_change"
    __table_args__ = (
        Index("ix_record_change_transaction", "transaction_id", "position"),
        Index("ix_record_change_time", "note_time"),
    )

    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    transaction_id: Mapped[str] = mapped_column(FullTransactionId, server_default=text("pg_current_xact_id()"))
    kind: Mapped[str]
    """The collection that its name begins with."""
    record_id: Mapped[UUID]
    moved: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """True if it came into the reach of some, or left that of others, and what is about it with it."""
    owner_id: Mapped[UUID | None]
    """Whose it was before, if it moved or is gone."""
    department_path: Mapped[str | None]
    """Which department it was reckoned to before, if it moved or is gone."""
    grantee: Mapped[str | None]
    """With whom it was shared, or is no more."""
    note_time: Mapped[datetime] = mapped_column(server_default=text("now()"))
    """By the real clock."""


class OperationState(StrEnum):
    """What came of an operation. The names are those of `crm.leads.v1.OfflineOperationState`."""

    APPLIED = "APPLIED"
    REFUSED = "REFUSED"
    CONFLICT = "CONFLICT"
    RESOLVED = "RESOLVED"


class OfflineOperation(Base):
    """What somebody did on a device without a connection, once it was handed in."""

    __tablename__ = "offline_operation"
    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(repr(str(value)) for value in OperationState)})", name="state"),
        UniqueConstraint("subject", "client_id"),
        Index("ix_offline_operation_conflict", "subject", "id", postgresql_where=text("state = 'CONFLICT'")),
        Index("ix_offline_operation_create_time", "create_time"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    subject: Mapped[str]
    """Who did it: the resource name of the user or client."""
    client_id: Mapped[UUID]
    """The id that the device chose."""
    kind: Mapped[str]
    digest: Mapped[bytes]
    """Of what was handed in: another operation under the same id is noticed."""
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="", default="")
    field: Mapped[str] = mapped_column(server_default="", default="")
    record: Mapped[str] = mapped_column(server_default="", default="")
    """The resource name of what it changed or made; empty if it did neither."""
    lead_id: Mapped[UUID | None]
    """The lead that a conflict is about."""
    conflict: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """`base` and `yours` by field, as long as the choice is open."""
    occur_time: Mapped[datetime | None]
    """When it was done, by the device's clock."""
    create_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("offlineOperations", self.id)
