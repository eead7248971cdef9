"""Calls to services on behalf of one operation: deadline, retries, circuit breaker, trace, metrics.

The caller's token is passed on as it came; the services verify it.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from chassis import telemetry
from chassis.channels import ADMITTED
from chassis.origins import Origin, metadata_for
from grpc.aio import (
    AioRpcError,
    StreamUnaryCall,
    StreamUnaryMultiCallable,
    UnaryStreamMultiCallable,
    UnaryUnaryMultiCallable,
)
from opentelemetry.trace import SpanKind

from gateway import metrics
from gateway.failures import CallFailed, from_rpc, unavailable
from gateway.services import Method, Services

Request = TypeVar("Request")
Answer = TypeVar("Answer")

CALL_SECONDS = 10.0
"""The longest that one call may take."""
OPERATION_SECONDS = 20.0
"""The longest that all calls of one operation may take together."""
LEAST_SECONDS = 0.1
"""A call that was given less time tells by its end nothing of the service."""
CONNECT_SECONDS = 1.5
"""The longest that a call waits for a connection, while the service does not count as down: what it takes to find the
replica that comes after the only one, whose name is looked up again when the former has drained and closes its
connections. What waits was not sent, so that writes wait as well."""
RETRY_SECONDS = (0.03, 0.12)
"""The pauses before a call is tried again when the service did not answer."""


class Calls:
    """Calls the services for one operation."""

    def __init__(
        self,
        services: Services,
        token: str,
        origin: Origin | None = None,
        *,
        operation_seconds: float = OPERATION_SECONDS,
    ) -> None:
        """`token` is the value of the `authorization` header, empty for none; `origin` is where the client is."""
        self.services = services
        self.token = token
        self.origin = origin or Origin()
        self._ends_at = time.monotonic() + operation_seconds

    def afresh(self) -> "Calls":
        """Calls for the same caller with the whole time before them, for what goes on for long."""
        return Calls(self.services, self.token, self.origin)

    def within(self, seconds: float) -> "Calls":
        """Calls for the same operation that end within a time."""
        calls = self.afresh()
        calls._ends_at = min(self._ends_at, time.monotonic() + seconds)
        return calls

    def hurry(self, seconds: float) -> None:
        """Let all calls from now on end within a time."""
        self._ends_at = min(self._ends_at, time.monotonic() + seconds)

    async def __call__(
        self,
        method: UnaryUnaryMultiCallable[Request, Answer],
        request: Request,
        *,
        seconds: float = CALL_SECONDS,
    ) -> Answer:
        """Call a method. Raises CallFailed.

        What gets no answer is tried again, twice, within its time: reads, and writes with a request id, which take
        effect once, unless the first answer alone tells a secret.

        A call that is given more than the usual time may outlast the operation's own.
        """
        known = self.services.method(method)
        began = time.monotonic()
        ends_at = began + seconds
        if seconds <= CALL_SECONDS:
            ends_at = min(ends_at, self._ends_at)
        # Half of little time is left to the call, so that it tells what is wrong.
        connect_by = began + min(CONNECT_SECONDS, (ends_at - began) / 2)
        repeatable = known.read or (not known.tells_once and getattr(request, "request_id", False))
        pauses = list(RETRY_SECONDS) if repeatable else []
        while True:
            try:
                await known.connected(connect_by)
                return await self._once(known, method, request, ends_at)
            except CallFailed as failure:
                if failure.reason != "SERVICE_UNAVAILABLE" or not pauses or known.breaker.down:
                    raise
                pause = pauses.pop(0) * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, no secret
                if time.monotonic() + pause >= ends_at:
                    raise
                await asyncio.sleep(pause)

    async def _once(
        self, known: Method, method: UnaryUnaryMultiCallable[Request, Answer], request: Request, ends_at: float
    ) -> Answer:
        # A deadline that is over is still sent, as a short one, so that the answer is the same as a late one's.
        left = max(ends_at - time.monotonic(), 0.001)
        with _attempt(known, left), telemetry.span(f"{known.service}/{known.name}", kind=SpanKind.CLIENT):
            return await method(request, timeout=left, metadata=self._metadata())

    async def upload(
        self,
        method: StreamUnaryMultiCallable[Request, Answer],
        parts: AsyncIterator[Request],
        *,
        seconds: float,
    ) -> Answer:
        """Call a method that takes a stream. It is never tried again. Raises CallFailed."""
        known = self.services.method(method)
        await known.connected(time.monotonic() + CONNECT_SECONDS)
        with _attempt(known, seconds), telemetry.span(f"{known.service}/{known.name}", kind=SpanKind.CLIENT):
            call = method(timeout=seconds, metadata=self._metadata())
            # Of a call that is refused while a part is sent, gRPC at times tells an error of its own for the reason.
            if ADMITTED in dict(await call.initial_metadata()):
                await _send(call, parts)
            return await call

    async def download(
        self, method: UnaryStreamMultiCallable[Request, Answer], request: Request, *, seconds: float
    ) -> AsyncIterator[Answer]:
        """Call a method that answers with a stream. Raises CallFailed, also in the middle."""
        known = self.services.method(method)
        await known.connected(time.monotonic() + CONNECT_SECONDS)
        with _attempt(known, seconds):
            stream = method(request, timeout=seconds, metadata=self._metadata())
            try:
                async for part in stream:
                    yield part
            finally:
                stream.cancel()

    def _metadata(self) -> Any:
        always = (
            ("traceparent", telemetry.current_traceparent()),
            *metadata_for(self.origin, self.services.gateway_secret),
        )
        return (*always, ("authorization", self.token)) if self.token else always


async def _send(call: StreamUnaryCall[Request, Answer], parts: AsyncIterator[Request]) -> None:
    async for part in parts:
        if call.done():
            return
        await call.write(part)
    await call.done_writing()


@contextmanager
def _attempt(method: Method, seconds: float) -> Iterator[None]:
    """One try of a call within a time: refused if the service counts as down, measured, its failure read."""
    if not method.breaker.admits():
        raise unavailable(method.service)
    started, code = time.perf_counter(), "OK"
    try:
        yield
        method.breaker.answered()
    except AioRpcError as error:
        failure = from_rpc(error, method.service)
        code = failure.code.name
        if failure.answered:
            method.breaker.answered()
        elif seconds >= LEAST_SECONDS or failure.reason != "DEADLINE_EXCEEDED":
            method.breaker.failed()
        raise failure from None
    finally:
        metrics.CALLS.labels(method.service, method.name, code).inc()
        metrics.CALL_SECONDS.labels(method.service, method.name).observe(time.perf_counter() - started)
