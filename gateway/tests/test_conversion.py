"""Inputs are made here as Strawberry makes them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import strawberry
from gateway.conversion import prepare_inputs
from gateway.schema import make_schema
from graphql import GraphQLEnumType, GraphQLInputObjectType, get_nullable_type, is_list_type, is_required_input_field
from strawberry.types.arguments import convert_argument

SCHEMA = make_schema()
INPUTS = {name: kind for name, kind in SCHEMA._schema.type_map.items() if isinstance(kind, GraphQLInputObjectType)}
SCALARS = {
    "BigInt": 2**40,
    "Boolean": True,
    "Date": date(2026, 1, 31),
    "DateTime": datetime(2026, 1, 31, tzinfo=UTC),
    "Decimal": Decimal("1.5"),
    "FilterValue": "text",
    "Float": 0.5,
    "ID": "customers/1",
    "Int": 7,
    "JSON": {"region": ["华东"]},
    "String": "文字",
    "Upload": object(),
}


def value_of(kind, choose, depth):
    """A value as graphql-core hands it over, with the fields that are chosen."""
    kind = get_nullable_type(kind)
    if is_list_type(kind):
        return [value_of(kind.of_type, choose, depth) for _ in range(2)]
    if isinstance(kind, GraphQLInputObjectType):
        return {
            name: value_of(field.type, choose, depth - 1)
            for name, field in kind.fields.items()
            if is_required_input_field(field) or (depth > 0 and choose(field))
        }
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.wrapped_cls))
    return SCALARS[kind.name]


def values(kind):
    """With all fields, with the required ones only, with nulls, and with each optional one by itself."""
    least = value_of(kind, lambda field: False, 0)
    yield value_of(kind, lambda field: True, 3)
    yield least
    for name, field in kind.fields.items():
        if not is_required_input_field(field):
            yield least | {name: None}
            yield least | {name: strawberry.UNSET}
            yield least | {name: value_of(field.type, lambda field: True, 1)}


def converted(origin, value):
    converter = SCHEMA.schema_converter
    return convert_argument(value, origin, converter.scalar_registry, converter.config)


@pytest.mark.parametrize("name", INPUTS)
def test_input_is_as_strawberry_makes_it(name, monkeypatch):
    definition = SCHEMA.schema_converter.type_map[name].definition
    given = list(values(INPUTS[name]))
    made = [converted(definition.origin, value) for value in given]
    for known in SCHEMA.schema_converter.type_map.values():
        if getattr(known.definition, "from_input", None):
            monkeypatch.setattr(known.definition, "from_input", None)
    assert made == [converted(definition.origin, value) for value in given]


def test_lists_are_copies():
    @strawberry.input
    class Some:
        texts: list[str]

    @strawberry.type
    class Query:
        @strawberry.field
        def query(self, some: Some) -> int:
            return 1

    schema = strawberry.Schema(Query)
    prepare_inputs(schema)
    texts = ["a"]
    made = convert_argument({"texts": texts}, Some, schema.schema_converter.scalar_registry, schema.config)
    assert made.texts == texts
    assert made.texts is not texts
