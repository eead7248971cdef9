"""People who look after single records besides their owners, e.g. for departments that look after one together.

A data scope reaches a record by each of its followers as it does by the owner, for the permissions that collaboration
opens. Who reaches no record by followers keeps the plain statement of the scope, after one look into an index.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, Uuid, and_, any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.callers import Scope
from chassis.columns import AnyColumn
from chassis.db import ServiceSession
from chassis.prepared import Prepared
from chassis.scopes import in_scope, scope_values

_PAST_PATHS = "~"
"""Sorts after all that a path is made of, in the order "C"."""


@dataclass(frozen=True)
class Followers:
    """A table of the followers of records. Its paths must sort by the order "C"."""

    record: AnyColumn
    """The id of the record."""
    owner: AnyColumn
    """Who follows it."""
    department_path: AnyColumn
    """The path of the follower's department."""
    live: AnyColumn
    """Whether a row counts."""

    def theirs(self, scope: Scope) -> ColumnElement[bool]:
        """Whether a row counts and lies in a scope."""
        return and_(self.live, in_scope(scope, self.owner, self.department_path))

    def records(self, scope: Scope) -> Select[UUID]:
        """The ids of the records that a scope reaches by their followers."""
        return select(self.record).where(self.theirs(scope))

    def among(self, session: ServiceSession, scope: Scope, ids: Collection[UUID]) -> set[UUID]:
        """Those of the records that a scope reaches by their followers."""
        return set(session.scalars(self.records(scope).where(self.record.in_(ids)))) if ids else set()

    def any_in(self, session: ServiceSession, scope: Scope) -> bool:
        """Whether a scope reaches any record by its followers."""
        row = self._any.first(session, **scope_values(scope))
        return row is not None and bool(row.found)

    @cached_property
    def _any(self) -> Prepared:
        """A look for each way to be in a scope, so that the index of each way serves it."""
        tree = func.unnest(bindparam("trees", type_=ARRAY(String))).column_valued("tree")
        # The first path from the tree's own on lies in the tree if any does.
        first = select(func.min(self.department_path)).where(self.live, self.department_path >= tree)
        ways = (
            self.owner == bindparam("owner", type_=Uuid),
            self.department_path == any_(bindparam("departments", type_=ARRAY(String))),
        )
        looks = [select(self.record).where(self.live, way).exists() for way in ways]
        below = select(tree).where(first.scalar_subquery() < func.concat(tree, _PAST_PATHS)).exists()
        return Prepared(select(or_(*looks, below).label("found")))
