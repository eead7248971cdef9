"""Who sees which entries of the timeline of a customer that several theatres follow.

What a theatre logs that follows the customer beside its owner is for those who reach the theatre's part; what else is
logged is for those who reach the customer by its owner or by a share. Entries of other kinds are common.
"""

from collections.abc import Sequence
from typing import Any

from chassis.callers import Scope
from sqlalchemy import ColumnElement, and_, false, or_, true

from customers.model import CustomerTheatre, TimelineKind

THEATRE = "theatre"
"""The detail of an entry that names the theatre that it was logged for."""


def entries_seen(
    columns: Any, theatres: Sequence[CustomerTheatre], scope: Scope, *, reached: bool
) -> ColumnElement[bool]:
    """Whether somebody sees an entry of these columns: `theatres` are those that follow the customer, `reached` says
    whether the customer is reached by its owner or by a share."""
    if scope.everything or not theatres:
        return true()
    of_theatre = columns.details[THEATRE].astext
    mine = [one.theatre for one in theatres if scope.reaches(one.owner_id, one.owner_department_path)]
    others = or_(of_theatre.is_(None), of_theatre.not_in([one.theatre for one in theatres]))
    shared = columns.kind != TimelineKind.FOLLOW_UP_LOGGED
    return or_(shared, and_(others, true() if reached else false()), of_theatre.in_(mine))
