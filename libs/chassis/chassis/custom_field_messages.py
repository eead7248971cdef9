"""Custom fields from rows to messages and back. Pure."""

from typing import Any

from crm.common.v1 import custom_field_pb2 as pb
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.custom_fields import CHANGEABLE, CustomField, CustomFieldDraft
from chassis.etags import etag
from chassis.masks import changed_paths

_PREFIX = "CUSTOM_FIELD_TYPE_"


def custom_field_to_proto(field: CustomField) -> pb.CustomField:
    """A field's definition as a message."""
    message = pb.CustomField(
        name=field.name,
        entity=field.entity,
        key=field.key,
        label=field.label,
        type=pb.CustomFieldType.Value(_PREFIX + field.type),
        required=field.required,
        options=field.options,
        max_length=field.max_length,
        archived=field.archived,
        etag=etag(field.version),
    )
    message.create_time.FromDatetime(field.create_time)
    return message


def draft_from_proto(message: pb.CustomField) -> CustomFieldDraft:
    """What a message states about a new field."""
    known = message.type in pb.CustomFieldType.values()
    return CustomFieldDraft(
        entity=message.entity,
        key=message.key,
        label=message.label,
        type=pb.CustomFieldType.Name(message.type).removeprefix(_PREFIX) if known else "",
        required=message.required,
        options=tuple(message.options),
        max_length=message.max_length,
    )


def changes_from_proto(message: pb.CustomField, mask: FieldMask) -> dict[str, Any]:
    """What an update changes. Raises Invalid INVALID_FIELD_MASK."""
    paths = changed_paths(message, mask, frozenset(CHANGEABLE))
    values = {path: getattr(message, path) for path in paths}
    return values | ({"options": tuple(message.options)} if "options" in paths else {})
