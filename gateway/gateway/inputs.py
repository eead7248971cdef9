"""Derives GraphQL inputs from the messages of the contracts, and turns what came in back into messages.

    @derive_input(customer_pb2.Customer, required={"display_name"}, hide={"etag"}, references={"owner"})
    class CreateCustomerInput(Input[customer_pb2.Customer]):
        request_id: str | None = None

Fields are named as in the derived types. A field that is not given is left alone; null clears it.
"""

import inspect
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar

import strawberry
from chassis.concealment import HIDDEN_FIELDS
from chassis.entities import entity_of
from chassis.errors import Invalid
from chassis.message_parts import is_map
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.contracts import attribute_of, camel, comment_on, descriptor_of, enum_of, scalar_of
from gateway.deriver import check_fields, list_of

M = TypeVar("M", bound=Message)
C = TypeVar("C")

_IDENTIFYING = ("name", "etag")
"""Fields that say which record is meant; they are sent, but are no change."""
_inputs: dict[str, type[Any]] = {}
"""Message → the input for it inside other inputs: the one called `{Message}Input`, else one derived as it stands."""


class Input(Generic[M]):
    """An input that stands for a message."""

    message_type: type[M]
    fields: dict[str, FieldDescriptor]
    """Attribute → field of the message."""

    def to_proto(self) -> M:
        """The message with what was given."""
        message = self.message_type()
        for _, field, value in self._given():
            if value is not None:
                _set(message, field, value)
        return message

    def mask(self) -> FieldMask:
        """The fields that were given, null ones included; of a Struct, the keys that were given."""
        paths: list[str] = []
        for _, field, value in self._given():
            if field.name in _IDENTIFYING:
                continue
            if _is_struct(field) and value is not None:
                paths.extend(f"{field.name}.{key}" for key in _mapping(value, field.name))
            else:
                paths.append(field.name)
        return FieldMask(paths=paths)

    def _given(self) -> Iterator[tuple[str, FieldDescriptor, Any]]:
        for attribute, field in self.fields.items():
            value = getattr(self, attribute)
            if value is not strawberry.UNSET:
                yield attribute, field, value


def derive_input(
    message_type: type[Message],
    *,
    required: Collection[str] = (),
    hide: Collection[str] = (),
    references: Collection[str] = (),
) -> Callable[[type[C]], type[C]]:
    """Make a class the GraphQL input for a message.

    `required` names the fields that must be given, `hide` those that cannot be, `references` those that name
    another record. All others may be left out or null.
    """
    descriptor = descriptor_of(message_type)
    check_fields(descriptor, {*required, *hide, *references})

    def decorate(cls: type[C]) -> type[C]:
        made: Any = cls
        made.message_type = message_type
        made.fields = {}
        annotations = {}
        for field in descriptor.fields:
            if field.name in hide or (field.name == HIDDEN_FIELDS and entity_of(descriptor)):
                continue
            attribute = attribute_of(field.name, rename={}, references=references)
            made.fields[attribute] = field
            needed = field.name in required
            annotation = _annotation(field, reference=field.name in references)
            annotations[attribute] = annotation if needed else annotation | None
            description = comment_on(descriptor, field.name)
            setattr(
                cls,
                attribute,
                strawberry.field(description=description)
                if needed
                else strawberry.field(description=description, default=strawberry.UNSET),
            )
        cls.__annotations__ = {**annotations, **inspect.get_annotations(cls)}
        if cls.__name__ == f"{descriptor.name}Input":
            _inputs[descriptor.full_name] = cls
        return strawberry.input(cls, description=comment_on(descriptor))

    return decorate


def _annotation(field: FieldDescriptor, *, reference: bool) -> Any:
    single = _single(field, reference=reference)
    return list_of(single) if field.is_repeated and not is_map(field) else single


def _single(field: FieldDescriptor, *, reference: bool) -> Any:
    if field.enum_type is not None:
        return enum_of(field.enum_type)
    if field.message_type is None:
        return scalar_of(field, reference=reference)
    if is_map(field) or _is_struct(field):
        return strawberry.scalars.JSON
    if field.message_type.full_name == "google.protobuf.Timestamp":
        return datetime
    return _input_of(field.message_type)


def _input_of(descriptor: Descriptor) -> type[Any]:
    found = _inputs.get(descriptor.full_name)
    if found is None:
        plain: type[Any] = type(f"{descriptor.name}Input", (Input,), {"__module__": __name__})
        found = derive_input(GetMessageClass(descriptor))(plain)
    return found


def _is_struct(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == "google.protobuf.Struct"


def _set(message: Message, field: FieldDescriptor, value: Any) -> None:
    if is_map(field):
        getattr(message, field.name).update(_entries(field, value))
    elif field.is_repeated:
        getattr(message, field.name).extend(_plain(item) for item in value)
    elif _is_struct(field):
        getattr(message, field.name).update(_mapping(value, field.name))
    elif isinstance(value, datetime):
        getattr(message, field.name).FromDatetime(value)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(value.to_proto())
    else:
        setattr(message, field.name, _plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Input):
        return value.to_proto()
    return value.value if isinstance(value, Enum) else value


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise Invalid("INVALID_VALUE", f"{camel(name)} must be an object", field=name)


_TYPES_OF_VALUES = {FieldDescriptor.CPPTYPE_STRING: (str, "texts"), FieldDescriptor.CPPTYPE_INT32: (int, "integers")}
_INT32 = range(-(2**31), 2**31)


def _entries(field: FieldDescriptor, value: Any) -> dict[str, Any]:
    mapping, name = _mapping(value, field.name), field.name
    assert field.message_type is not None
    kind, words = _TYPES_OF_VALUES[field.message_type.fields_by_name["value"].cpp_type]
    if all(type(one) is kind and (kind is str or one in _INT32) for one in mapping.values()):
        return mapping
    raise Invalid("INVALID_VALUE", f"{camel(name)} must be an object of {words}", field=name)
