"""Reads of relations: nobody sees a relation of which they do not see both customers."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import Invalid, NotFound
from chassis.organisation import organisation
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, or_, select, true

from customers import queries
from customers.model import Customer, CustomerRelation, RelationKind
from customers.relations.rules import holds_on

USUAL_DEPTH = 2
MOST_DEPTH = 5
MOST_NODES = 500
MOST_EDGES = 2_000
"""Relations that are looked at on each step."""
_NEWEST = [
    SortKey(column, descending=True, nullable=False) for column in (CustomerRelation.create_time, CustomerRelation.id)
]


class Graph(NamedTuple):
    """Customers that are related to one another."""

    nodes: Sequence[tuple[Any, int]]
    """Customers as rows, with the number of steps that they are away."""
    edges: Sequence[CustomerRelation]
    hidden: int
    """How many customers next to these the caller may not see."""
    truncated: bool


def no_relation() -> NotFound:
    """The refusal of a relation that does not exist or cannot be seen, which are told alike."""
    return NotFound("RELATION_NOT_FOUND", "there is no such relation, or you may not see it")


def get_relation(session: ServiceSession, relation_id: UUID) -> CustomerRelation:
    """A relation. Raises NotFound."""
    relation = session.get(CustomerRelation, relation_id)
    if relation is None or len(_visible(session, {relation.from_id, relation.to_id})) < 2:
        raise no_relation()
    return relation


def list_relations(
    session: ServiceSession, customer_id: UUID, kinds: Sequence[str], *, page_size: int, page_token: str
) -> Page[Any]:
    """A page of a customer's relations in both directions, the newest first."""
    size = paging.page_size(page_size)
    queries.get_customer(session, customer_id)
    seen = select(Customer.id).where(
        Customer.id.in_([CustomerRelation.from_id, CustomerRelation.to_id]),
        Customer.id != customer_id,
        queries.reach(session, "customer.read"),
    )
    statement = select(CustomerRelation).where(_touching([customer_id]), _of(kinds), seen.exists())
    mark = paging.fingerprint("customer-relations", str(customer_id), *kinds)
    return paging.fetch_page(session, statement, _NEWEST, size, page_token, mark)


def relation_graph(
    session: ServiceSession, customer_id: UUID, *, depth: int, kinds: Sequence[str], on_date: date | None
) -> Graph:
    """The customers around one, step by step; those that were met before end a circle. Raises NotFound or Invalid."""
    if not 0 <= depth <= MOST_DEPTH:
        raise Invalid("OUT_OF_RANGE", f"the depth is from 1 to {MOST_DEPTH}", field="depth")
    nodes: dict[UUID, tuple[Any, int]] = {customer_id: (queries.get_customer(session, customer_id), 0)}
    day = on_date or session.now.astimezone(organisation(session).zone).date()
    edges: dict[UUID, CustomerRelation] = {}
    hidden: set[UUID] = set()
    truncated, frontier = False, [customer_id]
    for step in range(1, (depth or USUAL_DEPTH) + 1):
        statement = select(CustomerRelation).where(_touching(frontier), _of(kinds), holds_on(day))
        found = session.scalars(statement.order_by(CustomerRelation.id).limit(MOST_EDGES + 1)).all()
        near = {key for edge in found[:MOST_EDGES] for key in (edge.from_id, edge.to_id)} - nodes.keys() - hidden
        seen = _visible(session, near)
        hidden |= near - seen.keys()
        room = MOST_NODES - len(nodes)
        truncated = truncated or len(found) > MOST_EDGES or len(seen) > room
        frontier = sorted(seen)[:room]
        nodes |= {key: (seen[key], step) for key in frontier}
        edges |= {edge.id: edge for edge in found[:MOST_EDGES]}
        if not frontier:
            break
    shown = [edge for edge in edges.values() if edge.from_id in nodes and edge.to_id in nodes]
    return Graph(list(nodes.values()), shown, len(hidden), truncated)


def _touching(customer_ids: Sequence[UUID]) -> ColumnElement[bool]:
    return or_(CustomerRelation.from_id.in_(customer_ids), CustomerRelation.to_id.in_(customer_ids))


def _of(kinds: Sequence[str]) -> ColumnElement[bool]:
    for kind in kinds:
        if kind not in RelationKind.__members__:
            raise Invalid("INVALID_RELATION_KIND", f"a kind is one of {', '.join(RelationKind)}", field="kinds")
    return CustomerRelation.kind.in_(kinds) if kinds else true()


def _visible(session: ServiceSession, ids: set[UUID]) -> dict[UUID, Any]:
    """Those of the customers that the caller sees, as rows."""
    statement = queries.CUSTOMERS.where(Customer.id.in_(ids), queries.reach(session, "customer.read"))
    return {row.id: row for row in session.execute(statement)}
