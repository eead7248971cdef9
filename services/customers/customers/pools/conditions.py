"""Conditions on customers that the company sets, whoever asks: judged over all fields, hidden ones included."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chassis.db import ServiceSession
from chassis.entities import restrictable
from chassis.errors import Invalid
from chassis.field_rules import CUSTOM, rule_name
from chassis.filters import Field, FieldRegistry, filter_from_json
from crm.customers.v1 import customer_pb2
from sqlalchemy import ColumnElement

from customers.dynamic_fields import record_field, rule_field
from customers.fields import CUSTOMER_FIELDS
from customers.own_fields import ENTITY


def met(session: ServiceSession, condition: Mapping[str, Any], *, path: str = "condition") -> ColumnElement[bool]:
    """A condition, kept as the JSON form of a Filter, as a predicate on customers. Raises Invalid as filters do."""
    return registry(session).where(filter_from_json(condition, path=path), path=path)


def registry(session: ServiceSession) -> FieldRegistry:
    """The fields of customers, without regard to who asks."""
    return FieldRegistry(CUSTOMER_FIELDS, dynamic=lambda name: rule_field(session, name))


def registry_without(session: ServiceSession, hidden: Collection[str]) -> FieldRegistry:
    """The fields of customers that the caller may ask for, but for some that a pool hides."""
    fields = [field for field in CUSTOMER_FIELDS if not is_hidden(field.name, hidden)]

    def dynamic(name: str) -> Field | None:
        return None if is_hidden(name, hidden) else record_field(session, name)

    return FieldRegistry(fields, dynamic=dynamic, entity=ENTITY)


def is_hidden(name: str, hidden: Collection[str]) -> bool:
    """Whether a field or the record that it is part of is hidden."""
    return rule_name(name) in hidden


def hideable(session: ServiceSession, names: Sequence[str]) -> list[str]:
    """Fields of customers that a pool may hide, each once, sorted. Raises Invalid for others."""
    known = restrictable(customer_pb2.Customer.DESCRIPTOR)
    for at, name in enumerate(names):
        if name in known or (name.startswith(CUSTOM) and registry(session).knows(name)):
            continue
        raise Invalid("UNKNOWN_FIELD", f"{name[:100]!r} is no field that can be hidden", field=f"hidden_fields[{at}]")
    return sorted(set(names))
