"""Two processes of the service share the load, and one of them stops without a caller noticing."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest
from chassis import cli
from chassis.channels import open_target
from chassis.clients import CHANNEL_OPTIONS
from chassis.settings import Settings
from chassis.testing import eventually
from crm.identity.v1.auth_service_pb2 import GetKeySetRequest, IssueClientTokenRequest
from crm.identity.v1.auth_service_pb2_grpc import AuthServiceStub
from embedded.ports import accepts, free_port
from identity.main import SERVICE
from identity.testing import ADMIN_PASSWORD, SERVICE_SECRET, new_key, pem_key

THREADS = 4
READ, WRITE = "GetKeySet", "IssueClientToken"


class Replica:
    """An `identity serve` process."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port, self.monitor = free_port(), free_port()
        self._environment = {
            **os.environ,
            **environment,
            "GRPC_LISTEN": f"127.0.0.1:{self.port}",
            "MONITOR_LISTEN": f"127.0.0.1:{self.monitor}",
        }
        self._log = log
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", "from identity.main import main; main()", "serve"]
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(command, env=self._environment, stderr=output)

    def is_up(self) -> bool:
        return accepts(self.port) and accepts(self.monitor)

    def answered(self, method: str) -> float:
        """How many calls of a method it has answered since it started."""
        with urlopen(f"http://127.0.0.1:{self.monitor}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        counted = [line for line in lines if line.startswith("grpc_server_calls_total{") and f"/{method}" in line]
        return sum(float(line.rpartition(" ")[2]) for line in counted)


class Load(threading.Thread):
    """Calls one after the other, reads and writes in turn, until it is told to stop. Each is tried once."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._stub = AuthServiceStub(open_target(settings, "identity", CHANNEL_OPTIONS))
        self.ending = threading.Event()
        self.calls = 0
        self.failures: list[str] = []

    def run(self) -> None:
        login = IssueClientTokenRequest(client_id="svc-customers", client_secret=SERVICE_SECRET)
        while not self.ending.wait(0.005):
            try:
                self._stub.GetKeySet(GetKeySetRequest(), timeout=60)
                self._stub.IssueClientToken(login, timeout=60)
            except grpc.RpcError as error:
                self.failures.append(f"{error.code().name}: {error.details()}")
            self.calls += 2


@pytest.fixture
def environment(make_database) -> dict[str, str]:
    told = {
        "DATABASE_URL_IDENTITY": make_database("identity", SERVICE.migrations),
        "TOKEN_SIGNING_KEY": pem_key(),
        "DATA_KEYS": f"test:{new_key()}",
        "PUBLIC_URL": "https://crm.example.com",
        "BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "SERVICE_CLIENT_SECRET_CUSTOMERS": SERVICE_SECRET,
        "DRAIN_SECONDS": "3",  # who calls learns of it in time, also on a machine that stands still now and then
        "MAX_CONNECTION_AGE_SECONDS": "1",  # so that connections are renewed under the load, several times
    }
    cli.migrate(Settings.read(told), [SERVICE])
    return told


@pytest.fixture
def replicas(environment, tmp_path) -> Iterator[list[Replica]]:
    made = [Replica(environment, tmp_path / f"{number}.log") for number in range(2)]
    try:
        for replica in made:
            eventually(replica.is_up, timeout=180)
        yield made
    finally:
        for replica in made:
            replica.process.kill()
            replica.process.wait()


@contextmanager
def load(replicas: list[Replica]) -> Iterator[list[Load]]:
    target = "ipv4:" + ",".join(f"127.0.0.1:{replica.port}" for replica in replicas)
    loads = [Load(Settings.read({"IDENTITY_TARGET": target})) for _ in range(THREADS)]
    for each in loads:
        each.start()
    try:
        yield loads
    finally:
        for each in loads:
            each.ending.set()
        for each in loads:
            each.join()


def more_calls(replica: Replica, method: str) -> bool:
    before = replica.answered(method)
    return bool(eventually(lambda: replica.answered(method) >= before + 20, timeout=90))


@pytest.mark.timeout(600)
def test_replicas_share_the_load_and_one_stops_and_returns_unnoticed(replicas):
    first, second = replicas
    with load(replicas) as loads:
        assert all(more_calls(replica, method) for replica in replicas for method in (READ, WRITE))
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(60) == 0
        assert more_calls(second, WRITE)
        first.start()
        eventually(first.is_up, timeout=180)
        assert more_calls(first, WRITE), "a replica that returns receives calls again"
        time.sleep(1.5)  # connections grow too old meanwhile
    assert [failure for each in loads for failure in each.failures] == []
    assert sum(each.calls for each in loads) > 200
