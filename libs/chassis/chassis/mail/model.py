"""What the database keeps of mails."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, CursorResult, Index, Table, delete, func, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import ChassisTables, ServiceSession
from chassis.encryption import Encrypted, Place, Sealed
from chassis.names import new_id

KEPT = timedelta(days=30)
"""How long it is known that a mail was sent or given up."""


class MailState(StrEnum):
    """Where a mail stands."""

    WAITING = "WAITING"
    SENT = "SENT"
    FAILED = "FAILED"
    """Given up: refused for good by the server, or tried too often."""


class OutgoingMail(ChassisTables):
    """A mail to be sent, or what is known of one that was. Times are real times."""

    __tablename__ = "outgoing_mail"
    __table_args__ = (
        Index("ix_outgoing_mail_due", "due_time", postgresql_where=text("state = 'WAITING'")),
        Index("ix_outgoing_mail_create_time", "create_time"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    """Also names the message, so that a second copy can be told for one."""
    recipient: Mapped[str]
    """One e-mail address."""
    subject: Mapped[str]
    content: Mapped[Sealed | None] = mapped_column(Encrypted)
    """The texts, sealed, as they may hold a key to an account. Dropped once the mail is sent; kept of one given up, for
    `retry`, until it is purged."""
    state: Mapped[str] = mapped_column(default=MailState.WAITING.value)
    attempts: Mapped[int] = mapped_column(default=0)
    due_time: Mapped[datetime]
    """When it is tried next."""
    expire_time: Mapped[datetime | None]
    """From when on it is of no use any more and is given up."""
    last_error: Mapped[str] = mapped_column(default="")
    create_time: Mapped[datetime]
    end_time: Mapped[datetime | None]
    """When it was sent or given up."""

    @property
    def place(self) -> Place:
        """Where the content is kept, which is part of its seal."""
        return Place("outgoing_mail", "content", self.id)


def create_table(bind: Connection) -> None:
    """Create the table, for the revision of each service that came after the first."""
    cast(Table, OutgoingMail.__table__).create(bind, checkfirst=True)


def retry(session: ServiceSession) -> int:
    """Have the mails that were given up tried again. Returns how many."""
    statement = (
        update(OutgoingMail)
        .where(OutgoingMail.state == MailState.FAILED, OutgoingMail.content.is_not(None))
        .values(state=MailState.WAITING, attempts=0, due_time=func.now(), end_time=None)
    )
    return cast(CursorResult[Any], session.execute(statement)).rowcount


def unsent(session: ServiceSession, most: int = 1000) -> Sequence[OutgoingMail]:
    """The newest of the mails that wait or were given up."""
    statement = select(OutgoingMail).where(OutgoingMail.state != MailState.SENT)
    return session.scalars(statement.order_by(OutgoingMail.create_time.desc()).limit(most)).all()


def purge(session: ServiceSession) -> int:
    """Forget mails that ended longer ago than `KEPT`. Returns how many."""
    old = delete(OutgoingMail).where(OutgoingMail.create_time < func.now() - KEPT, OutgoingMail.end_time.is_not(None))
    return cast(CursorResult[Any], session.execute(old)).rowcount
