"""Change when a relation between customers holds, or what is remarked on it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag
from chassis.snapshots import difference
from sqlalchemy import select

from customers import rules
from customers.model import CustomerRelation
from customers.queries import lock_customer
from customers.relations.queries import get_relation, no_relation
from customers.relations.rules import judge_relation, lock_lines
from customers.usecases.create_relation import relation_snapshot


def update_relation(
    session: ServiceSession, relation_id: UUID, values: Mapping[str, Any], *, etag: str = ""
) -> CustomerRelation:
    """Change a relation by raw values by field. No change leaves no trace. Raises what `judge_relation` raises."""
    stored, faults = rules.apply(rules.RELATION_RULES, values)
    rules.refuse(faults)
    relation = lock_relation(session, relation_id)
    check_etag(etag, relation.version)
    before = relation_snapshot(relation)
    for column, value in stored.items():
        setattr(relation, column, value)
    old, new = difference(before, relation_snapshot(relation))
    if not new:
        return relation
    lock_lines(session)
    judge_relation(session, relation)
    relation.version += 1
    relation.update_time = session.now
    session.flush()
    audit.record(session, "customer_relation.update", relation.name, old, new)
    return relation


def lock_relation(session: ServiceSession, relation_id: UUID) -> CustomerRelation:
    """A relation, locked for a change. Raises NotFound, or Denied NOT_YOURS of its customer."""
    relation = get_relation(session, relation_id)
    lock_customer(session, relation.from_id, "customer.update")
    same = CustomerRelation.id == relation_id, CustomerRelation.from_id == relation.from_id
    statement = select(CustomerRelation).where(*same).with_for_update()
    locked = session.scalars(statement.execution_options(populate_existing=True)).first()
    if locked is None:  # somebody deleted it, or merged its customer away, while this waited
        raise no_relation()
    return locked
