"""One list out of those that several services have, each in the same order, in pages.

The place in the whole list is the place in each of its parts, so a page begins right after the one before, whatever
was added meanwhile at the beginning of any part. A part that does not answer keeps its place and is asked again for
the next page: what it has comes late, but nothing is left out.
"""

import base64
import binascii
import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from chassis.errors import Invalid

Places = dict[str, str | None]
"""Part → the token of what comes next: empty for the beginning, None at the end."""


@dataclass(frozen=True)
class Part:
    """A page of one part."""

    entries: list[Any]
    start: str
    """The token that lists this page again."""
    rest: str
    """The token of the page after; empty after the last."""


def merge(
    parts: Mapping[str, Part], places: Places, key: Callable[[Any], Any], token_of: Callable[[Any], str]
) -> Iterator[tuple[Any, Places]]:
    """The records of all parts in the order of the key, each with the place after it.

    Equal ones come in the order of the names of their parts. `places` are those that the parts were asked for.
    """
    now = {**places, **{name: part.start if part.entries else None for name, part in parts.items()}}
    streams = [_stream(name, parts[name], key, token_of) for name in sorted(parts)]
    for _, name, record, token in heapq.merge(*streams, key=lambda item: item[:2]):
        now = {**now, name: token}
        yield record, now


def _stream(
    name: str, part: Part, key: Callable[[Any], Any], token_of: Callable[[Any], str]
) -> Iterator[tuple[Any, str, Any, str | None]]:
    for place, record in enumerate(part.entries, 1):
        last = place == len(part.entries)
        yield key(record), name, record, (part.rest or None) if last else token_of(record)


def to_cursor(places: Places) -> str:
    """The places as one opaque text."""
    return base64.urlsafe_b64encode(orjson.dumps(places)).decode().rstrip("=")


def from_cursor(cursor: str | None, names: Mapping[str, object]) -> Places:
    """The places that a cursor stands for; a part that it does not name begins at its beginning.

    Raises Invalid INVALID_PAGE_TOKEN.
    """
    if not cursor:
        return dict.fromkeys(names, "")
    try:
        places = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        places = None
    if not isinstance(places, dict) or not all(place is None or isinstance(place, str) for place in places.values()):
        raise Invalid("INVALID_PAGE_TOKEN", "use a cursor as it was given", field="after")
    return {name: places.get(name, "") for name in names}
