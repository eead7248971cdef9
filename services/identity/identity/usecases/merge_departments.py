"""Merge departments into another one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID, uuid4

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Duplicate, Invalid
from sqlalchemy import Text, Uuid, column, delete, select, update, values

from identity import queries
from identity.locks import lock_tree
from identity.model import Base, Department, User, ensure_depth
from identity.policy import bump_policy, revoke_tokens
from identity.reach import Relocation, ensure_reach_stays
from identity.uniqueness import flush_unique
from identity.usecases.delete_department import ensure_not_granted, farewell

MAXIMUM_SOURCES = 50


def merge_departments(
    session: ServiceSession, source_ids: Sequence[UUID], target_id: UUID, *, merge_namesakes: bool
) -> Department:
    """Bring the people and the departments of the sources to the target, delete the sources, and announce it all.

    A department that would lie beside another of its name is merged into that if `merge_namesakes` is true. Raises
    Invalid INVALID_MERGE, Duplicate DEPARTMENT_NAME_TAKEN, Conflict DEPARTMENT_IN_GRANTS or TREE_TOO_DEEP, or Denied.
    """
    for permission in ("department.update", "department.delete"):
        session.caller.require_everything(permission)
    lock_tree(session)
    bump_policy(session)
    target = queries.get_department(session, target_id, field="target")
    sources = [queries.get_department(session, key, field="sources") for key in dict.fromkeys(source_ids)]
    _check(sources, target)
    merging = _Merging(session.scalars(select(Department)).all(), sources, merge_namesakes=merge_namesakes)
    for source in sources:
        merging.absorb(source, target)
    ensure_not_granted(session, merging.into)
    ensure_reach_stays(session.caller, merging.relocations())
    _apply(session, merging)
    audit.record(session, "department.merge", target.name, None, {"sources": [source.name for source in sources]})
    return target


def _check(sources: Sequence[Department], target: Department) -> None:
    if not 1 <= len(sources) <= MAXIMUM_SOURCES:
        raise Invalid("INVALID_MERGE", f"name 1 to {MAXIMUM_SOURCES} departments to merge", field="sources")
    for source in sources:
        if target.path.startswith(source.path):
            message = f"{source.name} is the target itself or lies above it"
            raise Invalid("INVALID_MERGE", message, field="sources")


class _Merging:
    """Who goes where. Nothing is changed yet: only so can it be judged first."""

    def __init__(
        self, departments: Iterable[Department], sources: Iterable[Department], *, merge_namesakes: bool
    ) -> None:
        self.departments = {department.id: department for department in departments}
        self.into: dict[UUID, UUID] = {}
        """Departments that cease to be, with those that take their places."""
        self._parents = {key: department.parent_id for key, department in self.departments.items()}
        self._sources = {source.id for source in sources}
        self._merge_namesakes = merge_namesakes
        self._children: defaultdict[UUID | None, list[Department]] = defaultdict(list)
        for department in sorted(self.departments.values(), key=lambda each: each.path):
            self._children[department.parent_id].append(department)

    def absorb(self, source: Department, target: Department) -> None:
        """Put what lies below the source below the target, in the source's stead."""
        self.into[source.id] = target.id
        for child in self._children.pop(source.id, []):
            if child.id in self._sources:
                continue
            namesake = self._namesake(child, target)
            if namesake is None:
                self._parents[child.id] = target.id
                self._children[target.id].append(child)
            elif self._merge_namesakes:
                self.absorb(child, namesake)
            else:
                raise Duplicate(
                    "DEPARTMENT_NAME_TAKEN",
                    f"{child.name} would lie beside {namesake.name} of that name: rename one, or merge namesakes too",
                    field="sources",
                )

    def _namesake(self, child: Department, target: Department) -> Department | None:
        beside = (other for other in self._children[target.id] if other.id not in self._sources)
        return next((other for other in beside if other.display_name == child.display_name), None)

    def parent_of(self, department: Department) -> UUID | None:
        """The department above, after all."""
        return self._parents[department.id]

    def paths(self) -> dict[UUID, str]:
        """The paths of the departments that remain."""
        found: dict[UUID, str] = {}

        def path_of(key: UUID) -> str:
            if key not in found:
                parent = self._parents[key]
                found[key] = f"{path_of(parent) if parent else ''}{key}/"
            return found[key]

        return {key: path_of(key) for key in self.departments if key not in self.into}

    def relocations(self) -> list[Relocation]:
        """Where the records of each department's people go."""
        paths = self.paths()
        return [
            Relocation(department.path, paths[self.into.get(key, key)]) for key, department in self.departments.items()
        ]


def _apply(session: ServiceSession, merging: _Merging) -> None:
    before = {key: department.snapshot() for key, department in merging.departments.items()}
    merged = [merging.departments[key] for key in merging.into]
    for department in merged:
        department.display_name = str(uuid4())  # its name is free from here on
    session.flush()
    moved = _move_departments(session, merging)
    people = _move_people(session, merging.into, merging.paths(), moved)
    _repoint(session, merging.into)
    gone = delete(Department).where(Department.id.in_(merging.into))
    session.execute(gone, execution_options={"synchronize_session": False})
    changes = [audit.Change("department.update", each.name, before[each.id], each.snapshot()) for each in moved]
    changes += [audit.Change("department.delete", each.name, before[each.id], None) for each in merged]
    audit.record_all(session, changes)
    outbox.emit_all(session, [each.changed(before[each.id]["path"]) for each in moved])
    outbox.emit_all(session, [user.changed() for user in people])
    outbox.emit_all(session, [farewell(session, each, merging.into[each.id]) for each in merged])


def _move_departments(session: ServiceSession, merging: _Merging) -> list[Department]:
    """Give the departments that remain their new places. Returns those that have another one now."""
    moved = []
    for key, path in sorted(merging.paths().items(), key=lambda item: item[1]):
        department = merging.departments[key]
        if department.path != path:
            ensure_depth(path)
            department.parent_id, department.path = merging.parent_of(department), path
            department.version += 1
            department.update_time = session.now
            moved.append(department)
    flush_unique(session)
    return moved


def _move_people(
    session: ServiceSession, into: Mapping[UUID, UUID], paths: Mapping[UUID, str], moved: Sequence[Department]
) -> Sequence[User]:
    """Bring the people of departments that were merged or moved along, and end the access tokens that state the old."""
    homes = {department.id: department.id for department in moved} | dict(into)
    rows = [(key, home, paths[home]) for key, home in homes.items()]
    place = values(column("here", Uuid), column("home", Uuid), column("path", Text), name="place").data(rows)
    rewrite = (
        update(User)
        .where(User.department_id == place.c.here)
        .values(
            department_id=place.c.home,
            department_path=place.c.path,
            version=User.version + 1,
            update_time=session.now,
        )
        .returning(User)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    people = session.scalars(rewrite).all() if rows else []
    revoke_tokens(session, [user.name for user in people])
    return people


def _repoint(session: ServiceSession, into: Mapping[UUID, UUID]) -> None:
    """Whatever else names a merged department names the one that took its place."""
    own = {Department.__tablename__, User.__tablename__}
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_keys:
            if table.name not in own and key.column is Department.__table__.c.id:
                for source, target in into.items():
                    named = update(table).where(table.c[key.parent.name] == source)
                    session.execute(named.values({key.parent.name: target}))
