"""The facts that this service publishes. The fields are those of the messages in `crm.identity.v1`."""

from dataclasses import dataclass
from typing import ClassVar


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


@dataclass(frozen=True)
class DepartmentChanged:
    """A department was created, renamed or moved, or sits under one that moved."""

    SUBJECT: ClassVar[str] = "department"

    department: str
    version: int
    display_name: str
    path: str
    previous_path: str


@dataclass(frozen=True)
class DepartmentDeleted:
    """A department was deleted. The version is its last."""

    SUBJECT: ClassVar[str] = "department"

    department: str
    version: int
