"""Where a call comes from: the network address and the program of whoever began it.

Most calls come through the gateway, whose own address says nothing. It passes on what it sees of its clients as
`x-client-address` and `x-client-agent`, with `x-client-proof`: an HMAC-SHA-256 of both under the secret that the
gateway and the services share (`GATEWAY_SECRET`). What comes without a right proof is not believed: then the address is
that of the connection, and so nobody who calls a service directly can pass for another.
"""

import hashlib
import hmac
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from urllib.parse import unquote

ADDRESS, AGENT, PROOF = "x-client-address", "x-client-agent", "x-client-proof"

AGENT_LENGTH = 300
"""A longer description of a program is cut off here."""


@dataclass(frozen=True)
class Origin:
    """Where a call comes from, as far as it is known."""

    address: str = ""
    """The IP address; empty if it is not known."""
    agent: str = ""
    """What the program says of itself: the `User-Agent` of HTTP."""


class Connection(Protocol):
    """The connection that a call came by."""

    def peer(self) -> str:
        """The other end as gRPC writes it, `ipv4:10.0.0.1:41234`."""


@dataclass(frozen=True)
class _Source:
    """What the origin of a call is worked out from, if anybody asks."""

    secret: str
    metadata: Mapping[str, object]
    connection: Connection


_source: ContextVar[_Source | None] = ContextVar("origin", default=None)


def metadata_for(origin: Origin, secret: str) -> tuple[tuple[str, str], ...]:
    """What the gateway sends along with a call. Nothing without a secret, as nobody would believe it."""
    if not secret or not origin.address:
        return ()
    agent = printable(origin.agent)
    return (ADDRESS, origin.address), (AGENT, agent), (PROOF, _proof(secret, origin.address, agent))


def set_source(secret: str, metadata: Mapping[str, object], connection: Connection) -> None:
    """Say what the call under way came with. Only the server's edge does."""
    _source.set(_Source(secret, metadata, connection))


def current_origin() -> Origin:
    """Where the call under way comes from; nothing is known outside a call.

    Without a secret the address of the connection is not taken either: it would be the gateway's for all its clients.
    """
    source = _source.get()
    if source is None or not source.secret:
        return Origin()
    address, agent = str(source.metadata.get(ADDRESS, "")), str(source.metadata.get(AGENT, ""))
    proof = str(source.metadata.get(PROOF, ""))
    if address and hmac.compare_digest(proof.encode(), _proof(source.secret, address, agent).encode()):
        return Origin(address, agent)
    return Origin(address_of(source.connection.peer()), printable(str(source.metadata.get("user-agent", ""))))


def address_of(peer: str) -> str:
    """The IP address in what gRPC calls a peer; empty if there is none, as with a local socket."""
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return rest.rpartition(":")[0].strip("[]")


def printable(text: str) -> str:
    """A text as metadata may carry it and people may read it: printable ASCII, not too long."""
    return "".join(letter for letter in text if " " <= letter <= "~")[:AGENT_LENGTH].strip()


@lru_cache(4096)
def _proof(secret: str, address: str, agent: str) -> str:
    return hmac.new(secret.encode(), f"{address}\n{agent}".encode(), hashlib.sha256).hexdigest()
