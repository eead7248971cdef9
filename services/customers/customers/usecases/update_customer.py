"""Change a customer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.custom_records import Judge
from chassis.db import ServiceSession
from chassis.errors import Violation
from chassis.etags import check_etag

from customers import rules
from customers.derived import complete, tag_by_rules
from customers.duplicates import refuse_duplicate, refusing_duplicates
from customers.events import CustomerUpdated
from customers.facts import difference, snapshot, state
from customers.model import Customer, Origin
from customers.own_records import judged
from customers.premises import Premises, read_premises
from customers.queries import lock_customer
from customers.tiers.changes import Move, note_tiers
from customers.tiers.vocabulary import level_violations

_MATCHED = {"display_name", "credit_code", "external_id", "phones"}
_ADDRESS = ("country", "province", "city", "district", "street", "postal_code")


@dataclass(frozen=True)
class CustomerPatch:
    """What to change of a customer: raw values by field, see `rules.CUSTOMER_RECORD_RULES`."""

    values: Mapping[str, Any] = field(default_factory=dict)
    custom_fields: Mapping[str, Any] = field(default_factory=dict)
    """By key; None removes the value."""
    replace_custom_fields: bool = False
    """True if own fields that are not given lose their value."""
    etag: str = ""


def update_customer(session: ServiceSession, customer_id: UUID, patch: CustomerPatch) -> Customer:
    """Change a customer and announce it. A patch that changes nothing leaves no trace."""
    return change_customer(session, lock_customer(session, customer_id, "customer.update"), patch)


def change_customer(session: ServiceSession, customer: Customer, patch: CustomerPatch, *, reason: str = "") -> Customer:
    """The same for a customer that is locked. `reason` is what somebody says about a new tier."""
    check_etag(patch.etag, customer.version)
    before = snapshot(customer)
    premises = read_premises(session)
    other_number = apply_patch(session, customer, patch, premises)
    old, new = difference(before, snapshot(customer))
    if other_number:  # which may look the same where it is masked
        new["identity_number"] = customer.identity_number_shown
    if not new:
        return customer
    customer.version += 1
    customer.update_time = session.now
    if _MATCHED & new.keys():
        customer.refresh_keys()
        refuse_duplicate(session, customer)
    with refusing_duplicates():
        session.flush()
    tag_by_rules(session, premises.tag_rules(session), [customer])
    if customer.tags != before.get("tags", []):
        old, new = old | {"tags": before.get("tags", [])}, new | {"tags": customer.tags}
    audit.record(session, "customer.update", customer.name, old, new)
    note_tiers(session, [Move(customer.id, before.get("level"), customer.level)], Origin.MANUAL, reason)
    changed = sorted({wire_name(key) for key in new})
    outbox.emit(session, CustomerUpdated(customer.name, customer.version, state(customer), changed))
    return customer


def apply_patch(session: ServiceSession, customer: Customer, patch: CustomerPatch, premises: Premises) -> bool:
    """Set the values. Says whether the identity number is another one now."""
    stated = rules.without_mask(patch.values, customer.identity_number_shown)
    stored, faults = rules.apply(rules.CUSTOMER_RECORD_RULES, stated)
    judge = premises.judge(session)
    custom, custom_faults = _custom(judge, customer, patch)
    together = {"kind": customer.kind, "credit_code": customer.credit_code} | stored
    levels = level_violations(stored, premises.open_levels, current=customer.level)
    rules.refuse([*faults, *rules.contradictions(together), *levels, *custom_faults])
    if stored.keys() & set(_ADDRESS):
        stored = rules.with_country({part: getattr(customer, part) for part in _ADDRESS} | stored)
    given = "identity_number" in stored
    number = stored.pop("identity_number", None)
    for column, value in stored.items():
        setattr(customer, column, value)
    customer.custom = custom
    complete(judge, premises.scorer, customer)
    return given and customer.keep_identity_number(session.data_keys, number)


def _custom(judge: Judge, customer: Customer, patch: CustomerPatch) -> tuple[dict[str, Any], list[Violation]]:
    if not patch.custom_fields and not patch.replace_custom_fields:
        return customer.custom, []
    dropped = dict.fromkeys(customer.custom) if patch.replace_custom_fields else {}
    values = dropped | dict(patch.custom_fields)
    return judged(judge, values, current=customer.custom, record_id=customer.id)


def wire_name(column: str) -> str:
    """What the contracts call a part of a snapshot."""
    if column in _ADDRESS:
        return "address"
    return "custom_fields" if column == "custom" else column
