"""What follows from a customer's own values and from its children: formulas, roll-ups, quality, tags by rule.

It is brought up to date in the transaction of the change that it follows from, and is no change of its own: the
version stays. `refresh` also brings it up to date when definitions, weights or rules have changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.custom_records import Judge
from chassis.db import ServiceSession
from sqlalchemy import select, update
from sqlalchemy.orm import defer
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from customers.model import Contact, Customer
from customers.own_records import CONTACTS, CUSTOMERS, plain_values
from customers.quality import Scorer, weights_of
from customers.tag_rules import TagRules, Tags


def complete(judge: Judge, scorer: Scorer, customer: Customer) -> None:
    """Derive what a customer's own values lead to, before it is written: the formulas and the score."""
    custom = judge.derive(customer.custom, plain_values(CUSTOMERS, customer))
    if custom != customer.custom:
        customer.custom = custom
    score = scorer.score_of(customer)
    if score != customer.quality_score:
        customer.quality_score = score


def children_changed(session: ServiceSession, customer_ids: Sequence[UUID], *children: str) -> None:
    """Reckon the roll-ups over some kinds of children anew, and what follows from them."""
    judge = Judge(session, CUSTOMERS)
    rolled = [kind for kind in children if judge.rolls_up(kind)]
    if customer_ids and rolled:
        _refresh(session, judge, customer_ids, rolled)
    elif customer_ids:  # a rule may look at what the children have left on the customer
        write_tags(session, TagRules.read(session).changes(session, customer_ids))


def refresh(session: ServiceSession, customer_ids: Sequence[UUID]) -> int:
    """Bring all that is derived of some customers up to date. Returns how many it changed."""
    return _refresh(session, Judge(session, CUSTOMERS), customer_ids)


def refresh_contacts(session: ServiceSession, contact_ids: Sequence[UUID]) -> int:
    """Bring the formulas of some contacts up to date. Returns how many it changed."""
    judge, changed = Judge(session, CONTACTS), 0
    for contact in session.scalars(select(Contact).where(Contact.id.in_(contact_ids)).with_for_update()):
        custom = judge.derive(contact.custom, plain_values(CONTACTS, contact))
        if custom != contact.custom:
            contact.custom, changed = custom, changed + 1
    session.flush()
    return changed


def tag_by_rules(session: ServiceSession, rules: TagRules, customers: Sequence[Customer]) -> None:
    """Set and remove the tags of rules on customers that have been written."""
    changes = rules.changes(session, [customer.id for customer in customers])
    for customer in customers:
        if customer.id in changes:
            customer.tags, customer.rule_tags = changes[customer.id]
    session.flush()


def _refresh(session: ServiceSession, judge: Judge, ids: Sequence[UUID], children: Sequence[str] = ()) -> int:
    statement = select(Customer).where(Customer.id.in_(ids)).order_by(Customer.id).with_for_update(key_share=True)
    statement = statement.options(defer(Customer.grams), defer(Customer.search_text))  # long, and never read
    customers = session.scalars(statement.execution_options(populate_existing=True)).all()
    rolled = judge.roll_up([customer.id for customer in customers], *children) if judge.rolls_up() else {}
    scorer, changed = Scorer(weights_of(session)), set()
    for customer in customers:
        before = customer.custom, customer.quality_score
        values = dict(customer.custom) | rolled.get(customer.id, {})
        customer.custom = {key: value for key, value in values.items() if value is not None}
        complete(judge, scorer, customer)
        if (customer.custom, customer.quality_score) != before:
            changed.add(customer.id)
    session.flush()
    rules = TagRules.read(session)
    changes = rules.changes(session, [customer.id for customer in customers], sweep=not children)
    write_tags(session, changes)
    return len(changed | changes.keys())


def write_tags(session: ServiceSession, changes: Mapping[UUID, Tags]) -> None:
    """Write what rules change of customers' tags."""
    rows: list[dict[str, Any]] = [
        {"id": key, "tags": tags, "rule_tags": by_rule} for key, (tags, by_rule) in changes.items()
    ]
    if rows:
        session.execute(update(Customer), rows)
        for row in rows:  # by primary key, which does not reach entities that are loaded
            if (known := session.identity_map.get(identity_key(Customer, row["id"]))) is not None:
                set_committed_value(known, "tags", row["tags"])
                set_committed_value(known, "rule_tags", row["rule_tags"])
