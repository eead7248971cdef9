"""Create a department."""

from dataclasses import dataclass
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import make_name, new_id

from identity import queries
from identity.locks import lock_tree
from identity.model import Department, User, label
from identity.uniqueness import flush_unique


@dataclass(frozen=True)
class DepartmentDraft:
    """What callers say of a department."""

    display_name: str
    parent_id: UUID | None
    head_id: UUID | None = None
    theatre: bool = False


def create_department(session: ServiceSession, draft: DepartmentDraft) -> Department:
    """Put a department under another one and announce it."""
    session.caller.require_everything("department.create")
    if draft.parent_id is None:
        raise Invalid("REQUIRED", "name the department above; there is one root", field="parent")
    lock_tree(session)
    parent = queries.get_department(session, draft.parent_id, field="parent")
    return add_department(session, draft, parent)


def add_department(session: ServiceSession, draft: DepartmentDraft, parent: Department | None) -> Department:
    """Add a department, or the root if there is no parent. The caller has locked the tree."""
    department = Department(
        id=new_id(),
        display_name=label(draft.display_name, field="display_name"),
        head_id=check_head(session, draft.head_id),
        path="",
        theatre=draft.theatre,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    department.place(parent)
    session.add(department)
    flush_unique(session)
    audit.record(session, "department.create", department.name, None, department.snapshot())
    outbox.emit(session, department.changed(previous_path=""))
    return department


def check_head(session: ServiceSession, head_id: UUID | None) -> UUID | None:
    """The head's id. Raises Invalid if there is no such user, or the user may not sign in."""
    head = session.get(User, head_id) if head_id is not None else None
    if head_id is not None and head is None:
        raise Invalid("UNKNOWN_USER", f"there is no user {make_name('users', head_id)}", field="head")
    if head is not None and not head.active:
        raise Invalid("INACTIVE_HEAD", "only somebody who may sign in heads a department", field="head")
    return head_id
