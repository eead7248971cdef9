"""Between `google.protobuf.Struct` and `Timestamp`, and plain values."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

_EXACT = 2**53
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400


def time_of(value: datetime | None) -> Any:
    """A time as messages take it: what they make of a `datetime` themselves takes three times as long, and most of what
    it takes to make a record."""
    if value is None:
        return None
    since = value - _EPOCH
    return {"seconds": since.days * _DAY_SECONDS + since.seconds, "nanos": since.microseconds * 1000}


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
