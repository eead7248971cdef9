"""Which values a customer has that others become one with."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from chassis.errors import Invalid
from chassis.names import make_name

from customers.model import Customer
from customers.rules import CUSTOMER_RULES, column

CUSTOM = "custom_fields."
ADDRESS = ("country", "province", "city", "district", "street", "postal_code")
LISTS = ("phones", "emails", "tags")
LATEST = tuple(column.key for column in Customer.__table__.c if column.key.endswith("follow_up_time"))
_FIELDS = ({column(path) for path in CUSTOMER_RULES} & set(Customer.__table__.c.keys())) - {"kind", *ADDRESS, *LISTS}
CHOOSABLE = frozenset({*_FIELDS, "address", *LISTS})
_MOST = {"phones": 20, "emails": 20, "tags": 50}


class Choice(NamedTuple):
    """Whose value a field takes."""

    field: str
    customer_id: UUID


def merged_values(customers: Sequence[Customer], choices: Sequence[Choice]) -> dict[str, Any]:
    """What the first customer has by column once the others are one with it.

    A field is that of the first customer that has one, the address as a whole; lists are united in order; a choice
    decides otherwise. Raises Invalid INVALID_MERGE_CHOICE.
    """
    chosen = _chosen(customers, choices)
    values: dict[str, Any] = {}
    for field in sorted(_FIELDS):
        values[field] = _first(_order(customers, chosen.get(field)), field)
    address = chosen.get("address") or next((one for one in customers if _located(one)), customers[0])
    values |= {part: getattr(address, part) for part in ADDRESS}
    for field in LISTS:
        given = [chosen[field]] if field in chosen else customers
        united = list(dict.fromkeys(value for one in given for value in getattr(one, field)))
        values[field] = sorted(united) if field == "tags" else united
        _ensure_room(field, values[field])
    for field in LATEST:
        values[field] = max((time for one in customers if (time := getattr(one, field))), default=None)
    values["custom"] = _custom(customers, chosen)
    return values


def _chosen(customers: Sequence[Customer], choices: Sequence[Choice]) -> Mapping[str, Customer]:
    by_id = {one.id: one for one in customers}
    found: dict[str, Customer] = {}
    for number, choice in enumerate(choices):
        path = f"choices.{number}"
        if choice.field not in CHOOSABLE and not choice.field.startswith(CUSTOM):
            known = ", ".join(sorted(CHOOSABLE))
            raise Invalid("INVALID_MERGE_CHOICE", f"choose among {known} and {CUSTOM}{{key}}", field=f"{path}.field")
        if choice.customer_id not in by_id:
            name = make_name("customers", choice.customer_id)
            raise Invalid("INVALID_MERGE_CHOICE", f"{name} is none of these customers", field=f"{path}.customer")
        found[choice.field] = by_id[choice.customer_id]
    return found


def _order(customers: Sequence[Customer], first: Customer | None) -> Sequence[Customer]:
    """A choice is final, even of a customer without a value."""
    return [first] if first is not None else customers


def _first(customers: Sequence[Customer], field: str) -> Any:
    return next((value for one in customers if (value := getattr(one, field)) not in (None, "")), None)


def _located(customer: Customer) -> bool:
    return any(getattr(customer, part) for part in ADDRESS[1:])


def _custom(customers: Sequence[Customer], chosen: Mapping[str, Customer]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for one in reversed(customers):
        values |= one.custom
    for field, customer in chosen.items():
        key = field.removeprefix(CUSTOM)
        if field.startswith(CUSTOM):
            values.pop(key, None)
            values |= {key: customer.custom[key]} if key in customer.custom else {}
    return values


def _ensure_room(field: str, values: Sequence[str]) -> None:
    if len(values) > _MOST[field]:
        message = f"together they have {len(values)} {field}, of {_MOST[field]} that fit: choose whose to keep"
        raise Invalid("TOO_MANY", message, field=field, maximum=_MOST[field])
