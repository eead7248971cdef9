"""The gateway as an ASGI application: what is served where, and what lives as long as the process."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
from chassis import telemetry
from chassis.metrics import Monitor
from chassis.origins import Origin
from crm.identity.v1 import auth_service_pb2
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway import calendar_feeds, call_events, capture, downloads
from gateway.calls import Calls
from gateway.console import console_page
from gateway.context import Context
from gateway.engine import Engine
from gateway.failures import CallFailed
from gateway.http import GraphQLOverHttp
from gateway.loaders import Loaders
from gateway.notifications import Listener
from gateway.schema import make_schema
from gateway.services import Services
from gateway.settings import GatewaySettings
from gateway.websocket import GraphQLOverWebSocket

KEYS_SECONDS = 60.0
"""How long the public keys are kept before identity is asked again."""
LOOP_SECONDS = 5.0
"""An event loop that does not turn for so long is stuck."""


class Gateway:
    """What the requests of one process share."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.listener = Listener(settings.process.amqp_url, tuple(settings.targets))
        self.engine = Engine(make_schema(), introspection=settings.introspection, max_cost=settings.max_cost)
        self.http = GraphQLOverHttp(self.engine, self.context, console_page)
        self.websocket = GraphQLOverWebSocket(self.engine, self.context)
        self._services: Services | None = None
        self._seen: set[str] = set()
        self._keys, self._keys_read = b"", 0.0
        self.draining = False
        """Whether the process was told to stop: it is not ready, and keeps no connection open for another request."""

    @property
    def services(self) -> Services:
        """The services, once the application runs."""
        assert self._services is not None
        return self._services

    @asynccontextmanager
    async def running(self, app: Starlette) -> AsyncIterator[None]:
        """Connect for as long as the application runs."""
        self._services = Services(self.settings.process, self.settings.targets)
        self._services.states()
        self.listener.start()
        monitor = self._monitor()
        if monitor:
            monitor.start()
        try:
            yield
        finally:
            if monitor:
                monitor.stop()
            await self.listener.stop()
            await self._services.close()
            telemetry.flush()

    def context(self, token: str, locale: str, origin: Origin | None = None) -> Context:
        """The context of one operation."""
        calls = Calls(self.services, token, origin)
        return Context(calls=calls, loaders=Loaders(calls), locale=locale, listener=self.listener)

    async def key_set(self, request: Request) -> Response:
        """The public keys that access tokens are signed with; the last known ones while identity is away."""
        if time.monotonic() - self._keys_read > KEYS_SECONDS or not self._keys:
            try:
                answer = await Calls(self.services, "")(
                    self.services.auth.GetKeySet, auth_service_pb2.GetKeySetRequest()
                )
                self._keys, self._keys_read = answer.jwks_json.encode(), time.monotonic()
            except CallFailed as failure:
                if not self._keys:
                    return downloads.failure_response(failure, request)
        return Response(self._keys, media_type="application/json", headers={"cache-control": "public, max-age=60"})

    async def ready(self, request: Request) -> Response:
        """Ready once every service was reached. A service that goes away later is answered for, not waited for."""
        states, missing = await self._reached()
        body = orjson.dumps({"ready": not missing and not self.draining, "services": states})
        return Response(body, 503 if missing or self.draining else 200, media_type="application/json")

    async def _reached(self) -> tuple[dict[str, str], set[str]]:
        """The states of the connections, and the services that were never reached."""
        states = self.services.states()
        self._seen |= {service for service, state in states.items() if state == "READY"}
        return states, set(states) - self._seen

    def _monitor(self) -> Monitor | None:
        """What answers probes from a thread of its own, on a port that is not public."""
        if not self.settings.process.monitor:
            return None
        loop = asyncio.get_running_loop()

        def missing() -> str:
            return ", ".join(sorted(asyncio.run_coroutine_threadsafe(self._reached(), loop).result(LOOP_SECONDS)[1]))

        def turning() -> str:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(LOOP_SECONDS)
            return ""

        ready = {"services": missing, "draining": lambda: "the gateway is stopping" if self.draining else ""}
        return Monitor(self.settings.process.monitor, ready, {"event loop": turning})


def make_app(settings: GatewaySettings) -> Starlette:
    """The application."""
    gateway = Gateway(settings)

    async def graphql(request: Request) -> Response:
        return await gateway.http.answer(request)

    async def graphql_socket(socket: WebSocket) -> None:
        await gateway.websocket.serve(socket)

    def served(answer: Callable[[Request, Services], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            return await answer(request, gateway.services)

        return serve

    routes = [
        # They are tried one after the other, and this one is asked for most.
        Route("/graphql", graphql, methods=["GET", "POST"]),
        WebSocketRoute("/graphql", graphql_socket),
        Route("/", _home),
        Route("/capture/confirm", served(capture.confirm), methods=["GET", "POST"]),
        Route("/capture/{key}", served(capture.submit), methods=["POST"]),
        Route("/capture/{key}", served(capture.preflight), methods=["OPTIONS"]),
        Route("/files/importErrors/{key}", served(downloads.import_errors)),
        Route("/files/leadImportErrors/{key}", served(downloads.lead_import_errors)),
        Route("/files/exports/{key}", served(downloads.export_file)),
        Route("/files/workExports/{key}", served(downloads.work_export)),
        Route("/calls/events", served(call_events.receive), methods=["POST"]),
        Route("/files/visitPhotos/{key}", served(downloads.visit_photo)),
        Route("/files/batchErrors/{key}", served(downloads.batch_errors)),
        Route("/files/personalData/{key}", served(downloads.personal_data)),
        Route("/files/organisation/logo", served(downloads.logo)),
        Route(calendar_feeds.PATH, served(calendar_feeds.calendar_feed)),
        Route("/.well-known/jwks.json", gateway.key_set),
        Route("/livez", _alive),
        Route("/readyz", gateway.ready),
    ]
    if not settings.process.monitor:
        routes.append(Route("/metrics", _metrics))
    app = Starlette(routes=routes, lifespan=gateway.running, middleware=[Middleware(_LastRequest, gateway=gateway)])
    app.state.gateway = gateway
    return app


class _LastRequest:
    """Asks clients to connect anew, to another process, once this one was told to stop."""

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self._app, self._gateway = app, gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def parting(message: Message) -> None:
            if message["type"] == "http.response.start" and self._gateway.draining:
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, parting if scope["type"] == "http" else send)


async def _home(request: Request) -> Response:
    return console_page()


async def _alive(request: Request) -> Response:
    return Response(b"ok\n", media_type="text/plain")


async def _metrics(request: Request) -> Response:
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
