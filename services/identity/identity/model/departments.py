"""The tree of departments."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.errors import Conflict
from chassis.names import make_name, new_id
from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from identity.events import DepartmentChanged, DepartmentDeleted
from identity.model.base import Base

MAXIMUM_DEPTH = 20


class Department(Base):
    """A part of the organisation. The path holds the ids from the root down, each followed by `/`."""

    __tablename__ = "department"
    __table_args__ = (
        Index("uq_department_name", "parent_id", "display_name", unique=True),
        Index(
            "uq_department_root", text("(parent_id IS NULL)"), unique=True, postgresql_where=text("parent_id IS NULL")
        ),
        Index("uq_department_path", "path", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("department.id"))
    head_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_account.id", use_alter=True))
    path: Mapped[str]
    theatre: Mapped[bool]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("departments", self.id)

    def place(self, parent: "Department | None") -> None:
        """Put it under a parent, or at the root. Raises Conflict for a place inside itself or too deep."""
        if parent is not None and self.path and parent.path.startswith(self.path):
            raise Conflict("DEPARTMENT_CYCLE", "a department cannot move into its own subtree", department=self.name)
        path = f"{parent.path if parent else ''}{self.id}/"
        ensure_depth(path)
        self.parent_id = parent.id if parent else None
        self.path = path

    def changed(self, previous_path: str) -> DepartmentChanged:
        """The fact that it is now as it is."""
        return DepartmentChanged(
            self.name,
            self.version,
            self.display_name,
            self.path,
            previous_path,
            head=make_name("users", self.head_id),
            theatre=self.theatre,
        )

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {
            "display_name": self.display_name,
            "parent": make_name("departments", self.parent_id),
            "head": make_name("users", self.head_id),
            "path": self.path,
            "theatre": self.theatre,
        }


class DeletedDepartment(Base):
    """A department that is gone, kept so that services that come later, or from a backup, can be told so."""

    __tablename__ = "deleted_department"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    """Its last; 0 for those deleted before they were kept."""
    merged_into: Mapped[UUID | None]
    delete_time: Mapped[datetime]

    def deleted(self) -> DepartmentDeleted:
        """The fact that it is gone."""
        name, into = make_name("departments", self.id), make_name("departments", self.merged_into)
        return DepartmentDeleted(name, self.version, into)


def ensure_depth(path: str) -> None:
    """Raise Conflict if a department of this path sits too deep."""
    if path.count("/") > MAXIMUM_DEPTH:
        raise Conflict("TREE_TOO_DEEP", f"departments nest at most {MAXIMUM_DEPTH} deep")
