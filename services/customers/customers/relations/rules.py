"""What relations there can be: none to oneself, none twice, and nobody above themselves on any day."""

from datetime import date
from uuid import UUID

from chassis import locks
from chassis.db import ServiceSession
from chassis.errors import Conflict, Duplicate, Invalid
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.dialects.postgresql import DATERANGE

from customers.model import CustomerRelation
from customers.model.relations import MUTUAL, UPWARD


def judge_relation(session: ServiceSession, relation: CustomerRelation) -> None:
    """Raise Invalid INVALID_PERIOD or RELATED_TO_ITSELF, Duplicate DUPLICATE_RELATION, or Conflict RELATION_CYCLE."""
    if relation.valid_from and relation.valid_until and relation.valid_from > relation.valid_until:
        raise Invalid("INVALID_PERIOD", "the last day is before the first", field="valid_until")
    if relation.from_id == relation.to_id:
        raise Invalid("RELATED_TO_ITSELF", "a relation is one to another customer", field="related")
    with session.no_autoflush:  # what is judged is not written yet
        if session.scalar(select(CustomerRelation.id).where(_same(relation))) is not None:
            message = "this relation is there: change it, or delete it first"
            raise Duplicate("DUPLICATE_RELATION", message, field="related")
        if is_cycle(session, relation):
            message = "the other customer is below this one already, directly or through others, on some of these days"
            raise Conflict("RELATION_CYCLE", message, field="related")


def lock_lines(session: ServiceSession) -> None:
    """Let nobody else change who is above whom until the end of the transaction: two changes that are right alone may
    make a cycle together."""
    locks.hold(session, "customer_relation")


def is_cycle(session: ServiceSession, relation: CustomerRelation) -> bool:
    """Whether a relation would put a customer above itself on a day. Others are followed upwards, for as long as they
    all hold; pairs of a customer and a period are looked at once, so that it ends."""
    if relation.kind not in UPWARD:
        return False
    table = CustomerRelation.__table__.c
    period = func.daterange(table.valid_from, table.valid_until, "[]", type_=DATERANGE)
    mine = func.daterange(relation.valid_from, relation.valid_until, "[]", type_=DATERANGE)
    upward = and_(table.kind.in_(sorted(UPWARD)), table.id != relation.id)
    start = select(table.to_id.label("id"), (period * mine).label("period"))
    above = start.where(table.from_id == relation.to_id, upward, period.op("&&")(mine)).cte("above", recursive=True)
    further = select(table.to_id, (period * above.c.period))
    above = above.union(further.where(table.from_id == above.c.id, upward, period.op("&&")(above.c.period)))
    return session.scalar(select(above.c.id).where(above.c.id == relation.from_id).limit(1)) is not None


def holds_on(day: date) -> ColumnElement[bool]:
    """Whether a relation holds on a day."""
    return and_(
        or_(CustomerRelation.valid_from.is_(None), CustomerRelation.valid_from <= day),
        or_(CustomerRelation.valid_until.is_(None), CustomerRelation.valid_until >= day),
    )


def _same(relation: CustomerRelation) -> ColumnElement[bool]:
    same = _between(relation.from_id, relation.to_id)
    if relation.kind in MUTUAL:
        same = or_(same, _between(relation.to_id, relation.from_id))
    return and_(same, CustomerRelation.kind == relation.kind, CustomerRelation.id != relation.id)


def _between(from_id: UUID, to_id: UUID) -> ColumnElement[bool]:
    return and_(CustomerRelation.from_id == from_id, CustomerRelation.to_id == to_id)
