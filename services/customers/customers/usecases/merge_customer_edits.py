"""Merge edits of an older version of a customer into what it is now."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import etag
from chassis.merging import differ

from customers import rules
from customers.model import Customer
from customers.queries import lock_customer
from customers.usecases.update_customer import CustomerPatch, update_customer

SEALED = "identity_number"
"""Kept so that nobody can compare it; a change of it merges with nothing."""


@dataclass(frozen=True)
class Merge:
    """What came of the edits."""

    customer: Customer
    conflicts: tuple[str, ...] = ()
    """The fields that others have changed to other values, by path; if any, nothing was applied."""


def merge_customer_edits(
    session: ServiceSession, customer_id: UUID, edits: CustomerPatch, base: CustomerPatch
) -> Merge:
    """Apply edits, unless others have changed one of the same fields to another value since.

    `edits` has the etag of the version that was edited, `base` the values that it had there. Each field is judged by
    itself: it may be set if it still holds its base value, and need not be if it holds the new one already.
    """
    if not edits.etag:
        raise Invalid("REQUIRED", "give the etag of the version that was edited", field="customer.etag")
    customer = lock_customer(session, customer_id, "customer.update")
    conflicts = [] if edits.etag == etag(customer.version) else _conflicts(customer, edits, base)
    if conflicts:
        return Merge(customer, tuple(sorted(conflicts)))
    patch = CustomerPatch(edits.values, edits.custom_fields, edits.replace_custom_fields)
    return Merge(update_customer(session, customer_id, patch))


def _conflicts(customer: Customer, edits: CustomerPatch, base: CustomerPatch) -> list[str]:
    plain = {path: value for path, value in edits.values.items() if path != SEALED}
    yours, faults = rules.apply(rules.CUSTOMER_RULES, plain)
    before, base_faults = rules.apply(
        rules.CUSTOMER_RULES, {path: base.values.get(path, _EMPTY[path]) for path in plain}
    )
    rules.refuse([*faults, *base_faults])
    columns = {path: rules.column(path) for path in plain}
    found = [path for path, key in columns.items() if differ(getattr(customer, key), before[key], yours[key])]
    for key, value in edits.custom_fields.items():
        if differ(customer.custom.get(key), base.custom_fields.get(key), value):
            found.append(f"custom_fields.{key}")
    return [*found, SEALED] if SEALED in edits.values else found


_EMPTY: dict[str, Any] = {path: [] if path in ("phones", "emails", "tags") else "" for path in rules.CUSTOMER_RULES}
