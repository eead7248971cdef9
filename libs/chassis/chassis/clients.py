"""Calls from one service to another: on the caller's behalf, on the same trace, within the same deadline."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import grpc
from crm.identity.v1.auth_service_pb2 import GetKeySetRequest, IssueClientTokenRequest
from crm.identity.v1.auth_service_pb2_grpc import AuthServiceStub
from crm.identity.v1.policy_service_pb2 import GetPolicyRequest, Policy
from crm.identity.v1.policy_service_pb2_grpc import PolicyServiceStub
from opentelemetry.trace import SpanKind, StatusCode

from chassis import deadlines, telemetry
from chassis.callers import current_caller
from chassis.channels import open_target
from chassis.edge import MESSAGE_BYTES
from chassis.settings import Settings

CALL_SECONDS = 10.0
"""The longest that a service waits for another, unless its own caller waits less long."""
AUTHORITY_SECONDS = 2.0
SUCCESSION_SECONDS = 1.5
"""For so long after a service stopped to answer, calls wait for a connection before they try again: what it takes to
find the replica that comes after the only one, whose name is looked up again when the former has drained and closes its
connections. Later on they fail at once."""
_ATTEMPTS = 3
_UNANSWERED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
"""A server that stops cancels calls that reach it in that moment; nobody here cancels any."""
_READS = ("Get", "List", "BatchGet", "Count", "Search")
_RENEW_SECONDS = 60.0
_AUTHORITY_SERVICE = "identity"

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


def open_channel(settings: Settings, service: str) -> grpc.Channel:
    """A channel to another service, from `{SERVICE}_TARGET`, to make stubs on. Keep it for the process's life.

    Each call passes on the caller's token and the trace, and takes no longer than the call under way may.
    Reads, and writes with a request id, are tried again if the other service cannot be reached. What the other service
    refuses becomes this service's own answer if the RpcError is not caught.
    """
    channel = open_target(settings, service, CHANNEL_OPTIONS)
    return grpc.intercept_channel(channel, _OnBehalf(channel))


def plain_channel(target: str) -> grpc.Channel:
    """A channel to one server, with the suite's limits, without TLS and with nothing passed on: for tests."""
    return grpc.insecure_channel(target, options=CHANNEL_OPTIONS)


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _OnBehalf(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._lost_at: float | None = None
        """Since when calls get no answer."""

    def intercept_unary_unary(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        name = _name(details)
        repeatable = name.rpartition("/")[2].startswith(_READS) or getattr(request, "request_id", False)
        attempts = _ATTEMPTS if repeatable else 1
        with telemetry.span(name, kind=SpanKind.CLIENT, attributes={"rpc.system": "grpc"}) as span:
            for attempt in range(attempts):
                answer = continuation(_passed_on(details), request)
                code = answer.code()
                lost_at = self._lost_since(code)
                if lost_at is None or attempt == attempts - 1:
                    break
                time.sleep(min(random.uniform(0.02, 0.1) * 2**attempt, deadlines.remaining(1)))  # noqa: S311
                self._wait_until_connected(lost_at + SUCCESSION_SECONDS)
            if code is not grpc.StatusCode.OK:
                span.set_status(StatusCode.ERROR, code.name)
        return answer

    def _lost_since(self, code: grpc.StatusCode) -> float | None:
        since = (self._lost_at or time.monotonic()) if code in _UNANSWERED else None
        self._lost_at = since
        return since

    def _wait_until_connected(self, until: float) -> None:
        seconds = min(until - time.monotonic(), deadlines.remaining(SUCCESSION_SECONDS))
        if seconds > 0:
            ready = grpc.channel_ready_future(self._channel)
            try:
                ready.result(seconds)
            except grpc.FutureTimeoutError:
                ready.cancel()

    def intercept_unary_stream(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        return continuation(_passed_on(details), request)


def _name(details: Any) -> str:
    method = details.method
    return cast(str, method.decode() if isinstance(method, bytes) else method).lstrip("/")


def _passed_on(details: Any) -> _Details:
    most = deadlines.remaining(CALL_SECONDS)
    metadata = list(details.metadata or ())
    token = current_caller().token
    if token:
        metadata.append(("authorization", f"Bearer {token}"))
    traceparent = telemetry.current_traceparent()
    if traceparent:
        metadata.append(("traceparent", traceparent))
    return _Details(
        method=details.method,
        timeout=min(most, CALL_SECONDS if details.timeout is None else details.timeout),
        metadata=metadata,
        credentials=details.credentials,
        wait_for_ready=details.wait_for_ready,
        compression=details.compression,
    )


class GrpcAuthority:
    """The authority as a service sees it that does not host it: over gRPC, with a client's own credentials."""

    def __init__(self, settings: Settings, service: str) -> None:
        """`service` signs in as the client `svc-{service}` with `SERVICE_CLIENT_SECRET_{SERVICE}`."""
        self._client_id = f"svc-{service}"
        self._secret = settings.client_secret(service)
        self._channel = open_target(settings, _AUTHORITY_SERVICE, CHANNEL_OPTIONS)
        self._auth = AuthServiceStub(self._channel)
        self._policy = PolicyServiceStub(self._channel)
        self._lock = threading.Lock()
        self._token, self._renew_at = "", 0.0

    def key_set(self) -> str:
        """The public keys that tokens are signed with."""
        return self._auth.GetKeySet(GetKeySetRequest(), timeout=AUTHORITY_SECONDS).jwks_json

    def policy(self, known_version: int) -> Policy:
        """The policy. Raises grpc.RpcError if the authority does not answer or does not let this service in."""
        try:
            return self._get_policy(known_version)
        except grpc.RpcError as error:
            if cast(grpc.Call, error).code() is not grpc.StatusCode.UNAUTHENTICATED:
                raise
        self._renew_at = 0.0
        return self._get_policy(known_version)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _get_policy(self, known_version: int) -> Policy:
        return self._policy.GetPolicy(
            GetPolicyRequest(known_version=known_version),
            timeout=AUTHORITY_SECONDS,
            metadata=(("authorization", f"Bearer {self._own_token()}"),),
        )

    def _own_token(self) -> str:
        with self._lock:
            if time.time() >= self._renew_at:
                request = IssueClientTokenRequest(client_id=self._client_id, client_secret=self._secret)
                pair = self._auth.IssueClientToken(request, timeout=AUTHORITY_SECONDS)
                self._token = pair.access_token
                self._renew_at = pair.expire_time.seconds - _RENEW_SECONDS
            return self._token
