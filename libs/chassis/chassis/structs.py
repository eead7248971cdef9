"""Between `google.protobuf.Struct` and plain values."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

_EXACT = 2**53


def to_dict(struct: Struct) -> dict[str, Any]:
    """A Struct as plain values. Whole numbers are `int`, since a Struct knows no other numbers than doubles."""
    return {key: _plain(value) for key, value in struct.fields.items()}


def to_struct(values: Mapping[str, Any]) -> Struct:
    """Plain JSON values as a Struct."""
    struct = Struct()
    struct.update(dict(values))
    return struct


def _plain(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= _EXACT else number
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return to_dict(value.struct_value)
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
    return None
