"""Keep up with the customers service's shares of customers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import sharing
from chassis.db import ServiceSession
from chassis.sharing import ShareFacts

from leads.model import CUSTOMER


@dataclass(frozen=True)
class CustomerShare:
    """A share of a customer as an event tells it."""

    customer_id: UUID
    grantee: str
    version: int
    level: str
    expire_time: datetime | None
    active: bool


def learn_share(session: ServiceSession, share: CustomerShare) -> None:
    """Note how a customer is shared with somebody. A state older than the known one changes nothing."""
    sharing.keep(
        session,
        ShareFacts(
            entity=CUSTOMER,
            record_id=share.customer_id,
            grantee=share.grantee,
            level=share.level,
            expire_time=share.expire_time,
            active=share.active,
            version=share.version,
        ),
    )
