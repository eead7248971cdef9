"""A caller's data scope as one predicate, for use alike in get, list, search, count and export."""

from typing import Any

from sqlalchemy import ColumnElement, String, Uuid, any_, bindparam, false, func, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

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


def in_given_scope(owner: AnyColumn, department_path: AnyColumn) -> ColumnElement[bool]:
    """The same for prepared queries, which are given the scope by `scope_values`. No index serves it."""
    tree = func.unnest(bindparam("trees", type_=ARRAY(String))).column_valued("tree")
    return or_(
        owner == bindparam("owner", type_=Uuid),
        department_path == any_(bindparam("departments", type_=ARRAY(String))),
        select(tree).where(func.starts_with(department_path, tree)).exists(),
    )


def scope_values(scope: Scope) -> dict[str, Any]:
    """A scope that does not hold everything, as the parameters of prepared queries."""
    return {"owner": scope.owner, "departments": list(scope.departments), "trees": list(scope.trees)}
