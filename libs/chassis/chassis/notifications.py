"""Telling a user something at once: an event that the gateway passes on to the user's open windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from chassis.db import ServiceSession
from chassis.names import make_name, new_id
from chassis.outbox import emit


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


def notify(
    session: ServiceSession, recipient: UUID, kind: str, resource: str, params: Mapping[str, object] | None = None
) -> None:
    """Tell a user something, once the session's transaction is committed.

    `kind` is a stable code that clients hold the wording for, `resource` the name of the record it is about,
    `params` what the wording needs: strings, numbers, booleans, and lists and mappings of them.
    """
    emit(
        session,
        NotificationRaised(
            id=str(new_id()),
            recipient=make_name("users", recipient),
            kind=kind,
            resource=resource,
            params=params or {},
            raise_time=session.now,
        ),
    )
