"""Derives GraphQL types from the messages of the contracts, so that each field is described once.

A type is a class over its message; a field is converted when it is read, since a query asks for few of many.
What a message cannot say (computed fields, lists from other services) is written by hand in the class:

    @derive(customer_pb2.Customer, required={"kind"}, relations={"owner": "users"})
    class Customer(Record[customer_pb2.Customer], Node):
        @strawberry.field
        async def contacts(self, info: Info) -> list[Contact]: ...

The rules: `name` becomes `id`, `display_name` becomes `name`, the rest goes from snake to camel case. A text that
is empty, a message that is not set and an unspecified enum value are null, unless the field is `required`. Enum
values lose their prefix. A reference `owner` becomes `ownerId`, and `owner` is the record it leads to. A field that
roles can hide is null where it is hidden, lists and numbers too, so it cannot be `required`. A `message` beside its
`reason` is told in the language of the caller.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from types import GenericAlias
from typing import Any, Generic, TypeVar

import strawberry
from chassis.concealment import HIDDEN_FIELDS
from chassis.entities import entity_of, protection_of, restrictable
from chassis.message_parts import is_map
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.context import Info
from gateway.contracts import (
    TEXT,
    attribute_of,
    camel,
    comment_on,
    descriptor_of,
    enum_of,
    public_name,
    scalar_of,
)
from gateway.locales import translate
from gateway.relations import relation

_TOLD = {"message": "reason", "failure_message": "failure_reason"}
"""Fields in which a service says something in English, and those with the reason."""

M = TypeVar("M", bound=Message)
C = TypeVar("C")
Read = Callable[[Any], Any]


class Record(Generic[M]):
    """A record as its message holds it. The attribute has a name that no field of a contract has."""

    wire: M

    def __init__(self, message: M) -> None:
        self.wire = message


@dataclass(frozen=True)
class _Output:
    """How a field of a message shows: the type of the attribute, and how it is read from the record."""

    annotation: Any
    read: Read
    description: str | None


_types: dict[str, type[Any]] = {}
_sources: dict[type[Any], Mapping[str, str]] = {}


def derive(
    message_type: type[Message],
    *,
    required: Collection[str] = (),
    hide: Collection[str] = (),
    relations: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> Callable[[type[C]], type[C]]:
    """Make a class the GraphQL type of a message. The module's own text has the rules.

    `required` names the text and enum fields that always have a value, `hide` those that are not shown,
    `relations` the reference fields with the collection each refers to, `rename` the fields to call otherwise.
    """
    descriptor, references, renamed = descriptor_of(message_type), dict(relations or {}), dict(rename or {})
    check_fields(descriptor, {*required, *hide, *references, *renamed})
    check_nullable(descriptor, required)

    def decorate(cls: type[C]) -> type[C]:
        shown = {
            attribute_of(field.name, rename=renamed, references=references): field
            for field in descriptor.fields
            if field.name not in hide
        }
        outputs = {
            attribute: _output(descriptor, field, required=field.name in required, reference=field.name in references)
            for attribute, field in shown.items()
            if not _is_told(descriptor, field)
        }
        for attribute, part in shown.items():
            if _is_told(descriptor, part):
                setattr(cls, attribute, _told(descriptor, part, required=part.name in required))
        for field, collection in references.items():
            many = descriptor.fields_by_name[field].is_repeated
            setattr(cls, field, relation(collection, field, many=many, description=comment_on(descriptor, field)))
        _types[descriptor.full_name] = cls
        read_off = {camel(attribute): field.name for attribute, field in shown.items()}
        _sources[cls] = read_off | {camel(field): field for field in references}
        _build(cls, outputs, comment_on(descriptor))
        return cls

    return decorate


def check_fields(descriptor: Descriptor, names: set[str]) -> None:
    """Raise TypeError for a name that is no field of the message: the contract has moved on."""
    assert "wire" not in descriptor.fields_by_name, "the attribute that holds the message would be hidden"
    unknown = names - set(descriptor.fields_by_name)
    if unknown:
        raise TypeError(f"{descriptor.full_name} has no field {', '.join(sorted(unknown))}")


def check_nullable(descriptor: Descriptor, required: Collection[str]) -> None:
    """Raise TypeError if a field that roles can hide is said to always have a value."""
    for name in required:
        field = descriptor.fields_by_name[name]
        if protection_of(field).shows or _can_be_hidden(descriptor, name):
            raise TypeError(f"{field.full_name} can be hidden, so it cannot be required")


def _can_be_hidden(message: Descriptor, field: str) -> bool:
    return bool(entity_of(message)) and field in restrictable(message)


def _build(cls: type[Any], outputs: Mapping[str, _Output], description: str | None) -> None:
    cls.__annotations__ = {
        **{name: output.annotation for name, output in outputs.items()},
        **inspect.get_annotations(cls),
    }
    for name, output in outputs.items():
        setattr(cls, name, strawberry.field(description=output.description))
    strawberry.type(cls, description=description)
    for name, output in outputs.items():
        setattr(cls, name, property(output.read))
    # A dataclass would want every field given, where a record has its message, and would show its data in logs.
    made: Any = cls
    made.__init__, made.__repr__ = Record.__init__, object.__repr__


def type_of(descriptor: Descriptor) -> type[Any]:
    """The type of a message: the one written for it, else one derived as it stands."""
    found = _types.get(descriptor.full_name)
    if found is None:
        plain: type[Any] = type(descriptor.name, (Record,), {"__module__": __name__})
        found = derive(GetMessageClass(descriptor))(plain)
    return found


def sources_of(cls: type[Any]) -> Mapping[str, str]:
    """Of a derived type: the fields, as the schema calls them, that take nothing but a field of the message, and that
    field."""
    return _sources[cls]


def _is_told(message: Descriptor, field: FieldDescriptor) -> bool:
    """Whether a field holds the words for a reason that stands beside it."""
    reason = message.fields_by_name.get(_TOLD.get(field.name, ""))
    return reason is not None and bool(reason.type == field.type == TEXT)


def _told(message: Descriptor, field: FieldDescriptor, *, required: bool) -> Any:
    name, reason = field.name, _TOLD[field.name]

    def tell(self: Any, info: Info) -> Any:
        # What was told before may be kept by its reason alone.
        words = translate(info.context.locale, getattr(self.wire, reason), getattr(self.wire, name), {})
        return words if words or required else None

    return strawberry.field(
        resolver=tell,
        graphql_type=str if required else str | None,
        description=comment_on(message, name),
    )


def _output(message: Descriptor, field: FieldDescriptor, *, required: bool, reference: bool) -> _Output:
    name, description = field.name, comment_on(message, field.name)
    if is_map(field):
        return _Output(strawberry.scalars.JSON, lambda record: dict(getattr(record.wire, name)), description)
    annotation, convert = _value(field, reference=reference)
    if name == HIDDEN_FIELDS and entity_of(message):
        return _Output(list_of(str), lambda record: list(map(_public_path, record.wire.hidden_fields)), description)
    if _can_be_hidden(message, name) and (field.is_repeated or (field.type != TEXT and not field.has_presence)):
        return _unless_hidden(message, field, annotation, convert)
    if field.is_repeated:
        return _Output(list_of(annotation), _reader_of_many(name, convert), description)
    if field.message_type is not None:
        return _Output(annotation | None, _reader_if_set(name, convert), description)
    plain = attrgetter(f"wire.{name}")
    if field.enum_type is not None:
        return _Output(
            annotation if required else annotation | None, lambda record: convert(plain(record)), description
        )
    if field.type == TEXT and name != "name" and not required:
        return _Output(annotation | None, lambda record: plain(record) or None, description)
    return _Output(annotation, plain, description)


def _unless_hidden(message: Descriptor, field: FieldDescriptor, annotation: Any, convert: Read) -> _Output:
    """A field whose emptiness does not tell that it is hidden."""
    name = field.name
    read = _reader_of_many(name, convert) if field.is_repeated else lambda record: convert(getattr(record.wire, name))
    shown = list_of(annotation) if field.is_repeated else annotation
    return _Output(
        shown | None,
        lambda record: None if name in record.wire.hidden_fields else read(record),
        comment_on(message, name),
    )


def _public_path(field: str) -> str:
    head, dot, rest = field.partition(".")
    return f"{public_name(head, last=not dot)}{dot}{rest}"


def list_of(annotation: Any) -> Any:
    """`list[annotation]`, for annotations made at run time."""
    return GenericAlias(list, (annotation,))


def _reader_of_many(name: str, convert: Read) -> Read:
    return lambda record: [convert(value) for value in getattr(record.wire, name)]


def _reader_if_set(name: str, convert: Read) -> Read:
    def read(record: Any) -> Any:
        message = record.wire
        return convert(getattr(message, name)) if message.HasField(name) else None

    return read


def _value(field: FieldDescriptor, *, reference: bool) -> tuple[Any, Read]:
    """The Python type of one value of a field, and how it is converted."""
    if field.enum_type is not None:
        enum = enum_of(field.enum_type)
        return enum, {member.value: member for member in enum}.get
    if field.message_type is None:
        return scalar_of(field, reference=reference), _same
    if field.message_type.full_name == "google.protobuf.Timestamp":
        return datetime, _time
    if field.message_type.full_name == "google.protobuf.Struct":
        return strawberry.scalars.JSON, MessageToDict
    cls = type_of(field.message_type)
    return cls, cls


def _same(value: Any) -> Any:
    return value


def _time(value: Any) -> datetime:
    moment: datetime = value.ToDatetime(tzinfo=UTC)
    return moment
