"""How the parts of a contract are called in the schema, and what their comments say of them."""

import re
from collections.abc import Collection, Mapping
from enum import Enum
from importlib.resources import files
from typing import Any

import orjson
import strawberry
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.scalars import BigInt

TEXT = FieldDescriptor.TYPE_STRING
_SCALARS: dict[int, object] = {
    TEXT: str,
    FieldDescriptor.TYPE_BOOL: bool,
    FieldDescriptor.TYPE_INT32: int,
    FieldDescriptor.TYPE_UINT32: int,
    FieldDescriptor.TYPE_INT64: BigInt,
    FieldDescriptor.TYPE_UINT64: BigInt,
    FieldDescriptor.TYPE_DOUBLE: float,
    FieldDescriptor.TYPE_FLOAT: float,
}
_COUNTS = ("row", "rows", "count")
"""Endings of the names of 64-bit fields that no file or list can push past 32 bits."""
_RENAMED = {"name": "id", "display_name": "name"}
_ARGUMENTS = {"names": "ids", "page_token": "after", "page_size": "first", "participants": "participant_ids"}
"""Fields of requests whose arguments the schema calls otherwise."""

_COMPOUND = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")

_comments: dict[str, str] = orjson.loads((files("crm") / "descriptions.json").read_bytes())
_enums: dict[str, type[Enum]] = {}
_references: set[str] = set()
"""Fields that refer to other records."""


def descriptor_of(message_type: type[Message]) -> Descriptor:
    """The descriptor of a generated class."""
    descriptor: Any = message_type.DESCRIPTOR
    found: Descriptor = descriptor
    return found


def comment_on(descriptor: Descriptor | EnumDescriptor, part: str = "") -> str | None:
    """What the contract says of a message or enum, or of a field or value in it; enum values and the message's own
    fields as the schema has them."""
    text = _comments.get(f"{descriptor.full_name}.{part}" if part else descriptor.full_name)
    if text is None:
        return None
    for enum in descriptor.file.enum_types_by_name.values():
        text = text.replace(_prefix(enum), "")
    own = descriptor.fields_by_name if isinstance(descriptor, Descriptor) else {}
    return _COMPOUND.sub(lambda found: f"`{camel(found[1])}`" if found[1] in own else found[0], text)


def _prefix(enum: EnumDescriptor) -> str:
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")


def attribute_of(field: str, *, rename: Mapping[str, str], references: Collection[str]) -> str:
    """What a field of a message is called in the schema, still in snake case."""
    _references.update(references)
    if field in rename:
        return rename[field]
    return reference_name(field) if field in references else _RENAMED.get(field, field)


def public_name(field: str, *, last: bool) -> str:
    """What a step in the path of a field, such as `names[2]`, is called in the schema. Only the last step can be a
    reference."""
    name, bracket, place = field.partition("[")
    if last:
        name = reference_name(name) if name in _references else _ARGUMENTS.get(name, name)
    return f"{camel(_RENAMED.get(name, name))}{bracket}{place}"


def reference_name(field: str) -> str:
    """What ids in a reference field are called: `owner` → `owner_id`, `roles` → `role_ids`, `entries` → `entry_ids`."""
    if field.endswith("ies"):
        return f"{field[:-3]}y_ids"
    return f"{field[:-1]}_ids" if field.endswith("s") else f"{field}_id"


def camel(name: str) -> str:
    """`create_time` → `createTime`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def snake(name: str) -> str:
    """`createTime` → `create_time`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def scalar_of(field: FieldDescriptor, *, reference: bool = False) -> object:
    """The Python type of a field that is neither a message nor an enum."""
    if reference or (field.name == "name" and field.type == TEXT):
        return strawberry.ID
    found = _SCALARS.get(field.type)
    if found is None:
        raise TypeError(f"{field.full_name} has a type that the schema has no scalar for")
    return int if found is BigInt and field.name.endswith(_COUNTS) else found


def enum_of(descriptor: EnumDescriptor) -> type[Enum]:
    """The enum of the schema: names without their prefix, numbers as values, nothing for UNSPECIFIED."""
    found = _enums.get(descriptor.full_name)
    if found is None:
        members = {
            value.name.removeprefix(_prefix(descriptor)): strawberry.enum_value(
                value.number, description=comment_on(descriptor, value.name)
            )
            for value in descriptor.values
            if value.number
        }
        make: Any = Enum
        plain = make(descriptor.name, members, module=__name__)
        found = _enums[descriptor.full_name] = strawberry.enum(plain, description=comment_on(descriptor))
    return found
