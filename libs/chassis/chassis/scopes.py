"""A caller's data scope as one predicate, for use alike in get, list, search, count and export."""

from sqlalchemy import ColumnElement, false, or_, true

from chassis.callers import Scope
from chassis.columns import AnyColumn
from chassis.likes import starting_with


def in_scope(scope: Scope, owner: AnyColumn, department_path: AnyColumn) -> ColumnElement[bool]:
    """Whether a row lies in the scope, by its owner and its owner's department path. Agrees with `Scope.reaches`.

    An index on the owner serves SELF; one on the path with `text_pattern_ops` serves departments and trees.
    """
    if scope.everything:
        return true()
    clauses: list[ColumnElement[bool]] = []
    if scope.owner is not None:
        clauses.append(owner == scope.owner)
    if scope.departments:
        clauses.append(department_path.in_(scope.departments))
    clauses += [department_path.like(starting_with(tree)) for tree in scope.trees]
    return or_(*clauses) if clauses else false()
