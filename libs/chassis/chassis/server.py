"""The gRPC server that hosts one service or several: with health, reflection, and everything of `chassis.edge`."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis import metrics
from chassis.access import access_table
from chassis.audit.refusals import RefusalLog, Refusals
from chassis.audit.servicer import audit_servicer
from chassis.authentication import Authenticator
from chassis.channels import server_credentials
from chassis.clients import GrpcAuthority
from chassis.edge import MESSAGE_BYTES, Registrar
from chassis.errors import Invalid
from chassis.explaining_servicer import explanation_servicer
from chassis.handover.servicer import handover_servicers
from chassis.health import Health, database_check
from chassis.metrics import Check
from chassis.personal_data.servicer import personal_data_servicers
from chassis.policy import Authority, PolicyCache
from chassis.service import Runtime, Service, Servicer
from chassis.settings import Settings
from chassis.testclock import clock_servicer

logger = logging.getLogger(__name__)

GRACE_SECONDS = 12.0
"""How long calls under way may go on once the server stops, if nothing else is said."""
_AGED_CALL_SECONDS = 600
"""How long calls under way may go on over a connection that is too old: downloads take their time."""
_CALLS_PER_THREAD = 40
"""More calls than this per thread are refused with RESOURCE_EXHAUSTED rather than queued for longer."""

_OPTIONS = (
    # Twice our own limit: up to there a request is refused with a reason, beyond it by the transport.
    ("grpc.max_receive_message_length", 2 * MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_metadata_size", 32 * 1024),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
)

Hosted = Sequence[tuple[Service, Runtime]]


class RunningServer:
    """A server with everything it hosts. `start` and `stop` it once."""

    def __init__(
        self, server: grpc.Server, port: int, policy: PolicyCache, health: Health, refusals: Refusals, hosted: Hosted
    ) -> None:
        self.port = port
        self.policy = policy
        self.health = health
        self._server = server
        self._refusals = refusals
        self._hosted = hosted
        self._stopped = threading.Event()

    @property
    def alive(self) -> dict[str, Check]:
        """What only a new process would mend, for `/livez`."""
        return {"policy": self.policy.lifeless, "health": self.health.lifeless}

    def start(self) -> None:
        """Begin to serve."""
        for _, runtime in self._hosted:
            metrics.POOLS.watch(runtime.database)
        self.policy.start()
        self._refusals.start()
        self._server.start()
        self.health.start()
        logger.info("serving", extra={"port": self.port, "services": [service.name for service, _ in self._hosted]})

    def drain(self, seconds: float) -> None:
        """Say for a while that no more calls are wanted, and answer those that come all the same."""
        self.health.drain()
        time.sleep(seconds)

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Take no more calls, let those under way finish for up to `grace` seconds, and let go of everything."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self.health.drain()
        self._server.stop(grace).wait()
        self._refusals.stop()
        self.policy.stop()
        for _, runtime in self._hosted:
            runtime.database.dispose()
        logger.info("stopped")


def build_server(settings: Settings, hosted: Hosted, *, authority: Authority | None = None) -> RunningServer:
    """A server of some services, bound to `settings.listen` but not started.

    Tokens are judged by the authority of the hosted service that has one, else over gRPC; `authority` overrides
    that. Raises Invalid MISSING_ACCESS for a method that does not say who may call it, PORT_IN_USE if another
    process listens there.
    """
    by_service = {service.name: list(service.servicers(runtime)) for service, runtime in hosted}
    common = [clock_servicer(settings, hosted), audit_servicer(hosted), *handover_servicers(hosted)]
    common += [*personal_data_servicers(hosted), explanation_servicer(settings, hosted)]
    servicers = [*(servicer for own in by_service.values() for servicer in own), *common]
    table = access_table([servicer.descriptor for servicer in servicers])
    policy = PolicyCache(authority or _authority(settings, hosted))
    server = grpc.server(
        _threads(settings, "grpc"),
        options=(*_OPTIONS, *_aging(settings.connection_age_seconds)),
        maximum_concurrent_rpcs=settings.server_threads * len(hosted) * _CALLS_PER_THREAD,
    )
    refusals = _refusals(hosted, by_service)
    authenticator, streams = Authenticator(policy), _threads(settings, "stream")
    for name, own in {**by_service, "common": common}.items():
        # What one service asks of another in the same process would wait for itself if they shared threads.
        calls = _threads(settings, f"{name}-call")
        registrar = Registrar(server, authenticator, table, calls, streams, refusals, settings.gateway_secret)
        for servicer in own:
            servicer.register(servicer.implementation, registrar)
    health = _health(hosted, policy, by_service)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    _reflect(server, [servicer.descriptor for servicer in servicers])
    return RunningServer(server, _bind(server, settings), policy, health, refusals, hosted)


def _threads(settings: Settings, name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.server_threads, thread_name_prefix=name)


def _authority(settings: Settings, hosted: Hosted) -> Authority:
    for service, runtime in hosted:
        if service.authority is not None:
            return service.authority(runtime)
    return GrpcAuthority(settings, hosted[0][0].name)


def _refusals(hosted: Hosted, by_service: Mapping[str, Sequence[Servicer]]) -> Refusals:
    """Where refusals are logged: with the service whose method it is; those of common services with the first."""
    logs = {service.name: RefusalLog(runtime.database) for service, runtime in hosted}
    by_method = {
        servicer.descriptor.full_name: logs[service]
        for service, servicers in by_service.items()
        for servicer in servicers
    }
    return Refusals(by_method, other=logs[hosted[0][0].name])


def _health(hosted: Hosted, policy: PolicyCache, by_service: Mapping[str, Sequence[Servicer]]) -> Health:
    checks = {service.name: {"database": database_check(runtime.database)} for service, runtime in hosted}
    names = {
        service: [servicer.descriptor.full_name for servicer in servicers] for service, servicers in by_service.items()
    }
    return Health({"": {"policy": policy.problem}, **checks}, names)


def _reflect(server: grpc.Server, descriptors: Sequence[ServiceDescriptor]) -> None:
    names = [descriptor.full_name for descriptor in descriptors]
    names += [health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)


def _aging(seconds: float) -> tuple[tuple[str, int], ...]:
    return (
        ("grpc.max_connection_age_ms", int(seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", _AGED_CALL_SECONDS * 1000),
    )


def _bind(server: grpc.Server, settings: Settings) -> int:
    secret = None if settings.certificates is None else server_credentials(settings.certificates)
    try:
        if secret is not None:
            return server.add_secure_port(settings.listen, secret)
        return server.add_insecure_port(settings.listen)
    except RuntimeError:
        raise Invalid(
            "PORT_IN_USE", f"cannot listen on {settings.listen}: is it in use?", field="GRPC_LISTEN"
        ) from None
