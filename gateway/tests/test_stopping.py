"""The gateway as a process: what it serves where, and how it ends."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from crm.common.v1 import job_pb2
from embedded.ports import free_port
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from world import TOKEN

pytestmark = pytest.mark.anyio

JOB = "importJobs/00000000-0000-7000-8000-000000000001"
PROGRESS = "subscription($id: ID!) { importProgress(id: $id) { processedRows } }"
ME = {"query": "{ me { name } }"}
UPDATE = {"query": "mutation($i: UpdateCustomerInput!) { updateCustomer(input: $i) { name } }"}
UPDATE["variables"] = {"i": {"id": "customers/00000000-0000-7000-8000-000000000001", "name": "华诚"}}
DRAIN_SECONDS = 2
LONG_ENOUGH = 8
"""To be asked all there is to ask while it drains, on a machine that stands still now and then."""


class Running:
    """A gateway in a process of its own, among the neighbours of a suite."""

    def __init__(self, process, port, monitor):
        self.process = process
        self.url, self.monitor = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{monitor}"

    async def status(self, url):
        """The answer to a new connection; 0 if nobody listens, or has stopped to before it was taken."""
        async with httpx.AsyncClient(timeout=60, verify=False) as client:
            try:
                return (await client.get(url)).status_code
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                return 0

    async def until(self, url, status):
        """Wait until new connections are answered so."""
        async with asyncio.timeout(120):
            while await self.status(url) != status:
                await asyncio.sleep(0.05)


@pytest.fixture
async def gateway(suite, request):
    drain_seconds = getattr(request, "param", DRAIN_SECONDS)
    port, monitor = free_port(), free_port()
    targets = {f"{name.upper()}_TARGET": target for name, target in suite.gateway.settings.targets.items()}
    told = {"GATEWAY_LISTEN": f"127.0.0.1:{port}", "MONITOR_LISTEN": f"127.0.0.1:{monitor}"}
    told |= {"DRAIN_SECONDS": str(drain_seconds), "STOP_SECONDS": "40", "LOG_LEVEL": "WARNING"}
    command = Path(sys.executable).with_name("gateway")
    process = await asyncio.create_subprocess_exec(command, env={**os.environ, **targets, **told})
    try:
        running = Running(process, port, monitor)
        await running.until(f"{running.monitor}/readyz", 200)
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def socket_to(gateway):
    url, spoken = gateway.url.replace("http", "ws", 1) + "/graphql", ["graphql-transport-ws"]
    async with connect(url, subprotocols=spoken, open_timeout=60) as it:
        await it.send(json.dumps({"type": "connection_init", "payload": {"authorization": TOKEN}}))
        assert json.loads(await it.recv()) == {"type": "connection_ack"}
        yield it


async def test_metrics_and_probes_are_on_a_port_that_is_not_public(gateway):
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.post(f"{gateway.url}/graphql", json=ME, headers={"authorization": TOKEN})).json()
        assert (await client.get(f"{gateway.url}/metrics")).status_code == 404
        told = await client.get(f"{gateway.monitor}/metrics")
        assert 'graphql_operations_total{outcome="ok",type="query"} 1.0' in told.text
        assert "grpc_client_calls_total" in told.text
        alive, ready = [await client.get(f"{gateway.monitor}/{probe}") for probe in ("livez", "readyz")]
        assert (alive.json(), ready.json()) == ({"alive": True, "failing": {}}, {"ready": True, "failing": {}})
        assert (await client.get(f"{gateway.monitor}/graphql")).status_code == 404


@pytest.mark.parametrize("gateway", [LONG_ENOUGH], indirect=True)
async def test_who_is_told_to_stop_finishes_what_is_under_way_and_takes_nothing_new(suite, gateway):
    suite.world.hanging = {"UpdateCustomer": asyncio.Event()}
    async with httpx.AsyncClient(timeout=30, headers={"authorization": TOKEN}) as client:
        answer = asyncio.create_task(client.post(f"{gateway.url}/graphql", json=UPDATE))
        await suite.world.reached("UpdateCustomer")
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.until(f"{gateway.monitor}/readyz", 503)
        assert await gateway.status(f"{gateway.url}/readyz") == 503
        # Who learns of it late is answered all the same, and asked to connect elsewhere the next time.
        late = await client.post(f"{gateway.url}/graphql", json=ME)
        assert late.json() == {"data": {"me": {"name": "李伟"}}}
        assert late.headers["connection"] == "close"
        assert await gateway.status(f"{gateway.monitor}/livez") == 200
        await gateway.until(f"{gateway.url}/livez", 0)
        assert gateway.process.returncode is None
        suite.world.hanging["UpdateCustomer"].set()
        assert (await answer).json() == {"data": {"updateCustomer": {"name": "华诚"}}}
        async with asyncio.timeout(60):
            assert await gateway.process.wait() == 0


async def test_sockets_end_with_a_reason_once_what_is_under_way_is_answered(suite, gateway):
    suite.world.hanging = {"UpdateCustomer": asyncio.Event()}
    suite.world.jobs = [job_pb2.ImportJob(name=JOB, state=job_pb2.JOB_STATE_RUNNING, processed_rows=10)]
    async with socket_to(gateway) as listening, socket_to(gateway) as writing:
        payload = {"query": PROGRESS, "variables": {"id": JOB}}
        for socket in (listening, writing):
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            assert json.loads(await socket.recv())["payload"]["data"]["importProgress"] == {"processedRows": 10}
        await writing.send(json.dumps({"id": "2", "type": "subscribe", "payload": UPDATE}))
        await suite.world.reached("UpdateCustomer")
        gateway.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            with pytest.raises(ConnectionClosed) as ended:
                await listening.recv()  # not that it is complete: then nobody would listen anew
        assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (1012, "The gateway is stopping: connect again")
        await writing.send(json.dumps({"id": "3", "type": "subscribe", "payload": ME}))
        suite.world.hanging["UpdateCustomer"].set()
        messages = [json.loads(message) async for message in until_closed(writing)]
        assert messages == [
            {"id": "2", "type": "next", "payload": {"data": {"updateCustomer": {"name": "华诚"}}}},
            {"id": "2", "type": "complete"},
        ]
        assert writing.close_code == 1012
    async with asyncio.timeout(60):
        assert await gateway.process.wait() == 0


async def until_closed(socket):
    """The messages that still come."""
    async with asyncio.timeout(60):
        while True:
            try:
                yield await socket.recv()
            except ConnectionClosed:
                return
