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
    effective: bool
    verdict_reasons: list[str]


@dataclass(frozen=True)
class LeadState:
    """What other services keep of a lead."""

    lead: str
    version: int
    company_name: str
    status: str
    registration_state: str
    owner: str
    owner_department_path: str
    registrant: str
    partner: str


@dataclass(frozen=True)
class LeadCreated:
    """A lead was entered."""

    SUBJECT: ClassVar[str] = "lead"

    lead: str
    version: int
    state: LeadState


@dataclass(frozen=True)
class LeadUpdated:
    """A lead was changed."""

    SUBJECT: ClassVar[str] = "lead"

    lead: str
    version: int
    state: LeadState
    changed_fields: list[str]


@dataclass(frozen=True)
class LeadDeleted:
    """A lead was deleted. The version is its last."""

    SUBJECT: ClassVar[str] = "lead"

    lead: str
    version: int
