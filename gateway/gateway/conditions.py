"""Filters and orders as clients write them, by the names of the schema, for the services."""

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from chassis.errors import Invalid
from crm.common.v1 import filter_pb2
from google.protobuf.descriptor import Descriptor

from gateway.contracts import comment_on, enum_of, reference_name, snake
from gateway.errors import public_path
from gateway.scalars import FilterValue

MAX_DEPTH = 20
"""How deep filters are read at all. The services allow less, and say so."""
_SPECIAL = {"id": "name", "name": "display_name", "custom_fields": "custom"}

_OPERATOR = filter_pb2.DESCRIPTOR.enum_types_by_name["Operator"]

if TYPE_CHECKING:
    from enum import Enum as Operator
else:
    Operator = enum_of(_OPERATOR)

_CONDITION: Descriptor = filter_pb2.Condition.DESCRIPTOR
_FILTER: Descriptor = filter_pb2.Filter.DESCRIPTOR


@strawberry.input(description=comment_on(_CONDITION))
class ConditionInput:
    field: str = strawberry.field(
        description="The field as the type calls it, e.g. `ownerId`, `createTime`; a company's own as `custom.region`."
    )
    operator: Operator = strawberry.field(description=comment_on(_CONDITION, "operator"))
    values: list[FilterValue] = strawberry.field(default_factory=list, description=comment_on(_CONDITION, "values"))


@strawberry.input(one_of=True, description=comment_on(_FILTER))
class FilterInput:
    condition: ConditionInput | None = strawberry.field(
        default=strawberry.UNSET, description=comment_on(_FILTER, "condition")
    )
    all: list[Annotated["FilterInput", strawberry.lazy("gateway.conditions")]] | None = strawberry.field(
        default=strawberry.UNSET, description=comment_on(_FILTER, "all")
    )
    any: list[Annotated["FilterInput", strawberry.lazy("gateway.conditions")]] | None = strawberry.field(
        default=strawberry.UNSET, description=comment_on(_FILTER, "any")
    )
    not_: Annotated["FilterInput", strawberry.lazy("gateway.conditions")] | None = strawberry.field(
        name="not", default=strawberry.UNSET, description=comment_on(_FILTER, "not")
    )


@strawberry.input(description=comment_on(filter_pb2.OrderBy.DESCRIPTOR))
class OrderByInput:
    field: str = strawberry.field(description="The field as the type calls it.")
    descending: bool = strawberry.field(
        default=False, description=comment_on(filter_pb2.OrderBy.DESCRIPTOR, "descending")
    )


def to_filter(given: FilterInput | None, record: Descriptor) -> filter_pb2.Filter | None:
    """The services' form of a filter over the records of a message. Raises Invalid if it is nested too deeply."""
    return _filter(given, _names(record), 1) if given is not None else None


def from_filter(message: filter_pb2.Filter) -> dict[str, Any] | None:
    """A filter of the services in the form of FilterInput; None for one that matches everything."""
    node = message.WhichOneof("node")
    if node is None:
        return None
    if node == "condition":
        condition = message.condition
        names = {member.value: member.name for member in enum_of(_OPERATOR)}
        values = [getattr(value, value.WhichOneof("kind") or "text") for value in condition.values]
        operator = names.get(condition.operator)
        return {"condition": {"field": public_path(condition.field), "operator": operator, "values": values}}
    if node == "not":
        return {"not": from_filter(getattr(message, "not"))}
    return {node: [from_filter(part) for part in getattr(message, node).filters]}


def to_order(given: list[OrderByInput] | None, record: Descriptor) -> list[filter_pb2.OrderBy]:
    """The services' form of an order."""
    names = _names(record)
    return [filter_pb2.OrderBy(field=_field(key.field, names), descending=key.descending) for key in given or ()]


def to_fields(given: list[str] | None, record: Descriptor) -> list[str]:
    """The services' names of fields."""
    names = _names(record)
    return [_field(field, names) for field in given or ()]


def to_paths(given: list[str], record: Descriptor) -> list[str]:
    """The same as the services write them in masks, where a company's own field is `custom_fields.{key}`."""
    names = _names(record) | dict.fromkeys(("custom", "custom_fields"), "custom_fields")
    return [_field(field, names) for field in given]


def _filter(given: FilterInput, names: dict[str, str], depth: int) -> filter_pb2.Filter:
    if depth > MAX_DEPTH:
        raise Invalid("FILTER_TOO_DEEP", "nest the filter less deeply", field="filter")
    message = filter_pb2.Filter()
    if given.condition:
        message.condition.CopyFrom(_condition(given.condition, names))
    elif given.not_:
        getattr(message, "not").CopyFrom(_filter(given.not_, names, depth + 1))
    else:
        for branch, filters in (("all", given.all), ("any", given.any)):
            if filters is not strawberry.UNSET and filters is not None:
                part: Any = getattr(message, branch)
                part.SetInParent()
                part.filters.extend(_filter(item, names, depth + 1) for item in filters)
    return message


def _condition(given: ConditionInput, names: dict[str, str]) -> filter_pb2.Condition:
    operator: Any = given.operator.value
    return filter_pb2.Condition(
        field=_field(given.field, names), operator=operator, values=[_value(value) for value in given.values]
    )


def _value(value: object) -> filter_pb2.FilterValue:
    if isinstance(value, bool):
        return filter_pb2.FilterValue(flag=value)
    if isinstance(value, int | float):
        return filter_pb2.FilterValue(number=value)
    return filter_pb2.FilterValue(text=str(value))


@cache
def _names(record: Descriptor) -> dict[str, str]:
    """Name in the schema, in snake case → field of the message, for names that differ."""
    return _SPECIAL | {reference_name(field.name): field.name for field in record.fields}


def _field(given: str, names: dict[str, str]) -> str:
    head, dot, rest = given.partition(".")
    head = snake(head)
    return f"{names.get(head, head)}{dot}{rest}"
