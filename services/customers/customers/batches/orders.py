"""What a batch is to do, judged before it is queued, and in the form that its job keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.field_rules import require_writable

from customers import rules
from customers.own_fields import ENTITY
from customers.owners import find_owner
from customers.pools.access import pool_to_enter
from customers.pools.rules import note_text, reason_code
from customers.tiers.vocabulary import level_violations, open_codes
from customers.usecases.update_customer import CustomerPatch


class Action(StrEnum):
    """What is done to each customer. The names are those of `CustomerBatchAction`."""

    TRANSFER = "TRANSFER"
    ADD_TAGS = "ADD_TAGS"
    REMOVE_TAGS = "REMOVE_TAGS"
    ASSIGN = "ASSIGN"
    RELEASE = "RELEASE"
    DELETE = "DELETE"
    UPDATE_FIELDS = "UPDATE_FIELDS"


PERMISSIONS: Mapping[Action, str] = {
    Action.TRANSFER: "customer.transfer",
    Action.ADD_TAGS: "customer.update",
    Action.REMOVE_TAGS: "customer.update",
    Action.ASSIGN: "pool.assign",
    Action.RELEASE: "customer.release",
    Action.DELETE: "customer.delete",
    Action.UPDATE_FIELDS: "customer.update",
}
"""What each action needs, as it would for one customer."""

NOT_FOR_MANY = frozenset({"kind", "display_name", "credit_code", "identity_number", "phones", "emails", "external_id"})
"""What a customer is known by. No two have it in common but by mistake."""


@dataclass(frozen=True)
class Order:
    """An action with what it needs."""

    action: Action
    owner_id: UUID | None = None
    pool_id: UUID | None = None
    reason: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    """Of a change of fields, by path."""
    custom_fields: Mapping[str, Any] = field(default_factory=dict)
    replace_custom_fields: bool = False

    @property
    def permission(self) -> str:
        """What it needs."""
        return PERMISSIONS[self.action]

    @property
    def patch(self) -> CustomerPatch:
        """The change of fields."""
        return CustomerPatch(self.values, self.custom_fields, self.replace_custom_fields)

    def to_json(self) -> dict[str, Any]:
        """The form in which the job keeps it."""
        return {key: str(value) if isinstance(value, UUID) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read the form in which the job keeps it."""
        ids = {key: UUID(values[key]) if values[key] else None for key in ("owner_id", "pool_id")}
        return cls(**{**values, **ids, "action": Action(values["action"]), "tags": tuple(values["tags"])})


def judged(session: ServiceSession, order: Order) -> Order:
    """The order as it will be done. Raises Denied without the permission that it needs, Invalid for what is wrong."""
    session.caller.scope(order.permission)
    stated = {**asdict(order), "action": order.action}
    match order.action:
        case Action.TRANSFER | Action.ASSIGN:
            find_owner(session, _owner(order))
            stated["note"] = note_text(order.note)
        case Action.RELEASE:
            stated["reason"], stated["note"] = reason_code(order.reason), note_text(order.note)
            if order.pool_id is not None:
                pool_to_enter(session, order.pool_id)
        case Action.ADD_TAGS | Action.REMOVE_TAGS:
            require_writable(session.caller, ENTITY, "tags", path="tags")
            stated["tags"] = tuple(_tags(order.tags))
        case Action.UPDATE_FIELDS:
            _check_fields(session, order)
    return Order(**stated)


def _owner(order: Order) -> UUID:
    if order.owner_id is None:
        raise Invalid("REQUIRED", "say who gets the customers", field="owner")
    return order.owner_id


def _tags(given: tuple[str, ...]) -> list[str]:
    stored, faults = rules.apply({"tags": rules.tags}, {"tags": list(given)})
    rules.refuse(faults)
    tags: list[str] = stored["tags"]
    if not tags:
        raise Invalid("REQUIRED", "name the tags", field="tags")
    return tags


def _check_fields(session: ServiceSession, order: Order) -> None:
    if not order.values and not order.custom_fields and not order.replace_custom_fields:
        raise Invalid("REQUIRED", "say which fields to set, and to what", field="customer")
    known = sorted(NOT_FOR_MANY & order.values.keys())
    if known:
        raise Invalid(
            "NOT_FOR_MANY",
            f"customers are known by {known[0]}: set it for one at a time, or import a file",
            field=f"customer.{known[0]}",
        )
    for path in [*order.values, *(f"custom_fields.{key}" for key in order.custom_fields)]:
        require_writable(session.caller, ENTITY, path, path=f"customer.{path}")
    # Own fields are judged with those that each customer has, when its turn comes.
    stored, faults = rules.apply(rules.CUSTOMER_RULES, order.values)
    rules.refuse([*faults, *level_violations(stored, open_codes(session))])
