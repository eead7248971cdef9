"""The facts that this service publishes. The fields are those of the messages in `crm.customers.v1`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True)
class CustomerState:
    """What other services keep of a customer."""

    customer: str
    version: int
    kind: str
    display_name: str
    status: str
    owner: str
    owner_department_path: str
    credit_code: str = ""
    level: str = ""


@dataclass(frozen=True)
class CustomerCreated:
    """A customer was created by hand or by a caller."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    version: int
    state: CustomerState


@dataclass(frozen=True)
class CustomerUpdated:
    """A customer was changed."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    version: int
    state: CustomerState
    changed_fields: list[str]


@dataclass(frozen=True)
class CustomerTransferred:
    """A customer was given to another owner."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    version: int
    state: CustomerState
    previous_owner: str
    reason: str


@dataclass(frozen=True)
class CustomerDeleted:
    """A customer was deleted. The version is its last."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    version: int


@dataclass(frozen=True)
class CustomersImported:
    """An import created or changed customers, at most 500 in one event."""

    SUBJECT: ClassVar[str] = "import_job"

    import_job: str
    customers: Sequence[object]
    """A `CustomerState` for each, or the JSON of one."""


@dataclass(frozen=True)
class CustomersRestated:
    """Some customers as they are, told again to whoever asked."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    """If it is one; else empty."""
    customers: list[CustomerState]


@dataclass(frozen=True)
class CustomerShareChanged:
    """How a customer is shared with somebody was changed."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    grantee: str
    version: int
    level: str
    expire_time: datetime | None
    active: bool


@dataclass(frozen=True)
class CustomerTheatreChanged:
    """Which theatre follows a customer beside its owner, and who does so for it, was changed."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    theatre: str
    owner: str
    owner_department_path: str
    version: int
    active: bool
    became_holder: bool = False


@dataclass(frozen=True)
class HandedOver:
    """A customer as it is with its new holder."""

    state: CustomerState
    previous_owner: str
    previous_pool: str
    pool: str
    closes_plans: bool


@dataclass(frozen=True)
class CustomersHandedOver:
    """Customers went from one holder, an owner or a pool, to another, at most 500 in one event."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    """If it is one; else empty."""
    kind: str
    reason: str
    rule: str
    actor: str
    changes: list[HandedOver]


@dataclass(frozen=True)
class MergedCustomerFacts:
    """A customer that became one with another. The version is its last."""

    customer: str
    version: int


@dataclass(frozen=True)
class UnitedContact:
    """A contact that became one with another."""

    contact: str
    into: str


@dataclass(frozen=True)
class CustomersMerged:
    """Customers became one."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    version: int
    state: CustomerState
    merge: str
    others: list[MergedCustomerFacts]
    united_contacts: list[UnitedContact]


@dataclass(frozen=True)
class CustomersUnmerged:
    """A merge was taken back."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    version: int
    state: CustomerState
    merge: str
    others: list[CustomerState]


@dataclass(frozen=True)
class CustomerMove:
    """A customer that went from one class to another."""

    customer: str
    before: str
    after: str


@dataclass(frozen=True)
class CustomerTierChanged:
    """Customers were given other tiers, at most 500 in one event."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    """If it is one; else empty."""
    changes: list[CustomerMove]
    origin: str
    reason: str
    actor: str


@dataclass(frozen=True)
class CustomerLifecycleChanged:
    """Customers are at other stages of their life with the organisation, at most 500 in one event."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    """If it is one; else empty."""
    changes: list[CustomerMove]
    actor: str


@dataclass(frozen=True)
class OwnersRelocated:
    """An owner, or all owners in a department, moved, and some of their customers have yet to follow."""

    SUBJECT: ClassVar[str] = "whose"

    whose: str
    from_path: str


@dataclass(frozen=True)
class LeadAdmitted:
    """A lead was taken in as a customer."""

    SUBJECT: ClassVar[str] = "customer"

    customer: str
    conversion: str
    lead: str
    contact: str
    state: CustomerState


@dataclass(frozen=True)
class LeadNotAdmitted:
    """A lead was not taken in, and will not be by this conversion."""

    SUBJECT: ClassVar[str] = "lead"

    lead: str
    conversion: str


@dataclass(frozen=True)
class CallerIdentified:
    """The number of a call is that of customers, or of their contacts."""

    SUBJECT: ClassVar[str] = "call"

    call: str
    customers: list[str]
