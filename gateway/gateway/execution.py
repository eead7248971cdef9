"""How operations are executed: as graphql-core does, with a short way for what is only read.

Most of an answer are attributes of records with a scalar, an enum or a list of these for a value. There is nothing to
wait for, nothing to pass on, and no resolver that would want to know where in the answer it stands. They are read one
after the other without what graphql-core makes for each: a description of the field, its place, and questions what its
value may be. Whatever is out of the ordinary, such as a null where there may be none or a value that does not fit its
type, is left to graphql-core, so that errors are what they are without this: reading twice does no harm.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from graphql import (
    Executor,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from strawberry.schema.schema_converter import CustomGraphQLEnumType, GraphQLCoreConverter
from strawberry.types.field import StrawberryField

Read = Callable[[Any], Any]
"""Record → what is answered for a field of it. Raises TypeError or anything else for what is out of the ordinary."""
Reads = Mapping[GraphQLObjectType, Mapping[str, Read]]
"""Type → field → how it is read, for the fields that are only read."""


def reads_of(schema: GraphQLSchema) -> Reads:
    """How the fields of a schema's types are read that are only read."""
    return {
        kind: {name: read for name, field in kind.fields.items() if (read := _read_of(field)) is not None}
        | {"__typename": _constant(kind.name)}
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType)
    }


class RecordExecutor(Executor[None]):
    """Executes one operation."""

    def __init__(self, *args: Any, reads: Reads, **more: Any) -> None:
        super().__init__(*args, **more)
        self._reads = reads
        self._plans: dict[tuple[GraphQLObjectType, int], tuple[Any, list[tuple[str, Read]] | None]] = {}

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Any,
        grouped_field_set: Any,
        position_context: None,
    ) -> Any:
        """The fields of a record."""
        plan = self._plan(parent_type, grouped_field_set)
        answer = _all_read(plan, source_value) if plan is not None else None
        if answer is None:
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        return answer

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, field_details_list: Any, path: Any, position_context: None
    ) -> Any:
        """One field of a record."""
        read = self._reads[parent_type].get(field_details_list[0].node.name.value)
        answer = _read(read, source) if read is not None else Undefined
        if answer is Undefined:
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        return answer

    def complete_iterable_value(
        self, item_type: Any, field_details_list: Any, info: Any, path: Any, items: Any, position_context: None
    ) -> Any:
        """A list, of records perhaps."""
        kind = get_nullable_type(item_type)
        answer = None
        if isinstance(kind, GraphQLObjectType) and isinstance(items, list):
            plan = self._plan(kind, self.collect_subfields(kind, field_details_list).grouped_field_set)
            answer = _all_listed(kind, plan, items, info) if plan is not None else None
        if answer is None:
            return super().complete_iterable_value(item_type, field_details_list, info, path, items, position_context)
        return answer

    def _plan(self, kind: GraphQLObjectType, grouped_field_set: Any) -> list[tuple[str, Read]] | None:
        """How to read a record of which only fields are asked for that are only read; None if there are others."""
        key = (kind, id(grouped_field_set))
        known = self._plans.get(key)
        if known is None:
            reads, plan = self._reads[kind], []
            for name, details in grouped_field_set.items():
                read = reads.get(details[0].node.name.value)
                if read is not None:
                    plan.append((name, read))
            # The set is kept beside it, so that no other can come to have its id meanwhile.
            known = (grouped_field_set, plan if len(plan) == len(grouped_field_set) else None)
            self._plans[key] = known
        return known[1]


def _all_read(plan: list[tuple[str, Read]], record: Any) -> dict[str, Any] | None:
    try:
        return {name: read(record) for name, read in plan}
    except Exception:  # noqa: BLE001 - it comes again, and is told, where graphql-core reads the same
        return None


def _all_listed(
    kind: GraphQLObjectType, plan: list[tuple[str, Read]], records: list[Any], info: Any
) -> list[dict[str, Any]] | None:
    definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    # GraphQL's own types, by which a schema is described, are none of Strawberry's.
    if definition is None or not all(isinstance(record, definition.origin) for record in records):
        return None
    try:
        if kind.is_type_of is not None and not all(kind.is_type_of(record, info) is True for record in records):
            return None
        return [{name: read(record) for name, read in plan} for record in records]
    except Exception:  # noqa: BLE001 - as above
        return None


def _read(read: Read, record: Any) -> Any:
    try:
        return read(record)
    except Exception:  # noqa: BLE001 - as above
        return Undefined


def _constant(value: str) -> Read:
    return lambda record: value


def _read_of(field: GraphQLField) -> Read | None:
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(definition, StrawberryField) or not definition.is_basic_field:
        return None
    convert = _conversion(field.type)
    return _reading(attrgetter(definition.python_name), convert) if convert is not None else None


def _reading(get: Read, convert: Read) -> Read:
    return lambda record: convert(get(record))


def _conversion(kind: Any) -> Read | None:
    """How a value is answered; None if that takes more than the value."""
    inner = get_nullable_type(kind)
    if is_list_type(inner):
        item = _conversion(inner.of_type)
        convert = _each(item) if item is not None else None
    elif isinstance(inner, CustomGraphQLEnumType):
        members: list[Any] = list(inner.wrapped_cls)
        convert = {member: inner.coerce_output_value(member) for member in members}.__getitem__
    else:
        convert = inner.coerce_output_value if is_leaf_type(inner) else None
    return convert and (_required(convert) if is_non_null_type(kind) else _nullable(convert))


def _each(convert: Read) -> Read:
    def converted(values: Any) -> list[Any]:
        if not isinstance(values, list):
            raise TypeError
        return [convert(value) for value in values]

    return converted


def _required(convert: Read) -> Read:
    def converted(value: Any) -> Any:
        if value is None:
            raise TypeError
        return convert(value)

    return converted


def _nullable(convert: Read) -> Read:
    return lambda value: None if value is None else convert(value)
