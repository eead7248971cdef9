"""Operations over WebSocket, by the graphql-transport-ws protocol. The token comes in `connection_init`."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson
from chassis import telemetry
from graphql import GraphQLError
from opentelemetry.trace import SpanKind
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway import metrics
from gateway.bodies import Refusal, to_request
from gateway.engine import Engine, Operation, Refused
from gateway.errors import described, formatted
from gateway.http import Contexts, origin_of
from gateway.locales import locale_of

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
MAX_OPERATIONS = 50
"""Operations that one connection may have under way."""
STOPPING = 1012, "The gateway is stopping: connect again"
"""What a connection is closed with whose process was told to stop. Clients take the code for one to try again after."""


class Closed(Exception):
    """The client broke the protocol; the connection is closed with a code of its own."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class GraphQLOverWebSocket:
    """Serves connections to `/graphql`."""

    def __init__(self, engine: Engine, contexts: Contexts) -> None:
        self._engine = engine
        self._contexts = contexts
        self._connections: set[_Connection] = set()
        self._leaving = False

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection until either side closes it."""
        if PROTOCOL not in socket.scope.get("subprotocols", ()):
            await socket.accept()
            await socket.close(4406, "Subprotocol not acceptable")
            return
        await socket.accept(PROTOCOL)
        if self._leaving:
            await socket.close(*STOPPING)
            return
        connection = _Connection(self._engine, self._contexts, socket)
        self._connections.add(connection)
        try:
            with metrics.CONNECTIONS.track_inprogress():
                await connection.run()
        finally:
            self._connections.discard(connection)

    async def leave(self, seconds: float) -> None:
        """End all connections, for good: subscriptions at once, queries and mutations when they are answered, for which
        there are so many seconds."""
        self._leaving = True
        await asyncio.gather(*(connection.leave(seconds) for connection in tuple(self._connections)))


class _Connection:
    def __init__(self, engine: Engine, contexts: Contexts, socket: WebSocket) -> None:
        self._engine = engine
        self._contexts = contexts
        self._socket = socket
        self._token: str | None = None
        self._locale = locale_of(socket.headers.get("accept-language", ""))
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._subscriptions: set[asyncio.Task[None]] = set()
        self._leaving = False

    async def run(self) -> None:
        try:
            async with asyncio.timeout(INIT_SECONDS):
                while self._token is None:
                    await self._handle(await self._receive())
            while True:
                await self._handle(await self._receive())
        except WebSocketDisconnect:
            pass
        except TimeoutError:
            await self._close(4408, "Connection initialisation timeout")
        except Closed as closed:
            await self._close(closed.code, closed.reason)
        finally:
            for task in self._operations.values():
                task.cancel()
            await asyncio.gather(*self._operations.values(), return_exceptions=True)

    async def leave(self, seconds: float) -> None:
        """Answer what is under way, begin nothing, and close."""
        self._leaving = True
        await asyncio.sleep(0)  # what has just begun finds out whether it is a subscription
        for task in self._subscriptions:
            task.cancel()
        if self._operations:
            await asyncio.wait(self._operations.values(), timeout=seconds)
        with suppress(WebSocketDisconnect, RuntimeError):  # the client was first
            await self._close(*STOPPING)

    async def _receive(self) -> dict[str, Any]:
        try:
            message = orjson.loads(await self._socket.receive_text())
        except (orjson.JSONDecodeError, KeyError):
            raise Closed(4400, "Invalid message") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Closed(4400, "Invalid message")
        return message

    async def _handle(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "connection_init":
            await self._initialise(message.get("payload"))
        elif kind == "ping":
            await self._send({"type": "pong"})
        elif kind == "subscribe":
            self._begin(message)
        elif kind == "complete":
            task = self._operations.pop(str(message.get("id")), None)
            if task is not None:
                task.cancel()
        elif kind != "pong":
            raise Closed(4400, "Invalid message")

    async def _initialise(self, payload: object) -> None:
        if self._token is not None:
            raise Closed(4429, "Too many initialisation requests")
        given: Mapping[str, object] = payload if isinstance(payload, dict) else {}
        token, language = given.get("authorization", ""), given.get("acceptLanguage")
        if not isinstance(token, str):
            raise Closed(4400, "Invalid message")
        if isinstance(language, str):
            self._locale = locale_of(language)
        self._token = token
        await self._send({"type": "connection_ack"})

    def _begin(self, message: dict[str, Any]) -> None:
        key = message.get("id")
        if self._token is None:
            raise Closed(4401, "Unauthorized")
        if not isinstance(key, str) or not key:
            raise Closed(4400, "Invalid message")
        if key in self._operations:
            raise Closed(4409, f"Subscriber for {key[:100]} already exists")
        if len(self._operations) >= MAX_OPERATIONS:
            raise Closed(4429, "Too many operations")
        if self._leaving:
            return  # the connection's end is the answer, and that nothing was begun
        self._operations[key] = asyncio.create_task(self._run(key, message.get("payload")))

    async def _run(self, key: str, payload: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            with telemetry.span_from("", "graphql", kind=SpanKind.SERVER) as span:
                operation = self._engine.prepare(to_request(payload))
                span.update_name(operation.name)
                if operation.kind == "subscription":
                    self._subscriptions.add(task)
                await self._answer(key, operation)
            await self._send({"id": key, "type": "complete"})
        except Refusal as refusal:
            await self._refuse(key, [GraphQLError(refusal.error.message, original_error=refusal.error)])
        except Refused as refused:
            await self._refuse(key, refused.errors)
        except WebSocketDisconnect:
            pass  # the client is gone, as `run` finds out
        except Exception as error:  # noqa: BLE001 - nobody else would tell the client, or the log
            message, extensions = described(error, "", self._locale)
            await self._send({"id": key, "type": "error", "payload": [{"message": message, "extensions": extensions}]})
        finally:
            self._subscriptions.discard(task)
            if self._operations.get(key) is task:
                del self._operations[key]

    async def _answer(self, key: str, operation: Operation) -> None:
        context = self._contexts(self._token or "", self._locale, origin_of(self._socket))
        if operation.kind == "subscription":
            async for answer in self._engine.listen(operation, context):
                await self._send({"id": key, "type": "next", "payload": answer})
        else:
            answer = await self._engine.run(operation, context)
            await self._send({"id": key, "type": "next", "payload": answer})

    async def _refuse(self, key: str, errors: list[GraphQLError]) -> None:
        payload = [formatted(error, self._locale) for error in errors]
        await self._send({"id": key, "type": "error", "payload": payload})

    async def _send(self, message: dict[str, Any]) -> None:
        if self._socket.application_state is WebSocketState.CONNECTED:
            await self._socket.send_text(orjson.dumps(message, default=str).decode())

    async def _close(self, code: int, reason: str) -> None:
        if self._socket.application_state is WebSocketState.CONNECTED:
            await self._socket.close(code, reason)
