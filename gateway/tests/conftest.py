"""The gateway served over real sockets, among neighbours that are real servers, too."""

import asyncio
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from chassis.settings import Settings
from gateway.app import make_app
from gateway.main import proxy_options
from gateway.settings import GatewaySettings

sys.path.insert(0, str(Path(__file__).parent))
from neighbours import customers_server, identity_server, leads_server
from world import TOKEN, World, serving


class Suite:
    """The gateway under test and what stands around it."""

    def __init__(self, world, client, url, servers, gateway):
        self.world = world
        self.http = client
        self.url = url
        self.servers = servers
        self.gateway = gateway

    async def post(self, query, variables=None, *, token=TOKEN, **headers):
        """The answer to an operation, errors included."""
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        if token:
            headers["authorization"] = token
        body = {"query": query, "variables": variables or {}}
        return await self.http.post("/graphql", json=body, headers={"accept-language": "en", **headers})

    async def run(self, query, variables=None, **options):
        """The data of an answer without errors."""
        answer = (await self.post(query, variables, **options)).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def refused(self, query, variables=None, **options):
        """The extensions of the only error of an answer."""
        answer = (await self.post(query, variables, **options)).json()
        assert len(answer["errors"]) == 1, answer
        return answer["errors"][0]["extensions"]


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@asynccontextmanager
async def running_gateway(environment):
    """The gateway over real sockets; its address."""
    settings = GatewaySettings.read(Settings.read(environment))
    app = make_app(settings)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=1024 * 1024,
        **proxy_options(settings),
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with asyncio.timeout(60):
            while not server.started:
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", app.state.gateway
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def suite(anyio_backend):
    world = World()
    async with (
        serving(identity_server(world)) as (identity, identity_port),
        serving(customers_server(world)) as (customers, customers_port),
        serving(leads_server(world)) as (leads, leads_port),
    ):
        environment = {
            "IDENTITY_TARGET": f"127.0.0.1:{identity_port}",
            "CUSTOMERS_TARGET": f"127.0.0.1:{customers_port}",
            "LEADS_TARGET": f"127.0.0.1:{leads_port}",
        }
        async with (
            running_gateway(environment) as (url, gateway),
            httpx.AsyncClient(base_url=url, timeout=60) as client,
        ):
            servers = {"identity": identity, "customers": customers, "leads": leads}
            yield Suite(world, client, url, servers, gateway)


@pytest.fixture
async def restart_customers(suite):
    """Starts the stopped `customers` process again, at its old address."""
    port = int(suite.gateway.settings.targets["customers"].rpartition(":")[2])
    return lambda: serving(customers_server(suite.world), port)


@pytest.fixture
def gateway_of(anyio_backend):
    """Runs a gateway with an environment of its own; a client of it."""

    @asynccontextmanager
    async def run(environment):
        headers = {"authorization": TOKEN}
        async with (
            running_gateway(environment) as (url, gateway),
            httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client,
        ):
            client.gateway = gateway
            yield client

    return run
