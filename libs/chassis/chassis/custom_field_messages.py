"""Custom fields from rows to messages and back. Pure."""

from typing import Any

from crm.common.v1 import custom_field_pb2 as pb
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.custom_fields import CHANGEABLE, CustomFieldDraft
from chassis.etags import etag
from chassis.masks import changed_paths
from chassis.names import make_name

_PREFIX = "CUSTOM_FIELD_TYPE_"
_FUNCTION = "ROLLUP_FUNCTION_"
_PLAIN = (
    "label", "required", "options", "max_length", "unique", "help_text", "default_value", "minimum", "maximum",
    "currency", "collection", "pattern", "expression",
)  # fmt: skip


def custom_field_to_proto(field: Any) -> pb.CustomField:
    """A field's definition as a message, from an entity or a row of `rows_of_fields`."""
    message = pb.CustomField(
        name=make_name("customFields", field.id),
        entity=field.entity,
        key=field.key,
        type=pb.CustomFieldType.Value(_PREFIX + field.type),
        result_type=pb.CustomFieldType.Value(_PREFIX + (field.result_type or "UNSPECIFIED")),
        archived=field.archived,
        etag=etag(field.version),
        **{name: getattr(field, name) for name in _PLAIN},
    )
    if field.rollup:
        function = pb.RollupFunction.Value(_FUNCTION + field.rollup["function"])
        message.rollup.CopyFrom(
            pb.Rollup(children=field.rollup["children"], function=function, field=field.rollup["field"])
        )
    message.create_time.FromDatetime(field.create_time)
    return message


def draft_from_proto(message: pb.CustomField) -> CustomFieldDraft:
    """What a message states about a new field."""
    given = {name: getattr(message, name) for name in _PLAIN} | {"options": tuple(message.options)}
    return CustomFieldDraft(
        entity=message.entity,
        key=message.key,
        type=_type(message.type),
        result_type=_type(message.result_type) if message.result_type else "",
        rollup=_rollup(message) if message.HasField("rollup") else None,
        **given,
    )


def changes_from_proto(message: pb.CustomField, mask: FieldMask) -> dict[str, Any]:
    """What an update changes. Raises Invalid INVALID_FIELD_MASK."""
    paths = changed_paths(message, mask, frozenset(CHANGEABLE))
    values = {path: getattr(message, path) for path in paths}
    values |= {"options": tuple(message.options)} if "options" in paths else {}
    return values | ({"rollup": _rollup(message)} if "rollup" in paths else {})


def _type(number: int) -> str:
    known = number in pb.CustomFieldType.values()
    return pb.CustomFieldType.Name(number).removeprefix(_PREFIX) if known else ""  # type: ignore[arg-type]


def _rollup(message: pb.CustomField) -> dict[str, str]:
    given = message.rollup
    known = given.function in pb.RollupFunction.values()
    function = pb.RollupFunction.Name(given.function).removeprefix(_FUNCTION) if known else ""
    return {"children": given.children, "function": function, "field": given.field}
