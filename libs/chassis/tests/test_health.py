"""The health that clients watch, while they come and go."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from chassis.channels import TRAFFIC
from chassis.health import Health
from grpc_health.v1 import health_pb2, health_pb2_grpc

WATCHES = 1_000
CALLS = 3
"""The most that the server takes at once."""


@pytest.fixture
def watched():
    """A server that answers for nothing but its health, and its address."""
    health = Health({"": {}}, {"probe": ["probe.v1.ProbeService"]})
    server = grpc.server(ThreadPoolExecutor(2), maximum_concurrent_rpcs=CALLS)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield health, f"127.0.0.1:{port}"
    server.stop(0).wait(10)


def test_watchers_who_leave_while_they_are_told_something_hold_nobody_up(watched):
    health, target = watched
    come = threading.Semaphore(0)
    over = threading.Event()

    def come_and_go() -> None:
        with grpc.insecure_channel(target) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while not over.is_set():
                watch = stub.Watch(health_pb2.HealthCheckRequest(service="probe"))
                next(watch)
                watch.cancel()
                come.release()

    def change() -> None:
        number = 0
        while not over.wait(0.0005):
            health.servicer.set("probe", number := 1 - number)
        health.drain()

    clients = [threading.Thread(target=come_and_go, daemon=True) for _ in range(8)]
    for client in clients:
        client.start()
    changing = threading.Thread(target=change, daemon=True)
    changing.start()
    try:
        for _ in range(WATCHES):
            assert come.acquire(timeout=60), "a client waits for ever"
    finally:
        over.set()
    changing.join(60)
    assert not changing.is_alive(), "who changes the health waits for ever"
    for client in clients:
        client.join(60)
    assert not any(client.is_alive() for client in clients)


def test_those_who_watch_leave_the_server_its_calls(watched):
    health, target = watched
    request = health_pb2.HealthCheckRequest(service=TRAFFIC)
    with grpc.insecure_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watches = [stub.Watch(request, timeout=60) for _ in range(CALLS + 1)]
        for watch in watches:
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        assert stub.Check(request, timeout=60).status == health_pb2.HealthCheckResponse.SERVING
        health.drain()
        for watch in watches:
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_draining_is_told_to_who_watches(watched):
    health, target = watched
    with grpc.insecure_channel(target) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=TRAFFIC), timeout=60)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        health.drain()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
