"""Create a customer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.custom_records import Judge
from chassis.db import ServiceSession
from chassis.names import new_id

from customers import rules
from customers.derived import complete, tag_by_rules
from customers.duplicate_finding.settings import refuse_likely_duplicate
from customers.duplicates import refuse_duplicate, refusing_duplicates
from customers.events import CustomerCreated
from customers.facts import snapshot, state
from customers.field_templates import lacks, required_fields
from customers.model import Customer, CustomerKind, CustomerStatus
from customers.own_fields import ENTITY
from customers.own_records import CUSTOMERS, judged
from customers.owners import Owner, find_owner, set_owner


@dataclass(frozen=True)
class CustomerDraft:
    """A customer as its creator states it: raw values by field, see `rules.CUSTOMER_RECORD_RULES`."""

    values: Mapping[str, Any]
    custom_fields: Mapping[str, Any]
    owner_id: UUID | None = None


def create_customer(session: ServiceSession, draft: CustomerDraft) -> Customer:
    """Create a customer and announce it. Its owner is the caller unless the draft names another."""
    owner = _owner(session, draft.owner_id)
    judge = Judge(session, CUSTOMERS)
    customer = new_customer(session, draft, judge)
    set_owner(customer, owner)
    refuse_duplicate(session, customer)
    refuse_likely_duplicate(session, customer)
    customer.custom = judge.number(customer.custom)
    judge.close()
    complete(session, judge, customer)
    session.add(customer)
    with refusing_duplicates():
        session.flush()
    tag_by_rules(session, [customer])
    audit.record(session, "customer.create", customer.name, None, snapshot(customer))
    outbox.emit(session, CustomerCreated(customer.name, customer.version, state(customer)))
    return customer


def new_customer(session: ServiceSession, draft: CustomerDraft, judge: Judge | None = None) -> Customer:
    """A customer without an owner, its fields judged. Raises Invalid, naming every field at fault."""
    given = {"kind": CustomerKind.COMPANY, "display_name": "", "status": CustomerStatus.POTENTIAL}
    stored, faults = rules.apply(rules.CUSTOMER_RECORD_RULES, given | dict(draft.values))
    custom, custom_faults = judged(judge or Judge(session, CUSTOMERS), draft.custom_fields, current=None)
    lacking = lacks(required_fields(session, ENTITY, stored.get("kind", "")), stored, custom)
    rules.refuse([*faults, *rules.contradictions(stored), *custom_faults, *lacking])
    number = stored.pop("identity_number", None)
    empty: dict[str, Any] = {"phones": [], "emails": [], "tags": []}
    customer = Customer(
        id=new_id(),
        **(empty | rules.with_country(stored)),
        custom=custom,
        creator=session.caller.subject,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    customer.keep_identity_number(session.data_keys, number)
    customer.refresh_keys()
    return customer


def _owner(session: ServiceSession, named: UUID | None) -> Owner | None:
    if named is not None and named != session.caller.user_id:
        session.caller.scope("customer.transfer")
    owner_id = named or session.caller.user_id
    return find_owner(session, owner_id) if owner_id is not None else None
