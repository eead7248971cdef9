"""The facts that this service publishes. The fields are those of the messages in `crm.customers.v1`."""

from dataclasses import dataclass
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
    customers: list[CustomerState]
