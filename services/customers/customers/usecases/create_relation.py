"""Enter how a customer stands to another."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.names import make_name, new_id
from chassis.snapshots import filled

from customers import rules
from customers.model import CustomerRelation
from customers.queries import get_customer, lock_customer
from customers.relations.rules import judge_relation, lock_lines


def create_relation(
    session: ServiceSession, customer_id: UUID, related_id: UUID, values: Mapping[str, Any]
) -> CustomerRelation:
    """Enter a relation from raw values by field, see `rules.RELATION_RULES`. Raises what `judge_relation` raises."""
    stored, faults = rules.apply(rules.RELATION_RULES, values)
    rules.refuse(faults)
    lock_customer(session, customer_id, "customer.update")
    get_customer(session, related_id)
    lock_lines(session)
    relation = CustomerRelation(
        id=new_id(),
        from_id=customer_id,
        to_id=related_id,
        **stored,
        creator=session.caller.subject,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    judge_relation(session, relation)
    session.add(relation)
    session.flush()
    audit.record(session, "customer_relation.create", relation.name, None, relation_snapshot(relation))
    return relation


def relation_snapshot(relation: CustomerRelation) -> dict[str, Any]:
    """All that a relation holds, for the audit log. What is empty is left out."""
    return filled(
        {
            "customer": make_name("customers", relation.from_id),
            "related": make_name("customers", relation.to_id),
            "kind": relation.kind,
            "valid_from": relation.valid_from.isoformat() if relation.valid_from else None,
            "valid_until": relation.valid_until.isoformat() if relation.valid_until else None,
            "remark": relation.remark,
            "creator": relation.creator,
            "version": relation.version,
        }
    )
