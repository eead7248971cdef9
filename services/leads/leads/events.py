"""The facts that this service publishes. The fields are those of the messages in `crm.leads.v1`."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True)
class FollowUpLogged:
    """A follow-up was logged on a customer, or on a lead that has become one."""

    SUBJECT: ClassVar[str] = "customer"

    follow_up: str
    customer: str
    method: str
    summary: str
    author: str
    occur_time: datetime
    effective: bool
    verdict_reasons: list[str]
    theatre: str = ""
    """The theatre that it was logged for, if that follows the customer beside its owner."""
    next_contact_time: datetime | None = None


@dataclass(frozen=True)
class LeadFollowUpLogged:
    """A follow-up was logged on a lead. When the lead becomes a customer, it is told again as FollowUpLogged."""

    SUBJECT: ClassVar[str] = "lead"

    follow_up: str
    lead: str
    method: str
    summary: str
    author: str
    occur_time: datetime
    effective: bool
    verdict_reasons: list[str]
    next_contact_time: datetime | None = None


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
    merged_into: str = ""
    """The lead that it became one with, if it did."""


@dataclass(frozen=True)
class TaskEnded:
    """A task was completed or cancelled."""

    SUBJECT: ClassVar[str] = "subject"

    task: str
    version: int
    subject: str
    status: str
    assignee: str
    required: bool
    end_time: datetime


@dataclass(frozen=True)
class LeadStageEntered:
    """A lead entered a stage of a playbook."""

    SUBJECT: ClassVar[str] = "lead"

    lead: str
    playbook: str
    version: int
    stage: str
    stage_title: str
    previous_stage: str
    enter_time: datetime


@dataclass(frozen=True)
class VisitStarted:
    """Somebody checked in at a lead or customer."""

    SUBJECT: ClassVar[str] = "subject"

    visit: str
    subject: str
    assignee: str
    geofence: str
    check_in_time: datetime


@dataclass(frozen=True)
class CallEnded:
    """A call is over, and with whom it was is known. Told anew, with a greater version, when more is known of it."""

    SUBJECT: ClassVar[str] = "subject"

    call: str
    version: int
    subject: str
    assignee: str
    direction: str
    connected: bool
    duration_seconds: int
    end_time: datetime


@dataclass(frozen=True)
class CallerUnknown:
    """A call has a number that no lead here has. Whoever keeps customers says whose it is."""

    SUBJECT: ClassVar[str] = "call"

    call: str
    phone: str


@dataclass(frozen=True)
class LeadSubmitted:
    """Something came in at a capture source, and waits to be judged. This service alone listens."""

    SUBJECT: ClassVar[str] = "submission"

    submission: str


@dataclass(frozen=True)
class LeadConversionStalled:
    """Nobody waits any more for what the customers service makes of a lead."""

    SUBJECT: ClassVar[str] = "lead"

    lead: str
    conversion: str


@dataclass(frozen=True)
class Money:
    """An amount of money: a currency code and an exact decimal number."""

    currency_code: str
    amount: str


@dataclass(frozen=True)
class OpportunityWish:
    """An opportunity that is to be opened for a lead that has become a customer."""

    display_name: str
    amount: Money | None = None
    expected_close_date: str = ""


@dataclass(frozen=True)
class LeadConverted:
    """A lead has become a customer."""

    SUBJECT: ClassVar[str] = "lead"

    lead: str
    version: int
    conversion: str
    customer: str
    contact: str
    actor: str
    opportunity: OpportunityWish | None = None
