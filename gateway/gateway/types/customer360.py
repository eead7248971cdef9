"""The sections of the whole picture of a customer, each with where it comes from and how far it can be relied on."""

from datetime import datetime
from enum import Enum

import strawberry

from gateway.failures import CallFailed
from gateway.types.customers import Contact, Customer, CustomField, TimelineEntry
from gateway.types.identity import Department, User
from gateway.types.leads import FollowUp
from gateway.types.purchases import PurchaseInsight, RfmScore


@strawberry.enum(description="What has become of a section.")
class SectionStatus(Enum):
    OK = strawberry.enum_value("OK", description="It was read, and nothing is known to be missing.")
    STALE = strawberry.enum_value("STALE", description="It was read, and something is known to be missing.")
    UNAVAILABLE = strawberry.enum_value("UNAVAILABLE", description="Its service does not answer: it has no values.")


@strawberry.enum(description="What the values of a section rest on.")
class Confidence(Enum):
    HIGH = strawberry.enum_value(
        "HIGH", description="Read from the service that owns them just now, or compared with it and complete."
    )
    MEDIUM = strawberry.enum_value(
        "MEDIUM", description="Told by others: by systems outside, or by events that could not be compared."
    )
    LOW = strawberry.enum_value("LOW", description="Out of date: see what is missing.")


@strawberry.type(
    description="How far values that came by events are behind the service that knows, for this customer and caller."
)
class Freshness:
    source: str = strawberry.field(description="The service whose events they are.")
    missing: int | None = strawberry.field(
        description="How many of its records are not in the section yet; null if it could not be asked."
    )
    missing_since: datetime | None = strawberry.field(description="When the oldest of them was recorded.")
    lag_seconds: float | None = strawberry.field(
        description="How long that was before the section was read; 0 if nothing is missing, null if it is not known."
    )


@strawberry.type
class Section:
    source: str = strawberry.field(description="The service that says it.")
    status: SectionStatus = strawberry.field(default=SectionStatus.OK, description="What has become of the section.")
    as_of: datetime | None = strawberry.field(
        default=None, description="The time that the values tell of: what came later is not in them."
    )
    confidence: Confidence | None = strawberry.field(
        default=Confidence.HIGH, description="What the values rest on; null if there are none."
    )
    freshness: Freshness | None = strawberry.field(
        default=None, description="How far it is behind. Null if nothing of what is asked for came by events."
    )
    failure: strawberry.Private[CallFailed | None] = None
    """Why it is unavailable."""


@strawberry.type(description="The customer itself.")
class ProfileSection(Section):
    customer: Customer | None = strawberry.field(default=None, description="Null if the section is unavailable.")


@strawberry.type(description="Who looks after the customer.")
class OwnerSection(Section):
    user: User | None = None
    department: Department | None = None


@strawberry.type(description="The people to talk to, the primary one first.")
class ContactsSection(Section):
    nodes: list[Contact] | None = strawberry.field(default=None, description="Null if the section is unavailable.")
    has_more: bool | None = None


@strawberry.type(description="What happened with the customer, newest first.")
class TimelineSection(Section):
    nodes: list[TimelineEntry] | None = strawberry.field(
        default=None, description="Null if the section is unavailable."
    )
    has_more: bool | None = None


@strawberry.type(description="The touches with the customer, newest first.")
class FollowUpsSection(Section):
    nodes: list[FollowUp] | None = strawberry.field(default=None, description="Null if the section is unavailable.")
    has_more: bool | None = None


@strawberry.type(description="One of the company's own fields with the customer's value.")
class CustomFieldValue:
    field: CustomField
    value: strawberry.scalars.JSON | None


@strawberry.type(description="The company's own fields with the customer's values.")
class CustomFieldsSection(Section):
    values: list[CustomFieldValue] | None = strawberry.field(
        default=None, description="Null if the section is unavailable."
    )


@strawberry.type(description="What the customer bought, as the systems tell it that `insight` names as its sources.")
class PurchasesSection(Section):
    insight: PurchaseInsight | None = strawberry.field(default=None, description="Null if the section is unavailable.")


@strawberry.type(
    description="How the customer scores by what it bought, as of the newest analysis. STALE if purchases were "
    "recorded since then, which `purchases` has."
)
class RfmSection(Section):
    score: RfmScore | None = strawberry.field(
        default=None, description="Null if there is no analysis, or if the customer bought nothing in its period."
    )
