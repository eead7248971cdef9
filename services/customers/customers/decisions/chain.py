"""Who decides at a customer, as a tree by whom they report to."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from chassis.db import ServiceSession
from chassis.field_rules import may_read
from sqlalchemy import or_, select
from sqlalchemy.orm import aliased

from customers import queries
from customers.model import Contact
from customers.own_fields import CONTACT_ENTITY

MOST_NODES = 500


class Node(NamedTuple):
    """Somebody in the tree."""

    contact: Any
    """The contact as a row."""
    depth: int
    """How many people are above."""


class Chain(NamedTuple):
    """The people who decide, each after whom they report to."""

    nodes: Sequence[Node]
    truncated: bool


def decision_chain(session: ServiceSession, customer_id: UUID) -> Chain:
    """Who decides at a customer. Raises NotFound if the caller may not see the customer."""
    queries.get_customer(session, customer_id)
    follower = aliased(Contact)
    followed = select(follower.id).where(follower.reports_to_id == Contact.id).exists()
    # Who is kept from knowing of a judgement does not learn from the list that there is one either.
    judgements = {field: getattr(Contact, field) for field in ("decision_role", "influence", "stance")}
    readable = {field for field in judgements if may_read(session.caller, CONTACT_ENTITY, field)}
    judged = [judgements[field].is_not(None) for field in sorted(readable)]
    takes_part = or_(Contact.reports_to_id.is_not(None), followed, *judged)
    statement = queries.visible_contacts(session).where(Contact.customer_id == customer_id, takes_part)
    rows = session.execute(statement.order_by(Contact.id).limit(MOST_NODES + 1)).all()
    nodes = _in_order(rows[:MOST_NODES], by_influence="influence" in readable)
    return Chain(list(nodes), len(rows) > MOST_NODES)


def _in_order(rows: Sequence[Any], *, by_influence: bool) -> Iterator[Node]:
    """Everybody after whom they report to, those of more influence first."""
    there = {row.id for row in rows}
    below: dict[UUID | None, list[Any]] = {}
    for row in sorted(rows, key=lambda row: (-(row.influence or 0) if by_influence else 0, row.id)):
        below.setdefault(row.reports_to_id if row.reports_to_id in there else None, []).append(row)
    waiting = [Node(row, 0) for row in reversed(below.get(None, ()))]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [Node(row, node.depth + 1) for row in reversed(below.get(node.contact.id, ()))]
