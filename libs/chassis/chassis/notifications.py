"""Telling a user something at once: an event that the gateway passes on to the user's open windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from chassis.db import ServiceSession
from chassis.names import make_name, new_id
from chassis.outbox import emit_all


@dataclass(frozen=True)
class NotificationRaised:
    """`crm.common.v1.NotificationRaised`, published by whichever service raises it."""

    SUBJECT: ClassVar[str] = "recipient"
    PACKAGE: ClassVar[str] = "crm.common.v1"

    id: str
    recipient: str
    kind: str
    resource: str
    params: Mapping[str, object]
    raise_time: datetime


@dataclass(frozen=True)
class Notice:
    """Something that a user is told: see `notify`."""

    recipient: UUID
    kind: str
    resource: str
    params: Mapping[str, object] = field(default_factory=dict)


def notify(
    session: ServiceSession, recipient: UUID, kind: str, resource: str, params: Mapping[str, object] | None = None
) -> None:
    """Tell a user something, once the session's transaction is committed.

    `kind` is a stable code that clients hold the wording for, `resource` the name of the record it is about,
    `params` what the wording needs: strings, numbers, booleans, and lists and mappings of them.
    """
    notify_all(session, [Notice(recipient, kind, resource, params or {})])


def notify_all(session: ServiceSession, notices: Sequence[Notice]) -> None:
    """The same, for many things at once."""
    raised = [
        NotificationRaised(
            id=str(new_id()),
            recipient=make_name("users", notice.recipient),
            kind=notice.kind,
            resource=notice.resource,
            params=notice.params,
            raise_time=session.now,
        )
        for notice in notices
    ]
    emit_all(session, raised)
