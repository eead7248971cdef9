"""Lists as Relay connections over the page tokens of the services.

A service names only the end of a page. The cursor of an edge is therefore that end for the last edge, and else
the token the page began with and how many edges to skip from there.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from chassis.errors import Invalid

T = TypeVar("T")

DEFAULT_PAGE = 50
MAX_PAGE = 200
_SKIP = "skip:"

First = Annotated[int, strawberry.argument(description="How many to list, at most 200.")]
After = Annotated[str | None, strawberry.argument(description="The `endCursor` of the page before.")]
FetchPage = Callable[[int, str], Awaitable[tuple[list[T], str]]]
"""(page size, page token) → records and the token of the next page, empty after the last."""


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="A record in a list, with its place.")
class Edge(Generic[T]):
    cursor: str
    node: T


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]]
    nodes: list[T] = strawberry.field(description="The records without their places.")
    page_info: PageInfo


async def connect(first: int, after: str | None, wrap: Callable[[Any], T], fetch: FetchPage[Any]) -> Connection[T]:
    """Fetch a page. Raises Invalid for a page size or cursor that cannot be."""
    return Connection(**await page_fields(first, after, wrap, fetch))


async def page_fields(
    first: int, after: str | None, wrap: Callable[[Any], object], fetch: FetchPage[Any]
) -> dict[str, Any]:
    """Like `connect`, for connections with fields of their own."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid("PAGE_SIZE_OUT_OF_RANGE", f"first must be between 1 and {MAX_PAGE}", field="first")
    skip, token = _parse(after or "")
    found, rest = await fetch(min(skip + first, MAX_PAGE), token)
    if skip + first > MAX_PAGE and rest:
        more_found, rest = await fetch(skip + first - MAX_PAGE, rest)
        found = [*found, *more_found]
    records = [wrap(item) for item in found[skip:]]
    cursors = [_cursor(skip + place, token) for place in range(1, len(records) + 1)]
    if cursors and rest:
        cursors[-1] = rest
    return {
        "edges": [Edge(cursor=cursor, node=record) for cursor, record in zip(cursors, records, strict=True)],
        "nodes": records,
        "page_info": PageInfo(
            has_next_page=bool(rest),
            has_previous_page=bool(after),
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
    }


def _cursor(skip: int, token: str) -> str:
    return base64.urlsafe_b64encode(f"{_SKIP}{skip}:{token}".encode()).decode().rstrip("=")


def _parse(cursor: str) -> tuple[int, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        return 0, cursor
    skip, separator, token = text.removeprefix(_SKIP).partition(":")
    if not text.startswith(_SKIP) or not separator or not skip.isdecimal():
        return 0, cursor
    if int(skip) > MAX_PAGE:
        raise Invalid("INVALID_PAGE_TOKEN", "use a cursor as it was given", field="after")
    return int(skip), token
