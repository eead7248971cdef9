"""Operations through GraphQL as fast as clients can send them, over connections that stay open.

By the standard library's HTTP alone: the clients of the tests would spend more of the shared cores than the gateway.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

import orjson

WARM_UP = 10


@dataclass(frozen=True)
class Measured:
    """What some clients reached together."""

    per_second: float
    took: list[float]
    """How long each operation took, in milliseconds."""

    @property
    def middle(self) -> float:
        """The median, in milliseconds."""
        return median(self.took)

    def __str__(self) -> str:
        return f"p50 {self.middle:.1f} ms, p95 {quantiles(self.took, n=20)[-1]:.1f} ms, {self.per_second:.0f}/s"


def post(
    url: str, token: str, document: str, variables: Callable[[], dict[str, Any]], *, clients: int, rounds: int
) -> Measured:
    """Run an operation `rounds` times from each of some clients at once. Raises RuntimeError if an answer has errors.

    `variables` makes those of each operation.
    """
    address = urlsplit(url)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    barrier = threading.Barrier(clients + 1)

    def client(_: int) -> list[float]:
        connection = HTTPConnection(address.hostname or "", address.port, timeout=30)
        took = []
        for number in range(-WARM_UP, rounds):
            if number == 0:
                barrier.wait(60)
            body = orjson.dumps({"query": document, "variables": variables()})
            began = time.perf_counter()
            connection.request("POST", "/graphql", body, headers)
            answer = orjson.loads(connection.getresponse().read())
            if number >= 0:
                took.append((time.perf_counter() - began) * 1000)
            if answer.get("errors"):
                raise RuntimeError(f"an operation failed: {answer['errors']}")
        connection.close()
        return took

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client, number) for number in range(clients)]
        barrier.wait(60)
        began = time.perf_counter()
        took = [each for done in running for each in done.result()]
        seconds = time.perf_counter() - began
    return Measured(len(took) / seconds, took)
