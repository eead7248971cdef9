"""The entities of the suite and what the contracts say of their fields: which can be restricted, and how they mask.

A message with the option `entity` is the record of one; see `crm/common/v1/entity.proto`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import crm
from crm.common.v1 import entity_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.field_rules import MaskForm


@dataclass(frozen=True)
class EntityField:
    """A field of an entity's record that roles can restrict."""

    name: str
    form: MaskForm
    keyed: bool
    """Whether it holds values by key, each restricted by itself as `custom.<key>`."""
    parts: tuple[str, ...]
    """The fields of the message that it holds, if it holds one: an audit entry may keep them side by side."""


EntityFields = Mapping[str, EntityField]


def entity_of(message: Descriptor) -> str:
    """The entity whose record a message is, or the empty string."""
    return str(message.GetOptions().Extensions[entity_pb2.entity])


def protection_of(field: FieldDescriptor) -> entity_pb2.Protection:
    """What the contract says of a field."""
    protection: entity_pb2.Protection = field.GetOptions().Extensions[entity_pb2.protection]
    return protection


@cache
def restrictable(message: Descriptor) -> EntityFields:
    """The fields of an entity's message that roles can restrict, by name."""
    found = {}
    for field in message.fields:
        protection = protection_of(field)
        if not protection.open:
            found[field.name] = EntityField(field.name, _form(field), protection.keyed, _parts(field))
    return MappingProxyType(found)


def _form(field: FieldDescriptor) -> MaskForm:
    if field.type != FieldDescriptor.TYPE_STRING:
        return MaskForm.NOTHING
    name = entity_pb2.MaskForm.Name(protection_of(field).mask).removeprefix("MASK_FORM_")
    return MaskForm.__members__.get(name, MaskForm.TEXT)


def _parts(field: FieldDescriptor) -> tuple[str, ...]:
    held = field.message_type
    if held is None or field.is_repeated or held.full_name.startswith("google."):
        return ()
    return tuple(part.name for part in held.fields)


@cache
def entities() -> Mapping[str, EntityFields]:
    """Every entity of the suite with its fields that can be restricted."""
    found = {entity: restrictable(message) for message in _messages() if (entity := entity_of(message))}
    return MappingProxyType(dict(sorted(found.items())))


@cache
def collections() -> Mapping[str, str]:
    """The entity that each collection of resource names is of: `someThings` → `some_thing`."""
    return MappingProxyType({f"{_camel(entity)}s": entity for entity in entities()})


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _messages() -> Iterable[Descriptor]:
    # By files, since pkgutil does not find packages without an __init__, which is what the generated ones are.
    for folder in map(Path, crm.__path__):
        for path in sorted(folder.rglob("*_pb2.py")):
            name = ".".join(("crm", *path.relative_to(folder).with_suffix("").parts))
            yield from import_module(name).DESCRIPTOR.message_types_by_name.values()
