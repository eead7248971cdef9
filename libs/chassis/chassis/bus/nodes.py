"""The nodes of the broker, and a connection to one of them that answers.

`AMQP_URL` is `amqp://…` or `amqps://…`; several nodes of a cluster are separated by `;`. `file:///path` names a file
that holds it and is read for every connection. An `amqps` URL may name the CA of the broker's certificate as RabbitMQ's
own clients are told it, `?cacertfile=/path`; else the system's are trusted. The certificate must be for the URL's host.
"""

import random
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from amqp import Connection
from amqp.exceptions import AMQPError
from kombu.connection import Connection as ConnectionTo
from kombu.exceptions import OperationalError

BROKER_FAULTS = (AMQPError, OperationalError, OSError)
"""What a call to a broker that is away, or goes away, raises."""

HEARTBEAT_SECONDS = 20
"""A peer that is silent for twice as long is taken for dead."""

CONNECT_SECONDS = 5
_FILE = "file://"


def node_urls(amqp_url: str) -> Sequence[str]:
    """The URLs of the nodes, as they are now. Raises OSError if they are in a file that cannot be read."""
    if amqp_url.startswith(_FILE):
        path = Path(amqp_url.removeprefix(_FILE))
        try:
            amqp_url = path.read_text()
        except UnicodeDecodeError:
            raise OSError(f"{path} is not in UTF-8") from None
    return [url for part in amqp_url.split(";") if (url := part.strip())]


def connect(amqp_url: str) -> Connection:
    """A connection to whichever node answers first, in random order, so that processes spread over the nodes. Raises
    one of BROKER_FAULTS if none does."""
    nodes = list(node_urls(amqp_url))
    random.shuffle(nodes)
    fault: Exception = OperationalError("no broker is named")
    for node in nodes:
        try:
            return _connect(node)
        except BROKER_FAULTS as error:
            fault = error
    raise fault


def _connect(node: str) -> Connection:
    parts = urlsplit(node)
    options: dict[str, Any] = {"heartbeat": HEARTBEAT_SECONDS, "connect_timeout": CONNECT_SECONDS}
    if parts.scheme == "amqps":
        authority = parse_qs(parts.query).get("cacertfile", [None])[0]
        options["ssl"] = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": authority, "server_hostname": parts.hostname}
    url: Any = ConnectionTo(parts._replace(query="").geturl(), **options)  # type: ignore[no-untyped-call]
    connection: Connection = url.transport.establish_connection()  # not connect(), which sleeps before it fails
    return connection
