"""Calls of other systems: where they may go, what they say, and how they are made. Nothing here knows the database."""

import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from chassis.errors import Invalid

SECONDS = 5.0
"""How long another system may be silent."""
LONGEST = 10.0
"""How long it may take altogether, from the moment it is connected to: one that answers byte by byte, as to keep us,
is cut off."""
BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 480))
"""How long to wait after each attempt that failed; after the last one it is given up."""
SIGNATURE = "X-Guanxi-Signature"
MAX_URL = 500

_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""Where IPv6 reaches IPv4 (RFC 6052)."""
_PASSING = frozenset({http.client.REQUEST_TIMEOUT, http.client.TOO_EARLY, http.client.TOO_MANY_REQUESTS})
"""What the sender is to blame for, but only now. The others refuse the same call again (RFC 9110)."""
_ANSWER_BYTES = 1_000
_ERROR = 200


class NotDelivered(Exception):
    """Another system did not take a call. The text holds nothing of its answer but the status."""

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        """`for_good`: the same call would not be taken later either."""
        super().__init__(message)
        self.for_good = for_good


@dataclass(frozen=True)
class WebhookPolicy:
    """Where calls may go. An operator decides that, since they come from inside the company's network."""

    hosts: tuple[str, ...] = ()
    """Patterns such as `hooks.example.com` or `*.example.com`; none to allow no calls at all."""
    private: bool = False
    """Whether hosts may have addresses that are not public, and be called without encryption."""
    secret: str = ""
    """What calls are signed with."""

    def check(self, url: str, *, path: str = "url") -> SplitResult:
        """The parts of an address. Raises Invalid WEBHOOK_NOT_ALLOWED."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Invalid("WEBHOOK_NOT_ALLOWED", "this is no address", field=path) from None
        host = (parts.hostname or "").lower()
        schemes = ("https", "http") if self.private else ("https",)
        plain = len(url) <= MAX_URL and url.isascii() and url.isprintable() and " " not in url
        if not plain or parts.scheme not in schemes or parts.username is not None or not host or port == 0:
            message = f"write an address such as https://hooks.example.com/leads, at most {MAX_URL} characters of ASCII"
            raise Invalid("WEBHOOK_NOT_ALLOWED", message, field=path)
        if not any(fnmatchcase(host, pattern) for pattern in self.hosts):
            message = f"calls to {host[:100]} are not allowed; ask your operator to add it to AUTOMATION_WEBHOOK_HOSTS"
            raise Invalid("WEBHOOK_NOT_ALLOWED", message, field=path)
        return parts

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, the first of which is to be called. Raises NotDelivered if one is not allowed."""
        try:
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError):  # the latter for a name that no host can have
            raise NotDelivered("the host is not known") from None
        if not self.private and not all(_is_public(each) for each in found):
            raise NotDelivered("the host has an address that is not public")
        return found


def _is_public(address: str) -> bool:
    """Whether an address is reached over the internet alone. Those that hold another one are not."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and (
        found.ipv4_mapped or found.sixtofour or found.teredo or found in _TRANSLATED
    ):
        return False
    return found.is_global and not found.is_multicast


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of a call: HMAC-SHA256 over the time, a full stop and the body, as other systems reckon it, too."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def headers_of(policy: WebhookPolicy, delivery_id: UUID, now: datetime, body: bytes) -> Mapping[str, str]:
    """What is sent with a call. The delivery's id is the same in each attempt."""
    timestamp = str(int(now.timestamp()))
    return {
        "Content-Type": "application/json",
        "User-Agent": "guanxi-automation",
        "X-Guanxi-Delivery": str(delivery_id),
        "X-Guanxi-Timestamp": timestamp,
        SIGNATURE: f"sha256={signature(policy.secret, timestamp, body)}",
    }


def call(policy: WebhookPolicy, url: str, headers: Mapping[str, str], body: bytes) -> None:
    """Post a body to an address. Raises NotDelivered unless the other system answers with 2xx; follows nothing."""
    try:
        parts = policy.check(url)
    except Invalid as error:
        raise NotDelivered(error.message, for_good=True) from None
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    # The address that was judged is the one that is called, whatever the name leads to a moment later.
    address = policy.addresses(host, port)[0]
    connection = _Pinned(host, port, address, secure=secure)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body=body, headers=dict(headers))
        answer = connection.getresponse()
        answer.read(_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        if connection.overdue:
            raise NotDelivered(f"no answer within {LONGEST:.0f} seconds") from None
        raise NotDelivered(f"no answer: {type(error).__name__}"[:_ERROR]) from None
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        refused = 400 <= answer.status < 500 and answer.status not in _PASSING
        raise NotDelivered(f"the answer was {answer.status}", for_good=refused)


class _Pinned(http.client.HTTPConnection):
    """A connection to one address of a host, whose certificate is judged by the host's name, and that is cut after
    `LONGEST`."""

    def __init__(self, host: str, port: int, address: str, *, secure: bool) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self.default_port = 443 if secure else 80
        self.overdue = False
        self._address = address
        self._secure = secure
        self._line: socket.socket | None = None
        self._watch = threading.Timer(LONGEST, self._cut)
        self._watch.daemon = True

    def connect(self) -> None:
        """Connect to the address."""
        plain = socket.create_connection((self._address, self.port), timeout=SECONDS)
        # By a handle of its own, as the socket is another one once it is encrypted, and that takes time as well.
        self._line = plain.dup()
        self._watch.start()
        try:
            self.sock = (
                ssl.create_default_context().wrap_socket(plain, server_hostname=self.host) if self._secure else plain
            )
        except BaseException:
            plain.close()
            raise

    def close(self) -> None:
        """Close the connection, and watch it no more."""
        self._watch.cancel()
        super().close()
        if self._line is not None:
            self._line.close()

    def _cut(self) -> None:
        self.overdue = True
        try:
            if self._line is not None:
                self._line.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already
