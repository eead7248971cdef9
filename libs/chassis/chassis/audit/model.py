"""The tables of the audit log."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    DDL,
    BigInteger,
    CheckConstraint,
    Connection,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from chassis.db import ChassisTables


class Xid8(UserDefinedType[str]):
    """A transaction id that does not wrap around."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in SQL."""
        return "xid8"


ischema_names["xid8"] = Xid8


class AuditEntry(ChassisTables):
    """One change of one record."""

    __tablename__ = "audit_entry"
    # Those by time leave out the id: entries of one transaction have one time, which a B-tree then keeps once.
    __table_args__ = (
        Index("ix_audit_entry_order", "xid", "id"),
        Index("ix_audit_entry_resource", "resource", "id"),
        Index("ix_audit_entry_time", "time"),
        Index("ix_audit_entry_actor", "actor", "time"),
        Index("ix_audit_entry_action", "action", "time", postgresql_ops={"action": "text_pattern_ops"}),
        Index("ix_audit_entry_request_id", "request_id", postgresql_where=text("request_id <> ''")),
        Index("ix_audit_entry_trace_id", "trace_id", postgresql_where=text("trace_id <> ''")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    xid: Mapped[str] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    time: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)
    """The resource name of whoever did it."""
    action: Mapped[str] = mapped_column(Text)
    resource: Mapped[str] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(Text)
    trace_id: Mapped[str] = mapped_column(Text)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class AuditBlock(ChassisTables):
    """A link of the chain."""

    __tablename__ = "audit_block"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    time: Mapped[datetime]
    cluster: Mapped[int] = mapped_column(BigInteger)
    """The identifier of the database cluster that it was sealed in. Transaction ids mean nothing in another."""
    floor_id: Mapped[int] = mapped_column(BigInteger)
    """All entries up to this id were sealed when the chain came to the cluster."""
    last_xid: Mapped[str] = mapped_column(Xid8)
    """With `last_id`: the place up to which all entries above `floor_id` are sealed."""
    last_id: Mapped[int] = mapped_column(BigInteger)
    entry_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    digests: Mapped[bytes] = mapped_column(LargeBinary)
    """The digests of the entries with their ids and transaction ids, one after the other."""
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditTip(ChassisTables):
    """Up to where the log was sealed, kept beside it: one row. By it a log is found out that was emptied or cut off."""

    __tablename__ = "audit_tip"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    """Of the last block; 0 before the first."""
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    """Of the last block; 32 zero bytes before the first."""


_TIP = cast(Table, AuditTip.__table__)
# The row is there from the beginning and never inserted again, so that it cannot be taken away unnoticed either.
event.listen(
    _TIP,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]
        """
        INSERT INTO audit_tip (id, number, hash) SELECT 1, coalesce(max(number), 0),
          coalesce((SELECT hash FROM audit_block ORDER BY number DESC LIMIT 1), decode(repeat('00', 32), 'hex'))
        FROM audit_block
        """
    ),
)


def create_tip(bind: Connection) -> None:
    """Create the table of the tip where it is not there yet, at the end of the chain that there is. For a revision of a
    service."""
    _TIP.create(bind, checkfirst=True)
