"""The gateway as an ASGI application: what is served where, and what lives as long as the process."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from chassis import telemetry
from chassis.origins import Origin
from crm.identity.v1 import auth_service_pb2
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gateway import downloads
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

    @property
    def services(self) -> Services:
        """The services, once the application runs."""
        assert self._services is not None
        return self._services

    @asynccontextmanager
    async def running(self, app: Starlette) -> AsyncIterator[None]:
        """Connect for as long as the application runs."""
        self._services = Services(self.settings.targets, self.settings.process.gateway_secret)
        self._services.states()
        self.listener.start()
        try:
            yield
        finally:
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
        states = self.services.states()
        self._seen |= {service for service, state in states.items() if state == "READY"}
        ready = self._seen >= set(states)
        body = orjson.dumps({"ready": ready, "services": states})
        return Response(body, 200 if ready else 503, media_type="application/json")


def make_app(settings: GatewaySettings) -> Starlette:
    """The application."""
    gateway = Gateway(settings)

    async def graphql(request: Request) -> Response:
        return await gateway.http.answer(request)

    async def graphql_socket(socket: WebSocket) -> None:
        await gateway.websocket.serve(socket)

    async def import_errors(request: Request) -> Response:
        return await downloads.import_errors(request, gateway.services)

    async def export_file(request: Request) -> Response:
        return await downloads.export_file(request, gateway.services)

    async def personal_data(request: Request) -> Response:
        return await downloads.personal_data(request, gateway.services)

    async def batch_errors(request: Request) -> Response:
        return await downloads.batch_errors(request, gateway.services)

    async def logo(request: Request) -> Response:
        return await downloads.logo(request, gateway.services)

    routes = [
        Route("/", _home),
        Route("/graphql", graphql, methods=["GET", "POST"]),
        WebSocketRoute("/graphql", graphql_socket),
        Route("/files/importErrors/{key}", import_errors),
        Route("/files/exports/{key}", export_file),
        Route("/files/batchErrors/{key}", batch_errors),
        Route("/files/personalData/{key}", personal_data),
        Route("/files/organisation/logo", logo),
        Route("/.well-known/jwks.json", gateway.key_set),
        Route("/livez", _alive),
        Route("/readyz", gateway.ready),
        Route("/metrics", _metrics),
    ]
    app = Starlette(routes=routes, lifespan=gateway.running)
    app.state.gateway = gateway
    return app


async def _home(request: Request) -> Response:
    return console_page()


async def _alive(request: Request) -> Response:
    return Response(b"ok\n", media_type="text/plain")


async def _metrics(request: Request) -> Response:
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
