"""Lists in pages, by keyset: a page begins after the last row of the one before, never at an offset.

So a walk over all pages returns each row once, whatever is inserted or deleted meanwhile, and page 1,000
costs what page 1 costs. NULLs sort last in both directions. An index serves a sort if it lists the same
columns in the same directions (`col DESC NULLS LAST, id DESC` for a descending one).
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from google.protobuf.message import Message
from sqlalchemy import ColumnElement, Select, and_, false, literal, or_, true, tuple_
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from chassis.columns import AnyColumn, stored
from chassis.errors import Invalid

T = TypeVar("T")


@dataclass(frozen=True)
class SortKey:
    """One column to sort by. The last key of a sort must be unique, and none but the others may hold NULL."""

    column: AnyColumn
    descending: bool = False
    nullable: bool = True


@dataclass(frozen=True)
class Page(Generic[T]):
    """The rows of a page, and the token of the next one: empty on the last page."""

    rows: list[T]
    next_token: str


def page_size(requested: int, default: int = 50, maximum: int = 200) -> int:
    """The number of rows to return. 0 means the default. Raises Invalid if it is negative or above the maximum."""
    if not 0 <= requested <= maximum:
        raise Invalid(
            "PAGE_SIZE_OUT_OF_RANGE", f"page_size must be from 1 to {maximum}, not {requested}", field="page_size"
        )
    return requested or default


def fingerprint(*parts: str | Message | Sequence[Message]) -> str:
    """A short text that differs if what is listed differs: the filter, the search, the order, the parent."""
    digest = hashlib.blake2b(digest_size=9)
    for part in parts:
        items: list[str | Message] = [part] if isinstance(part, str | Message) else [str(len(part)), *part]
        for item in items:
            data = item.encode() if isinstance(item, str) else item.SerializeToString(deterministic=True)
            digest.update(len(data).to_bytes(4, "big") + data)
    return base64.urlsafe_b64encode(digest.digest()).decode()


def fetch_page(
    session: Session, statement: Select[Any], keys: Sequence[SortKey], size: int, token: str, fingerprint: str
) -> Page[Any]:
    """The page of a statement's rows that the token asks for; the first one for the empty token.

    The statement has its conditions and neither order nor limit. Rows are entities or values if it selects one
    thing, else `Row`s. Raises Invalid INVALID_PAGE_TOKEN if the token was not issued for this very list.
    """
    keys = [replace(key, column=stored(key.column)) for key in keys]
    wide = statement.add_columns(*[key.column.label(f"sort_key_{i}") for i, key in enumerate(keys)])
    wide = wide.order_by(*[_order(key) for key in keys])
    after = _decode(token, fingerprint, keys) if token else None
    found: list[Any] = []
    for segment in _segments(keys, after):
        try:
            found += session.execute(wide.where(segment).limit(size + 1 - len(found))).all()
        except DataError:
            if after is None:
                raise
            raise _bad_token() from None  # well-formed, but holds values that are none of these columns'
        if len(found) > size:
            break
    page, more = found[:size], len(found) > size
    next_token = _encode(page[-1][-len(keys) :], fingerprint) if more else ""
    width = len(statement.column_descriptions)
    return Page([row[0] for row in page] if width == 1 else page, next_token)


def token_after(values: Sequence[Any], fingerprint: str) -> str:
    """The token of the page that begins after a row with these values of the sort keys, whether there is one or not."""
    return _encode(values, fingerprint)


def values_of(token: str, fingerprint: str, kinds: Sequence[type[Any]]) -> list[Any]:
    """What `token_after` was given, for a list that no statement makes: none of the values is None.

    Raises Invalid INVALID_PAGE_TOKEN if the token was not issued for this very list, with values of these kinds.
    """
    values = _unpacked(token, fingerprint)
    if len(values) != len(kinds) or not all(map(isinstance, values, kinds)):
        raise _bad_token()
    return values


def _order(key: SortKey) -> ColumnElement[Any]:
    ordered = key.column.desc() if key.descending else key.column.asc()
    # Stated only where it says something: a plain index serves a NOT NULL column in both directions.
    return ordered.nulls_last() if key.nullable else ordered


def _segments(keys: Sequence[SortKey], after: list[Any] | None) -> list[ColumnElement[bool]]:
    """What remains of the list, as conditions that each match one range of an index, in order."""
    if after is None:
        return [true()]
    first = keys[0]
    if not first.nullable:
        return [_follows(keys, after)]
    if after[0] is None:
        return [and_(first.column.is_(None), _follows(keys[1:], after[1:]))]
    solid = SortKey(first.column, first.descending, nullable=False)
    return [and_(first.column.is_not(None), _follows([solid, *keys[1:]], after)), first.column.is_(None)]


def _follows(keys: Sequence[SortKey], after: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a row sorts after the values."""
    if len({(key.descending, key.nullable) for key in keys}) == 1 and not keys[0].nullable:
        left = tuple_(*[key.column for key in keys])
        right = tuple_(*[literal(value, key.column.type) for key, value in zip(keys, after, strict=True)])
        return left < right if keys[0].descending else left > right
    ties: list[ColumnElement[bool]] = []
    branches: list[ColumnElement[bool]] = []
    for key, value in zip(keys, after, strict=True):
        branches.append(and_(*ties, _beyond(key, value)))
        ties.append(key.column.is_(None) if value is None else key.column == literal(value, key.column.type))
    bound = or_(_beyond(keys[0], after[0]), ties[0])  # implied by the branches, and what an index can start from
    return and_(bound, or_(*branches))


def _beyond(key: SortKey, value: Any) -> ColumnElement[bool]:
    if value is None:
        return false()
    bound = literal(value, key.column.type)
    beyond = key.column < bound if key.descending else key.column > bound
    return or_(beyond, key.column.is_(None)) if key.nullable else beyond


def _bad_token() -> Invalid:
    return Invalid("INVALID_PAGE_TOKEN", "page_token is not one that this list returned", field="page_token")


def _encode(values: Sequence[Any], fingerprint: str) -> str:
    packed = orjson.dumps([fingerprint, *[_pack(value) for value in values]])
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _unpacked(token: str, fingerprint: str) -> list[Any]:
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if not isinstance(parts, list) or not parts or parts[0] != fingerprint:
            raise _bad_token()
        return [_unpack(part) for part in parts[1:]]
    except (ValueError, TypeError, KeyError, binascii.Error, InvalidOperation):
        raise _bad_token() from None


def _decode(token: str, fingerprint: str, keys: Sequence[SortKey]) -> list[Any]:
    values = _unpacked(token, fingerprint)
    if len(values) != len(keys):
        raise _bad_token()
    if any(value is None and not key.nullable for key, value in zip(keys, values, strict=True)):
        raise _bad_token()
    return values


def _pack(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return f"s{value}"
        case datetime():
            return f"t{value.isoformat()}"
        case date():
            return f"d{value.isoformat()}"
        case Decimal():
            return f"n{value}"
        case UUID():
            return f"u{value}"
    raise TypeError(f"cannot page by {type(value).__name__}")


_UNPACK = {
    "s": lambda text: text,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "n": Decimal,
    "u": UUID,
}


def _unpack(packed: Any) -> Any:
    if isinstance(packed, str):
        if "\0" in packed:
            raise ValueError("NUL")
        return _UNPACK[packed[:1]](packed[1:])
    if packed is None or isinstance(packed, bool | int | float):
        return packed
    raise ValueError("not a value")
