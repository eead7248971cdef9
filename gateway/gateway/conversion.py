"""Makes inputs out of what came in. Strawberry would work out for each value anew how its field is called and typed."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from functools import cached_property
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    get_object_definition,
)
from strawberry.types.lazy_type import LazyType

Convert = Callable[[Any], Any]
"""Value as graphql-core has it → value as resolvers have it. Not called with null and UNSET, which are left."""


def prepare_inputs(schema: strawberry.Schema) -> None:
    """Have all inputs of a schema made here."""
    inputs = [known.definition for known in schema.schema_converter.type_map.values()]
    makers: dict[type, _Maker] = {}
    for definition in inputs:
        if isinstance(definition, StrawberryObjectDefinition) and definition.is_input:
            makers[definition.origin] = maker = _Maker(definition, schema.config, makers)
            definition.from_input = maker.from_input


class _Maker:
    """Makes one kind of input."""

    def __init__(
        self, definition: StrawberryObjectDefinition, config: StrawberryConfig, makers: "Mapping[type, _Maker]"
    ) -> None:
        self._definition = definition
        self._config = config
        self._makers = makers
        # What has no default and is not given is null.
        self._absent: dict[str, Any] = {
            field.python_name: None
            for field in definition.fields
            if field.default_value is MISSING and field.default_factory is MISSING
        }

    def from_input(self, kind: type, given: Mapping[str, Any], context: object) -> Any:
        """What Strawberry calls."""
        return self.make(given)

    def make(self, given: Mapping[str, Any]) -> Any:
        """The input, out of the fields that are given."""
        values = dict(self._absent)
        for name, value in given.items():
            attribute, convert = self._fields[name]
            if convert is not None and value is not None and value is not strawberry.UNSET:
                values[attribute] = convert(value)
            else:
                values[attribute] = value
        return self._definition.origin(**values)

    @cached_property
    def _fields(self) -> dict[str, tuple[str, Convert | None]]:
        return {
            self._config.name_converter.from_field(field): (
                field.python_name,
                self._conversion(field.resolve_type(type_definition=self._definition)),
            )
            for field in self._definition.fields
        }

    def _conversion(self, kind: Any) -> Convert | None:
        """How values of a type are converted; None if they are what they are."""
        if isinstance(kind, StrawberryMaybe):
            raise TypeError(f"{self._definition.name}: say by UNSET, not by Maybe, what was not given")
        if isinstance(kind, StrawberryOptional):
            return self._conversion(kind.of_type)
        if isinstance(kind, LazyType):
            return self._conversion(kind.resolve_type())
        if isinstance(kind, StrawberryList):
            return _each(self._conversion(kind.of_type))
        definition = get_object_definition(kind)
        return self._makers[definition.origin].make if definition is not None else None


def _each(convert: Convert | None) -> Convert:
    """Lists are copied in any case: one that is a default is the same for all requests."""
    if convert is None:
        return list
    return lambda values: [value if value is None else convert(value) for value in values]
