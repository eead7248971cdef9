"""How many calls a second a server answers, beside a bare grpcio echo in the same run.

    python tests/bench/echo.py [--target host:port --token TOKEN --customer customers/…]

Without arguments it prints the rate of the bare echo. With a running customers service it also reads one customer,
in turns with the echo so that both meet the same machine, and prints the ratio. Other benches call `compare`.
"""

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import grpc

CLIENTS = 8
SECONDS = 4.0
ROUNDS = 3
TARGET_RATIO = 1 / 3
ECHO = "/bench.Echo/Say"


@dataclass(frozen=True)
class Load:
    """A unary call to make over and over."""

    target: str
    method: str
    """`/package.Service/Method`."""
    request: bytes
    token: str = ""


@dataclass(frozen=True)
class Measured:
    """What a load reached."""

    per_second: float
    p50_ms: float
    p99_ms: float


def run_load(load: Load, *, clients: int = CLIENTS, seconds: float = SECONDS) -> Measured:
    """Call from several clients at once, each on its own connection. Raises grpc.RpcError if a call fails."""
    metadata = (("authorization", f"Bearer {load.token}"),) if load.token else ()
    barrier = threading.Barrier(clients + 1)

    def client(_: int) -> list[float]:
        took: list[float] = []
        with grpc.insecure_channel(load.target, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
            invoke: Any = channel.unary_unary(load.method)
            invoke(load.request, metadata=metadata, timeout=30)
            barrier.wait(30)
            end = time.perf_counter() + seconds
            while (began := time.perf_counter()) < end:
                invoke(load.request, metadata=metadata, timeout=30)
                took.append(time.perf_counter() - began)
        return took

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client, number) for number in range(clients)]
        barrier.wait(30)
        took = sorted(seconds for done in running for seconds in done.result())
    return Measured(len(took) / seconds, median(took) * 1000, took[int(len(took) * 0.99)] * 1000)


def load_elsewhere(load: Load, *, clients: int = CLIENTS, seconds: float = SECONDS) -> Measured:
    """`run_load` in a process of its own, so that clients and whoever measures share no interpreter lock."""
    arguments = [load.target, load.method, load.request.hex(), load.token, str(clients), str(seconds)]
    done = subprocess.run([sys.executable, __file__, "--load", *arguments], capture_output=True, text=True, check=True)
    rate, p50, p99 = map(float, done.stdout.split())
    return Measured(rate, p50, p99)


@contextmanager
def echo_server() -> Iterator[Load]:
    """A bare echo in a process of its own, and the load for it."""
    process = subprocess.Popen([sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    try:
        yield Load(f"127.0.0.1:{int(process.stdout.readline())}", ECHO, b"x" * 50)
    finally:
        process.stdin.close()
        process.wait(10)


def compare(load: Load, *, name: str, rounds: int = ROUNDS) -> float:
    """Measure a load in turns with the echo, print both, and return the ratio of the median rates."""
    echoes, loads = [], []
    with echo_server() as echo:
        for _ in range(rounds):
            echoes.append(load_elsewhere(echo))
            loads.append(load_elsewhere(load))
    for label, measured in (("bare echo", echoes), (name, loads)):
        print(f"{label:20} {_middle(measured, 'per_second'):8.0f} calls/s   {_latency(measured)}")
    ratio = _middle(loads, "per_second") / _middle(echoes, "per_second")
    print(f"{'ratio':20} {ratio:8.2f}   (at least {TARGET_RATIO:.2f})")
    return ratio


def _middle(measured: Sequence[Measured], what: str) -> float:
    return float(median(getattr(one, what) for one in measured))


def _latency(measured: Sequence[Measured]) -> str:
    return f"p50 {_middle(measured, 'p50_ms'):.2f} ms   p99 {_middle(measured, 'p99_ms'):.2f} ms"


def _serve() -> None:
    """Answer each message with itself until the standard input is closed."""
    echo: Callable[[bytes, object], bytes] = lambda request, context: request  # noqa: E731
    handler = grpc.method_handlers_generic_handler("bench.Echo", {"Say": grpc.unary_unary_rpc_method_handler(echo)})
    server = grpc.server(ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((handler,))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(0)


def main() -> int:
    """Run from the command line."""
    if sys.argv[1:2] == ["--serve"]:
        _serve()
        return 0
    if sys.argv[1:2] == ["--load"]:
        target, method, body, token, count, length = sys.argv[2:]
        measured = run_load(Load(target, method, bytes.fromhex(body), token), clients=int(count), seconds=float(length))
        print(measured.per_second, measured.p50_ms, measured.p99_ms)
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", help="where a customers service listens")
    parser.add_argument("--token", default="", help="an access token that may read the customer")
    parser.add_argument("--customer", default="", help="the customer to read, customers/{uuid}")
    chosen = parser.parse_args()
    if chosen.target:
        from crm.customers.v1.customer_service_pb2 import GetCustomerRequest

        request = GetCustomerRequest(name=chosen.customer).SerializeToString()
        load = Load(chosen.target, "/crm.customers.v1.CustomerService/GetCustomer", request, chosen.token)
        return 0 if compare(load, name="GetCustomer") >= TARGET_RATIO else 1
    with echo_server() as echo:
        for clients in (1, CLIENTS):
            measured = load_elsewhere(echo, clients=clients)
            print(f"bare echo, {clients} clients: {measured.per_second:.0f} calls/s   {_latency([measured])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
