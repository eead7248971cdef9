"""Metrics (rate, errors, duration per method and per handler) and the monitoring endpoint of a process."""

import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy.pool import QueuePool

from chassis.db import Database

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

CALLS = Counter("grpc_server_calls_total", "Calls answered", ["method", "code"])
CALL_SECONDS = Histogram("grpc_server_seconds", "How long calls took", ["method"], buckets=_SECONDS)
HANDLED = Counter("handler_events_total", "Events that handlers were given", ["queue", "outcome"])
HANDLER_SECONDS = Histogram("handler_seconds", "How long handlers took", ["queue"], buckets=_SECONDS)
TIMER_RUNS = Counter("timer_runs_total", "Runs of timers", ["service", "timer", "outcome"])
OUTBOX_PENDING = Gauge("outbox_pending", "Events waiting to be published", ["service"])
OUTBOX_LAG_SECONDS = Gauge("outbox_lag_seconds", "Age of the oldest event waiting to be published", ["service"])
EVENTS_PUBLISHED = Counter("outbox_published_total", "Events published", ["service"])
MAILS = Counter("mails_total", "Attempts to deliver mails, by what the mail was then", ["service", "state"])
AUDIT_UNSEALED = Gauge("audit_unsealed", "Entries of the audit log that are in no block yet", ["service"])
AUDIT_HEAD = Gauge("audit_head_block", "The number of the last block of the audit log", ["service"])
UNAUDITED_WRITES = Counter("unaudited_writes_total", "Calls that wrote without an audit entry", ["service"])
QUEUE_EVENTS = Gauge("queue_events", "Events that wait for a handler or are with it", ["queue"])
JOBS_WAITING = Gauge("jobs_waiting", "Jobs that no process works on yet, at most 10", ["service"])
DEAD_LETTERS = Gauge("dead_letters", "Events set aside after their last retry", ["queue"])
CERTIFICATE_EXPIRY = Gauge("tls_certificate_expiry_timestamp_seconds", "When the certificate in use ends")

Check = Callable[[], str]
"""Returns what is wrong, or the empty string."""


class Pools:
    """Reads the sizes of database connection pools whenever metrics are asked for."""

    def __init__(self) -> None:
        self._databases: dict[str, Database] = {}

    def watch(self, database: Database) -> None:
        """Report a database's pool from now on, under its service's name."""
        self._databases[database.service] = database
        UNAUDITED_WRITES.labels(database.service)  # from 0 on, so that the first is an increase

    def collect(self) -> Iterable[Metric]:
        """Called by the registry."""
        size = GaugeMetricFamily("database_pool_connections", "Open connections", labels=["service", "state"])
        limit = GaugeMetricFamily("database_pool_limit", "Connections that may be open at most", labels=["service"])
        for service, database in self._databases.items():
            pool = database.engine.pool
            if isinstance(pool, QueuePool):
                limit.add_metric([service], 2 * pool.size())  # `chassis.db`: as many again may be open for a moment
                size.add_metric([service, "used"], pool.checkedout())
                size.add_metric([service, "idle"], pool.checkedin())
        return [size, limit]


POOLS = Pools()
REGISTRY.register(POOLS)


class Monitor:
    """Serves `/livez`, `/readyz` and `/metrics` over HTTP, from a thread of its own."""

    def __init__(self, listen: str, checks: Mapping[str, Check], alive: Mapping[str, Check] | None = None) -> None:
        """`listen` is `host:port`; port 0 takes a free one. `checks` say by name what must be well to be ready, `alive`
        what only a new process would mend: nothing that depends on another server."""
        host, _, port = listen.rpartition(":")
        self._server = ThreadingHTTPServer((host or "0.0.0.0", int(port)), _handler(checks, alive or {}))  # noqa: S104
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True)
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()


def failing(checks: Mapping[str, Check]) -> dict[str, str]:
    """The checks that fail, with what is wrong. A check that breaks fails."""
    wrong: dict[str, str] = {}
    for name, check in checks.items():
        try:
            problem = check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the process is not ready
            problem = type(error).__name__
        if problem:
            wrong[name] = problem
    return wrong


def _handler(checks: Mapping[str, Check], alive: Mapping[str, Check]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/livez":
                self._judge("alive", failing(alive))
            elif path == "/readyz":
                self._judge("ready", failing(checks))
            elif path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
            else:
                self._answer(404, "text/plain; charset=utf-8", b"try /livez, /readyz or /metrics\n")

        def _judge(self, name: str, wrong: Mapping[str, str]) -> None:
            body = orjson.dumps({name: not wrong, "failing": wrong})
            self._answer(503 if wrong else 200, "application/json", body)

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Probes every few seconds are not worth a line each."""

    return Handler
