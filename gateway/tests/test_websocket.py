"""Subscriptions over graphql-transport-ws."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from chassis.bus.envelope import seal_envelope
from chassis.bus.topology import connected, declare_exchange, exchange_name
from crm.common.v1 import job_pb2
from crm.identity.v1.account_pb2 import (
    NOTIFICATION_CHANNEL_IN_APP,
    NOTIFICATION_CHANNEL_MAIL,
    NotificationSwitch,
)
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.anyio

JOB = "importJobs/00000000-0000-7000-8000-000000000001"
PROGRESS = "subscription($id: ID!) { importProgress(id: $id) { state processedRows } }"


@asynccontextmanager
async def socket_to(url, *, protocol="graphql-transport-ws", token="Bearer good", initialise=True):
    async with connect(url.replace("http", "ws", 1) + "/graphql", subprotocols=[protocol], open_timeout=60) as socket:
        if initialise:
            await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": token}}))
            assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        yield socket


async def subscribe(socket, query, variables=None, key="1"):
    payload = {"query": query, "variables": variables or {}}
    await socket.send(json.dumps({"id": key, "type": "subscribe", "payload": payload}))


async def receive(socket):
    async with asyncio.timeout(60):
        return json.loads(await socket.recv())


def job(state, rows):
    return job_pb2.ImportJob(name=JOB, state=state, processed_rows=rows)


async def test_progress_is_told_at_every_change_until_the_end(suite):
    running, done = job_pb2.JOB_STATE_RUNNING, job_pb2.JOB_STATE_SUCCEEDED
    suite.world.jobs = [job(running, 10), job(running, 10), job(running, 20), job(done, 30)]
    async with socket_to(suite.url) as socket:
        await subscribe(socket, PROGRESS, {"id": JOB})
        messages = [await receive(socket) for _ in range(4)]
    told = [message["payload"]["data"]["importProgress"] for message in messages[:3]]
    assert told == [
        {"state": "RUNNING", "processedRows": 10},
        {"state": "RUNNING", "processedRows": 20},
        {"state": "SUCCEEDED", "processedRows": 30},
    ]
    assert messages[3] == {"id": "1", "type": "complete"}


async def test_listener_without_a_good_token_is_refused(suite):
    suite.world.jobs = [job(job_pb2.JOB_STATE_RUNNING, 10)]
    async with socket_to(suite.url, token="Bearer bad") as socket:
        for query in (PROGRESS, "subscription { notifications { id } }"):
            await subscribe(socket, query, {"id": JOB} if "$id" in query else {})
            message = await receive(socket)
            assert message["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
            assert (await receive(socket))["type"] == "complete"


async def test_without_a_broker_nothing_can_be_listened_to(suite):
    async with socket_to(suite.url) as socket:
        await subscribe(socket, "subscription { notifications { id } }")
        error = (await receive(socket))["payload"]["errors"][0]["extensions"]
    assert (error["code"], error["reason"]) == ("UNAVAILABLE", "NOTIFICATIONS_UNAVAILABLE")


async def test_queries_run_over_the_socket_too(suite):
    async with socket_to(suite.url) as socket:
        await subscribe(socket, "{ me { name } }")
        assert (await receive(socket))["payload"] == {"data": {"me": {"name": "李伟"}}}
        assert (await receive(socket))["type"] == "complete"
        await subscribe(socket, "{ nothing }")
        assert (await receive(socket))["type"] == "error"
        await socket.send(json.dumps({"type": "ping"}))
        assert await receive(socket) == {"type": "pong"}


async def test_operation_that_cannot_be_run_is_answered_all_the_same(suite, caplog):
    class Contexts:
        """Makes contexts, but for those who have no token."""

        def __init__(self, contexts):
            self.contexts = contexts

        def __call__(self, token, *more):
            return self.contexts(token, *more) if token else {}["nobody"]

    suite.gateway.websocket._contexts = Contexts(suite.gateway.websocket._contexts)
    async with socket_to(suite.url, token="") as socket:
        for _ in range(2):
            await subscribe(socket, "{ me { name } }")
            refused = await receive(socket)
            [error] = refused["payload"]
            assert (refused["id"], refused["type"]) == ("1", "error")
            assert (error["extensions"]["code"], error["extensions"]["reason"]) == ("INTERNAL", "INTERNAL")
            assert error["extensions"]["error_id"] in [getattr(line, "error_id", None) for line in caplog.records]


async def test_completed_subscription_is_heard_no_more(suite):
    suite.world.jobs = [job(job_pb2.JOB_STATE_RUNNING, 10)]
    async with socket_to(suite.url) as socket:
        await subscribe(socket, PROGRESS, {"id": JOB})
        await receive(socket)
        await socket.send(json.dumps({"id": "1", "type": "complete"}))
        suite.world.jobs = [job(job_pb2.JOB_STATE_SUCCEEDED, 30)]
        await subscribe(socket, "{ me { name } }", key="2")
        assert (await receive(socket))["id"] == "2"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([{"id": "1", "type": "subscribe", "payload": {"query": "{ me { id } }"}}], 4401),
        ([{"type": "connection_init"}, {"type": "connection_init"}], 4429),
        (["x"], 4400),
        ([{"type": "unheard_of"}], 4400),
        (
            [
                {"type": "connection_init"},
                *[{"id": "1", "type": "subscribe", "payload": {"query": PROGRESS, "variables": {"id": JOB}}}] * 2,
            ],
            4409,
        ),
    ],
)
async def test_connection_that_breaks_the_protocol_is_closed(suite, sent, code):
    suite.world.jobs = [job(job_pb2.JOB_STATE_RUNNING, 10)]
    async with socket_to(suite.url, initialise=False) as socket:
        for message in sent:
            await socket.send(json.dumps(message))
        async with asyncio.timeout(60):
            await socket.wait_closed()
    assert socket.close_code == code


async def test_other_protocols_are_not_spoken(suite):
    with pytest.raises(ConnectionClosed) as closed:
        async with connect(suite.url.replace("http", "ws", 1) + "/graphql") as socket:
            await receive(socket)
    assert closed.value.rcvd.code == 4406


async def test_notifications_reach_their_recipient_alone(suite, broker, gateway_of):
    environment = {"AMQP_URL": broker, "IDENTITY_TARGET": suite.gateway.settings.targets["identity"]}
    async with gateway_of(environment) as client:
        gateway = client.gateway
        async with asyncio.timeout(60):
            while not gateway.listener.connected.is_set():
                await asyncio.sleep(0.02)
        async with socket_to(str(client.base_url).rstrip("/")) as socket:
            await subscribe(socket, "subscription { notifications { kind recipientId params } }")
            user = f"users/{UUID('00000000-0000-7000-8000-000000000001')}"
            async with asyncio.timeout(60):
                while user not in gateway.listener._queues:
                    await asyncio.sleep(0.02)
            raise_notifications(broker, f"users/{uuid4()}", user)
            told = (await receive(socket))["payload"]["data"]["notifications"]
            suite.world.switches = [
                NotificationSwitch(kind="FOLLOW_UP_DUE", channel=NOTIFICATION_CHANNEL_IN_APP, enabled=False),
                NotificationSwitch(kind="CUSTOMER_SHARED", channel=NOTIFICATION_CHANNEL_MAIL, enabled=False),
            ]
            raise_notifications(broker, user)
            raise_notifications(broker, user, kind="CUSTOMER_SHARED")
            after = (await receive(socket))["payload"]["data"]["notifications"]
    assert after["kind"] == "CUSTOMER_SHARED"
    assert told == {"kind": "FOLLOW_UP_DUE", "recipientId": user, "params": {"name": "华诚"}}


def raise_notifications(broker, *recipients, kind="FOLLOW_UP_DUE"):
    from amqp import Message

    with connected(broker) as connection:
        channel = connection.channel()
        declare_exchange(channel, "identity")
        for recipient in recipients:
            data = {"id": str(uuid4()), "recipient": recipient, "kind": kind, "params": {"name": "华诚"}}
            body = seal_envelope(
                event_id=uuid4(),
                source="identity",
                event_type="crm.common.v1.NotificationRaised",
                subject=recipient,
                time=datetime.now(UTC),
                traceparent="",
                data=json.dumps(data),
            )
            channel.basic_publish(Message(body), exchange=exchange_name("identity"), routing_key="NotificationRaised")
