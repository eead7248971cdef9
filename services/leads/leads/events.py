"""The facts that this service publishes. The fields are those of the messages in `crm.leads.v1`."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True)
class FollowUpLogged:
    """A follow-up was logged on a customer."""

    SUBJECT: ClassVar[str] = "customer"

    follow_up: str
    customer: str
    method: str
    summary: str
    author: str
    occur_time: datetime
