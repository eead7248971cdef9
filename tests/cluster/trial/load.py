"""A steady load of GraphQL operations, each counted: how many were answered, and what became of the others."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

RATE = 20
"""Operations a second."""
SECONDS = 10.0
"""The longest that an operation may take."""

ME = "{ me { username } }"
CUSTOMERS = "{ customers(first: 5) { nodes { id name owner { name } } } }"
LEADS = "{ leads(first: 5) { nodes { id } } }"
CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"


@dataclass
class Outcome:
    """What came of the operations."""

    sent: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    """By operation."""
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {name}" for name, count in sorted(self.answered.items()))
        return f"{self.sent} sent, {len(self.failed)} failed, slowest {self.slowest:.2f} s ({kinds})"


class Load:
    """Sends operations as long as the block lasts, at the same rate however long the answers take."""

    def __init__(self, url: str, token: str, customers: Sequence[str], *, keep: bool = True) -> None:
        """With `keep`, connections are used again, as a proxy before the gateway would."""
        self._url, self._token, self._customers = url, token, customers
        self._limits = httpx.Limits(max_connections=100, max_keepalive_connections=20 if keep else 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")
        self.outcome = Outcome()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    async def _run(self) -> None:
        headers = {"authorization": f"Bearer {self._token}", "graphql-require-preflight": "1"}
        async with httpx.AsyncClient(
            base_url=self._url, headers=headers, timeout=SECONDS, limits=self._limits
        ) as client:
            began, tasks = time.monotonic(), set[asyncio.Task[None]]()
            while not self._stop.is_set():
                name, document, variables = self._operation(self.outcome.sent)
                self.outcome.sent += 1
                tasks.add(asyncio.create_task(self._send(client, name, document, variables)))
                await asyncio.sleep(max(0.0, began + self.outcome.sent / RATE - time.monotonic()))
            await asyncio.gather(*tasks)

    def _operation(self, number: int) -> tuple[str, str, dict[str, Any]]:
        match number % 5:
            case 0:
                return "me", ME, {}
            case 1:
                return "customers", CUSTOMERS, {}
            case 2:
                return "leads", LEADS, {}
            case 3:
                name, request = f"滚动升级{uuid4().hex}有限公司", str(uuid4())
                return "createCustomer", CREATE, {"input": {"name": name, "requestId": request}}
            case _:
                customer = self._customers[number % len(self._customers)]
                said = {"customerId": customer, "method": "CALL", "content": "升级时打的电话"}
                return "logFollowUp", LOG, {"input": {**said, "requestId": str(uuid4())}}

    async def _send(self, client: httpx.AsyncClient, name: str, document: str, variables: dict[str, Any]) -> None:
        began = time.monotonic()
        try:
            answer = await client.post("/graphql", json={"query": document, "variables": variables})
            said = answer.json()
            if answer.status_code != 200 or said.get("errors"):
                self.outcome.failed.append(f"{name}: {answer.status_code} {said.get('errors')}")
            else:
                self.outcome.answered[name] += 1
        except (httpx.HTTPError, ValueError) as error:
            self.outcome.failed.append(f"{name}: {error!r}")
        self.outcome.slowest = max(self.outcome.slowest, time.monotonic() - began)
