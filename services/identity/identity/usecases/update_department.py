"""Change a department, or move it with all that is below it."""

from collections.abc import Sequence, Set
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.etags import check_etag
from chassis.likes import starting_with
from sqlalchemy import func, select, update

from identity import queries
from identity.events import DepartmentChanged, UserChanged
from identity.locks import lock_tree
from identity.model import Department, User, ensure_depth, label
from identity.policy import bump_policy, revoke_tokens
from identity.reach import Relocation, ensure_reach_stays
from identity.uniqueness import flush_unique
from identity.usecases.create_department import DepartmentDraft, check_head

FIELDS = frozenset({"display_name", "parent", "head", "theatre"})


def update_department(
    session: ServiceSession, department_id: UUID, draft: DepartmentDraft, paths: Set[str], etag: str
) -> Department:
    """Change the fields at `paths` to what the draft says."""
    session.caller.require_everything("department.update")
    lock_tree(session)
    department = queries.get_department(session, department_id)
    check_etag(etag, department.version)
    before, path_before = department.snapshot(), department.path
    _apply(session, department, draft, paths)
    if department.path != path_before:
        _ensure_reach_stays(session, department.path, path_before)
    if department.snapshot() == before:
        return department
    department.version += 1
    department.update_time = session.now
    if department.path != path_before:
        bump_policy(session)
    flush_unique(session)
    audit.record(session, "department.update", department.name, before, department.snapshot())
    outbox.emit(session, department.changed(path_before))
    if department.path != path_before:
        outbox.emit_all(session, _move_below(session, department, path_before))
        outbox.emit_all(session, _move_users(session, department, path_before))
    return department


def _apply(session: ServiceSession, department: Department, draft: DepartmentDraft, paths: Set[str]) -> None:
    if "head" in paths and draft.head_id != department.head_id:
        department.head_id = check_head(session, draft.head_id)
    if "theatre" in paths:
        department.theatre = draft.theatre
    if "parent" in paths and draft.parent_id != department.parent_id:
        if department.parent_id is None:
            raise Conflict("ROOT_DEPARTMENT", "the root department stays where it is", department=department.name)
        if draft.parent_id is None:
            raise Invalid("REQUIRED", "name the department above; there is one root", field="parent")
        department.place(queries.get_department(session, draft.parent_id, field="parent"))
    if "display_name" in paths:
        department.display_name = label(draft.display_name, field="display_name")


def _ensure_reach_stays(session: ServiceSession, path: str, path_before: str) -> None:
    with session.no_autoflush:
        tree = session.scalars(select(Department.path)).all()
    ensure_reach_stays(
        session.caller,
        [Relocation(at, path + at.removeprefix(path_before) if at.startswith(path_before) else at) for at in tree],
    )


def _move_below(session: ServiceSession, moved: Department, path_before: str) -> Sequence[DepartmentChanged]:
    """Give the departments below the moved one their new paths."""
    below = select(Department).where(Department.path.like(starting_with(path_before)), Department.id != moved.id)
    facts = []
    for department in session.scalars(below.order_by(Department.path)).all():
        previous = department.path
        department.path = moved.path + previous.removeprefix(path_before)
        ensure_depth(department.path)
        department.version += 1
        department.update_time = session.now
        facts.append(department.changed(previous))
    session.flush()
    return facts


def _move_users(session: ServiceSession, moved: Department, path_before: str) -> Sequence[UserChanged]:
    """Give the users of the subtree their new paths, and end the access tokens that state the old ones."""
    rewrite = (
        update(User)
        .where(User.department_path.like(starting_with(path_before)))
        .values(
            department_path=moved.path + func.substr(User.department_path, len(path_before) + 1),
            version=User.version + 1,
            update_time=session.now,
        )
        .returning(User)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    users = session.scalars(rewrite).all()
    revoke_tokens(session, [user.name for user in users])
    return [user.changed() for user in users]
