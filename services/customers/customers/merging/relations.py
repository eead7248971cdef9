"""Relations of customers that become one: they become those of the one that stays."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import DomainError
from sqlalchemy import delete, or_, select

from customers.merging import rows
from customers.model import Customer, CustomerRelation
from customers.relations.rules import judge_relation, lock_lines
from customers.usecases.create_relation import relation_snapshot

TABLE = "customer_relation"


def relations_of(session: ServiceSession, customer_ids: Sequence[UUID]) -> rows.Rows:
    """The rows of all relations of customers that become one with another, to be put back by `restore_relations`."""
    found = [row for column in ("from_id", "to_id") for row in rows.read_rows(session, TABLE, column, customer_ids)]
    return list({row["id"]: row for row in found}.values())


def move_relations(session: ServiceSession, customer_id: UUID, others: Sequence[UUID]) -> int:
    """Give the relations of others to a customer; those that it has or cannot have end. Returns how many it got."""
    lock_lines(session)
    touching = or_(CustomerRelation.from_id.in_(others), CustomerRelation.to_id.in_(others))
    statement = select(CustomerRelation).where(touching).order_by(CustomerRelation.id).with_for_update()
    moved = 0
    for relation in session.scalars(statement).all():
        before = relation_snapshot(relation)
        with session.no_autoflush:
            relation.from_id = customer_id if relation.from_id in others else relation.from_id
            relation.to_id = customer_id if relation.to_id in others else relation.to_id
            kept = _possible(session, relation)
            if not kept:
                session.refresh(relation)
        if kept:
            relation.version += 1
            relation.update_time = session.now
            moved += 1
        else:
            session.delete(relation)
        session.flush()
        after = relation_snapshot(relation) if kept else None
        audit.record(session, "customer_relation.merge", relation.name, before, after)
    return moved


def restore_relations(session: ServiceSession, kept: Sequence[Mapping[str, Any]]) -> None:
    """Put relations back as they were, but for those with customers that are no more."""
    ids = {UUID(row["id"]) for row in kept}
    session.execute(delete(CustomerRelation).where(CustomerRelation.id.in_(ids)))
    ends = {UUID(row[column]) for row in kept for column in ("from_id", "to_id")}
    there = set(session.scalars(select(Customer.id).where(Customer.id.in_(ends))))
    back = [row for row in kept if {UUID(row["from_id"]), UUID(row["to_id"])} <= there]
    rows.put_rows(session, TABLE, back)
    restored = select(CustomerRelation).where(CustomerRelation.id.in_(UUID(row["id"]) for row in back))
    found = session.scalars(restored.order_by(CustomerRelation.id).execution_options(populate_existing=True)).all()
    for relation in found:
        relation.version += 1
        relation.update_time = session.now
    session.flush()
    changes = [audit.Change("customer_relation.unmerge", one.name, None, relation_snapshot(one)) for one in found]
    audit.record_all(session, changes)


def _possible(session: ServiceSession, relation: CustomerRelation) -> bool:
    try:
        judge_relation(session, relation)
    except DomainError:
        return False
    return True
