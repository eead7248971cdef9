"""The scalars of the schema beyond GraphQL's own."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NewType

import strawberry
from starlette.datastructures import UploadFile
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.schema.config import StrawberryConfig
from strawberry.types.scalar import ScalarDefinition

BigInt = NewType("BigInt", int)
"""A whole number that may lie beyond GraphQL's 32 bits."""
FilterValue = NewType("FilterValue", object)
"""A text, a number or a truth value to compare a field with."""

if TYPE_CHECKING:
    Upload = UploadFile
else:
    Upload = NewType("Upload", UploadFile)


def _time(value: object) -> datetime:
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise StrawberryInputCoercionError(
            f"DateTime must be ISO 8601 with an offset, such as 2026-01-31T08:00:00Z, not {str(value)[:40]!r}"
        )
    return parsed.astimezone(UTC)


def time_text(value: datetime) -> str:
    """A point in time as the schema writes it: ISO 8601 in UTC."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _big_int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise StrawberryInputCoercionError("BigInt must be a whole number")
    try:
        return int(value)
    except ValueError:
        raise StrawberryInputCoercionError("BigInt must be a whole number") from None


def _filter_value(value: object) -> object:
    if isinstance(value, str | bool | int | float):
        return value
    raise StrawberryInputCoercionError("a filter compares with a text, a number or a truth value")


def _scalar(name: str, description: str, serialize: Any, parse: Any, url: str | None = None) -> ScalarDefinition:
    return strawberry.scalar(
        name=name, description=description, serialize=serialize, parse_value=parse, specified_by_url=url
    )


def _upload(value: object) -> UploadFile:
    if isinstance(value, UploadFile):
        return value
    raise StrawberryInputCoercionError("send the file as a part of a multipart request")


def _no_output(value: object) -> object:
    raise TypeError("files are never answered with")


CONFIG = StrawberryConfig(
    scalar_map={
        datetime: _scalar(
            "DateTime",
            "A point in time: ISO 8601, always in UTC in answers.",
            time_text,
            _time,
            "https://scalars.graphql.org/andimarek/date-time",
        ),
        BigInt: _scalar("BigInt", "A whole number of any size.", int, _big_int),
        FilterValue: _scalar(
            "FilterValue",
            "A text, a number or a truth value. Dates, times, exact decimals and ids are text.",
            lambda value: value,
            _filter_value,
        ),
        Upload: _scalar(
            "Upload",
            "A file, sent by the GraphQL multipart request specification.",
            _no_output,
            _upload,
            "https://github.com/jaydenseric/graphql-multipart-request-spec",
        ),
    }
)
"""How the schema is built: the scalars above."""
