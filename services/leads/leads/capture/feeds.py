"""Reading feeds: what a reader is, and the two that there are.

A feed is read from inside the company's network, so that its address, and each that it leads on to, is judged like that
of a call of another system: see `leads.automation.webhooks.WebhookPolicy`.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any, Protocol

import feedparser
import httpx2
import jmespath
import orjson
from chassis.errors import Unavailable
from jmespath.exceptions import JMESPathError

from leads.automation.webhooks import NotDelivered, WebhookPolicy

SECONDS = 10.0
"""How long to wait for each part of an answer."""
LONGEST = 60.0
"""How many seconds an answer may take as a whole: a server that sends a byte now and then holds no job up."""
ANSWER_BYTES = 8 * 1024 * 1024
MOST_ITEMS = 1_000
"""How many items are taken from one answer; the rest comes with the next."""
_AGENT = "guanxi-crm-feed-reader"
_PLAIN = str | int | float | bool


@dataclass(frozen=True)
class FeedSettings:
    """What is read, and how often."""

    url: str
    format: str
    """`SYNDICATION` or `JSON`."""
    items_path: str
    interval_minutes: int

    @property
    def interval(self) -> timedelta:
        """How long after the last time it is read again."""
        return timedelta(minutes=self.interval_minutes)

    def to_json(self) -> dict[str, Any]:
        """As the source keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class FeedAnswer:
    """What came of reading a feed."""

    items: Sequence[Mapping[str, Any]]
    """The items as JSON values, the newest first if the feed says so."""
    marks: Mapping[str, Any]
    """What to show next time, so that an unchanged feed is not sent again."""


class FeedReader(Protocol):
    """Reads feeds of one format."""

    id_path: str
    """Where the id of an item stands unless the source says otherwise."""

    def parse(self, body: bytes, settings: FeedSettings) -> Sequence[Mapping[str, Any]]:
        """The items of an answer. Raises Unavailable FEED_UNREADABLE."""


class SyndicationReader:
    """RSS and Atom."""

    id_path = "id || link"

    def parse(self, body: bytes, settings: FeedSettings) -> Sequence[Mapping[str, Any]]:
        parsed = feedparser.parse(BytesIO(body))  # bytes alone may be taken for the name of a file, which is opened
        if parsed.bozo and not parsed.entries and not parsed.version:
            raise _unreadable("it is neither RSS nor Atom")
        return [dict(_plain(entry)) for entry in parsed.entries[:MOST_ITEMS]]


class JsonReader:
    """A list of objects in JSON, at a path."""

    id_path = "id"

    def parse(self, body: bytes, settings: FeedSettings) -> Sequence[Mapping[str, Any]]:
        try:
            found = orjson.loads(body)
            if settings.items_path:
                found = jmespath.search(settings.items_path, found)
        except orjson.JSONDecodeError:
            raise _unreadable("it is no JSON") from None
        except JMESPathError as error:
            raise _unreadable(f"the path of the items cannot be followed: {str(error)[:200]}") from None
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise _unreadable("there is no list of objects where the items should be")
        return found[:MOST_ITEMS]


READERS: Mapping[str, FeedReader] = {"SYNDICATION": SyndicationReader(), "JSON": JsonReader()}
"""The readers by format. Another source of tenders is another reader here, and a value of `FeedFormat`."""


def fetch(settings: FeedSettings, marks: Mapping[str, Any], policy: WebhookPolicy) -> FeedAnswer:
    """Read a feed. Raises Unavailable FEED_UNREACHABLE, also for an address that the policy keeps closed, or
    FEED_UNREADABLE; nothing new is no failure."""
    headers = {"user-agent": _AGENT}
    headers |= {"if-none-match": marks["etag"]} if marks.get("etag") else {}
    headers |= {"if-modified-since": marks["modified"]} if marks.get("modified") else {}
    try:
        with (
            httpx2.Client(
                transport=_Guarded(policy), timeout=SECONDS, trust_env=False, follow_redirects=True, max_redirects=3
            ) as client,
            client.stream("GET", settings.url, headers=headers) as response,
        ):
            if response.status_code == httpx2.codes.NOT_MODIFIED:
                return FeedAnswer((), marks)
            response.raise_for_status()
            body = _bounded(response.iter_bytes())
            seen = {"etag": response.headers.get("etag", ""), "modified": response.headers.get("last-modified", "")}
    except (httpx2.HTTPError, httpx2.InvalidURL, NotDelivered) as error:
        raise _unreachable(str(error)[:200]) from None
    return FeedAnswer(READERS[settings.format].parse(body, settings), seen)


class _Guarded(httpx2.HTTPTransport):
    """Connects to addresses that were judged, and reads nothing of an answer that only leads on."""

    def __init__(self, policy: WebhookPolicy) -> None:
        super().__init__(trust_env=False)
        self._policy = policy

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the address that was judged, whatever the name leads to a moment later. The certificate is
        judged by the name."""
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=self._policy.addresses(host, port)[0]),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        response = super().handle_request(pinned)
        if not response.has_redirect_location:
            return response
        response.close()
        return httpx2.Response(response.status_code, headers={"location": response.headers["location"]})


def _bounded(chunks: Iterator[bytes]) -> bytes:
    parts, size, until = [], 0, time.monotonic() + LONGEST
    for chunk in chunks:
        if time.monotonic() > until:
            raise _unreachable(f"it takes more than {LONGEST:.0f} seconds")
        size += len(chunk)
        if size > ANSWER_BYTES:
            raise _unreadable(f"it has more than {ANSWER_BYTES} bytes")
        parts.append(chunk)
    return b"".join(parts)


def _plain(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a mapping can be told of an entry: its texts and numbers, and lists of such."""
    for key, value in entry.items():
        if isinstance(value, _PLAIN):
            yield key, value
        elif isinstance(value, list):
            yield key, [dict(_plain(one)) if isinstance(one, Mapping) else str(one) for one in value]


def _unreachable(why: str) -> Unavailable:
    return Unavailable("FEED_UNREACHABLE", f"the feed cannot be fetched: {why}")


def _unreadable(why: str) -> Unavailable:
    return Unavailable("FEED_UNREADABLE", f"the feed cannot be read: {why}")
