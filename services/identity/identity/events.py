"""The facts that this service publishes. The fields are those of the messages in `crm.identity.v1`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True)
class UserChanged:
    """A user was created or changed, or sits in a department that moved."""

    SUBJECT: ClassVar[str] = "user"

    user: str
    version: int
    display_name: str
    department: str
    department_path: str
    active: bool
    username: str
    partner: str = ""
    roles: Sequence[str] = ()


@dataclass(frozen=True)
class GrantTold:
    """`crm.identity.v1.Grant`."""

    permission: str
    scope: str
    departments: Sequence[str] = ()


@dataclass(frozen=True)
class FieldRuleTold:
    """`crm.identity.v1.FieldRule`."""

    entity: str
    field: str
    effect: str


@dataclass(frozen=True)
class RoleChanged:
    """A role was created or changed."""

    SUBJECT: ClassVar[str] = "role"

    role: str
    version: int
    grants: Sequence[GrantTold] = ()
    field_rules: Sequence[FieldRuleTold] = ()


@dataclass(frozen=True)
class RoleDeleted:
    """A role was deleted."""

    SUBJECT: ClassVar[str] = "role"

    role: str
    version: int


@dataclass(frozen=True)
class DepartmentChanged:
    """A department was created or changed, or sits under one that moved."""

    SUBJECT: ClassVar[str] = "department"

    department: str
    version: int
    display_name: str
    path: str
    previous_path: str
    head: str = ""
    theatre: bool = False


@dataclass(frozen=True)
class PasswordResetRequested:
    """Somebody asked for a link to a new password; `user` is empty if nobody has the name that was typed."""

    SUBJECT: ClassVar[str] = "user"

    user: str


@dataclass(frozen=True)
class DepartmentDeleted:
    """A department was deleted. The version is its last."""

    SUBJECT: ClassVar[str] = "department"

    department: str
    version: int
    merged_into: str = ""


@dataclass(frozen=True)
class WorkingDay:
    """The windows of a day, or of a day of the week by its ISO number."""

    day: str
    windows: Sequence[str] = ()
    ordinary: bool = False


@dataclass(frozen=True)
class OrganisationChanged:
    """The organisation's profile or working calendar changed."""

    SUBJECT: ClassVar[str] = "organisation"

    organisation: str
    version: int
    display_name: str
    locale: str
    currency: str
    time_zone: str
    fiscal_year_start_month: int
    fiscal_year_start_day: int
    first_day_of_week: int
    weekly: Sequence[WorkingDay]
    special: Sequence[WorkingDay]
    statutory_until_year: int


@dataclass(frozen=True)
class OffboardingStarted:
    """Somebody leaves, or the hand-over of what they were responsible for is tried again."""

    SUBJECT: ClassVar[str] = "offboarding"

    offboarding: str
    round: int
    user: UserChanged
    rules: Sequence[dict[str, Any]]
    default_successor: str
    actor: str


@dataclass(frozen=True)
class LegalHoldChanged:
    """A legal hold was made, changed or lifted."""

    SUBJECT: ClassVar[str] = "hold"

    hold: str
    version: int
    records: Sequence[str]
    digests: Sequence[bytes]
    expire_time: datetime | None
    active: bool


@dataclass(frozen=True)
class PersonalDataRequested:
    """All data about a person is to be exported or erased."""

    SUBJECT: ClassVar[str] = "request"

    request: str
    kind: str
    records: Sequence[str]
    places: Sequence[str]
    sealed_identifiers: bytes
    actor: str
    legal_holds: Sequence[LegalHoldChanged]
    """Those in force."""
