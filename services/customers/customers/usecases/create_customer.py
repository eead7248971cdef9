"""Create a customer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.custom_records import Judge
from chassis.db import ServiceSession
from chassis.names import new_id
from chassis.prepared import NewRow

from customers import rules
from customers.derived import complete, tag_by_rules
from customers.duplicate_finding.settings import refuse_likely_duplicate
from customers.duplicates import refuse_duplicate, refusing_duplicates
from customers.events import CustomerCreated
from customers.facts import snapshot, state
from customers.field_templates import lacks
from customers.model import Customer, CustomerKind, CustomerStatus, Origin
from customers.own_records import judged
from customers.owners import Owner, find_owner, set_owner
from customers.premises import Premises, read_premises
from customers.tiers.changes import Move, note_tiers
from customers.tiers.vocabulary import level_violations


@dataclass(frozen=True)
class CustomerDraft:
    """A customer as its creator states it: raw values by field, see `rules.CUSTOMER_RECORD_RULES`."""

    values: Mapping[str, Any]
    custom_fields: Mapping[str, Any]
    owner_id: UUID | None = None


_NEW = NewRow(Customer)


def create_customer(session: ServiceSession, draft: CustomerDraft) -> Customer:
    """Create a customer and announce it. Its owner is the caller unless the draft names another."""
    owner = _owner(session, draft.owner_id)
    premises = read_premises(session)
    judge = premises.judge(session)
    customer = _judged(session, draft, premises, judge)
    set_owner(customer, owner)
    refuse_duplicate(session, customer)
    refuse_likely_duplicate(session, customer, premises.duplicate_policy)
    customer.custom = judge.number(customer.custom)
    judge.close()
    complete(judge, premises.scorer, customer)
    with refusing_duplicates():
        _NEW.write(session, customer)
    tag_by_rules(session, premises.tag_rules(session), [customer])
    audit.record(session, "customer.create", customer.name, None, snapshot(customer))
    note_tiers(session, [Move(customer.id, None, customer.level)], Origin.MANUAL, new=True)
    outbox.emit(session, CustomerCreated(customer.name, customer.version, state(customer)))
    return customer


def new_customer(session: ServiceSession, draft: CustomerDraft) -> Customer:
    """A customer without an owner, its fields judged. Raises Invalid, naming every field at fault."""
    premises = read_premises(session)
    return _judged(session, draft, premises, premises.judge(session))


def _judged(session: ServiceSession, draft: CustomerDraft, premises: Premises, judge: Judge) -> Customer:
    given = {"kind": CustomerKind.COMPANY, "display_name": "", "status": CustomerStatus.POTENTIAL}
    stored, faults = rules.apply(rules.CUSTOMER_RECORD_RULES, given | dict(draft.values))
    custom, custom_faults = judged(judge, draft.custom_fields, current=None)
    lacking = lacks(premises.required(stored.get("kind", "")), stored, custom)
    levels = level_violations(stored, premises.open_levels)
    rules.refuse([*faults, *rules.contradictions(stored), *levels, *custom_faults, *lacking])
    number = stored.pop("identity_number", None)
    empty: dict[str, Any] = {"phones": [], "emails": [], "tags": [], "rule_tags": [], "locked": False}
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
