"""What happens around every call, in one pass: deadline, trace, authentication, permission, the call itself,
its errors, metrics and log line.

Each method is wrapped once, when the server starts, so that a call pays for nothing but its own work. Every
call runs in a context of its own: caller, deadline and span are right in it, also while a stream is produced,
and nothing is left behind in the thread.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

import grpc
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from opentelemetry import context as otel_context
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context

from chassis import deadlines, metrics, origins, telemetry
from chassis.access import Access
from chassis.audit.refusals import Refusals
from chassis.authentication import Authenticator
from chassis.callers import Caller, current_caller, set_caller
from chassis.channels import ADMITTED
from chassis.concealment import MethodRules
from chassis.deadlines import DeadlineExceeded, Limits
from chassis.errors import Denied, DomainError, Exhausted, Invalid, Unauthenticated
from chassis.logs import note_routine
from chassis.moments import moments_of
from chassis.status import to_status

calls_logger = logging.getLogger("chassis.calls")

CALL_SECONDS = 30.0
"""The longest a call may take; a client may ask for less."""
STREAM_SECONDS = 600.0
"""The same for uploads and downloads."""
MESSAGE_BYTES = 8 * 1024 * 1024

_ANONYMOUS = Caller(subject="")
_QUIET = frozenset({"crm.identity.v1.PolicyService/GetPolicy", "crm.identity.v1.AuthService/GetKeySet"})
"""What every server polls: neither traced nor, while it goes well, logged."""
_CODES = {code.value[0]: code for code in grpc.StatusCode}

Item = TypeVar("Item")
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Registrar:
    """Stands in for the grpc.Server when servicers are registered, to wrap their methods."""

    def __init__(
        self,
        server: grpc.Server,
        authenticator: Authenticator,
        table: Mapping[str, Access],
        call_pool: ThreadPoolExecutor,
        stream_pool: ThreadPoolExecutor,
        refusals: Refusals,
        gateway_secret: str = "",
    ) -> None:
        """Streams run in another pool than calls, so that long ones never keep short calls waiting. With its secret the
        gateway proves whom it speaks for: see `chassis.origins`."""
        self._gateway_secret = gateway_secret
        self._refusals = refusals
        self._server = server
        self._call_pool = call_pool
        self._stream_pool = stream_pool
        self._authenticator = authenticator
        self._table = table

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Called by generated code, which adds the same methods by `add_registered_method_handlers` too."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Add the methods of a service, wrapped."""
        wrapped = {name: self._wrap(f"{service}/{name}", handler) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, wrapped),))
        self._server.add_registered_method_handlers(service, wrapped)

    def _wrap(self, name: str, handler: Any) -> Handler:
        edge = MethodEdge(name, self._table[name], self._authenticator, handler, self._refusals, self._gateway_secret)
        kinds: dict[tuple[bool, bool], Any] = {
            (False, False): (grpc.unary_unary_rpc_method_handler, edge.answer, handler.unary_unary),
            (False, True): (grpc.unary_stream_rpc_method_handler, edge.stream, handler.unary_stream),
            (True, False): (grpc.stream_unary_rpc_method_handler, edge.answer_upload, handler.stream_unary),
            (True, True): (grpc.stream_stream_rpc_method_handler, edge.stream_upload, handler.stream_stream),
        }
        make, around, behaviour = kinds[(handler.request_streaming, handler.response_streaming)]
        edge.behaviour = behaviour
        pooled: Any = partial(around)  # which, unlike a method, can be given an attribute
        streaming = handler.request_streaming or handler.response_streaming
        pooled.experimental_thread_pool = self._stream_pool if streaming else self._call_pool
        return cast(Handler, make(pooled, _careful(handler.request_deserializer), edge.serializer))


class _Call:
    """What is known of a call under way."""

    __slots__ = ("context", "limits", "metadata", "span", "started")

    def __init__(self, context: grpc.ServicerContext) -> None:
        self.started = time.perf_counter()
        self.context = context
        self.metadata: dict[str, Any] = dict(context.invocation_metadata())
        self.limits: Limits
        self.span: Span


class MethodEdge:
    """One method as clients meet it."""

    def __init__(
        self,
        name: str,
        access: Access,
        authenticator: Authenticator,
        handler: Any,
        refusals: Refusals,
        gateway_secret: str,
    ) -> None:
        self.behaviour: Callable[[Any, Any], Any]
        self.serializer = handler.response_serializer
        self._name = name
        self._domain = f"{name.split('.')[1]}.crm"
        self._public = access.public
        self._permission = access.permission
        self._partners = access.partners
        self._rules = MethodRules.of(name)
        self._moments = moments_of(Default().FindMethodByName(name.replace("/", ".")).input_type)
        self._authenticator = authenticator
        self._refusals = refusals
        self._gateway_secret = gateway_secret
        self._seconds = STREAM_SECONDS if handler.request_streaming or handler.response_streaming else CALL_SECONDS
        self._quiet = name in _QUIET
        self._duration = metrics.CALL_SECONDS.labels(name)
        self._outcomes = {code.name: metrics.CALLS.labels(name, code.name) for code in grpc.StatusCode}
        self._attributes = {"rpc.system": "grpc", "rpc.method": name}

    def answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Answer a unary call."""
        return Context().run(self._answer, request, context)

    def answer_upload(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        """Answer a call with a stream of requests. Clients learn that they are let in before they send any."""
        admit = partial(context.send_initial_metadata, ((ADMITTED, "true"),))
        return Context().run(self._answer, self._checked(requests), context, admit)

    def stream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Answer a call with a stream of responses."""
        return _within(Context(), self._stream(request, context))

    def stream_upload(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """Answer a stream with a stream."""
        return _within(Context(), self._stream(self._checked(requests), context))

    def _answer(self, request: Any, context: grpc.ServicerContext, admitted: Callable[[], None] = lambda: None) -> Any:
        call = self._begin(context)
        try:
            self._admit(call, request)
            admitted()
            response = self.behaviour(request, context)
            self._rules.conceal(response, current_caller())
        except Exception as error:  # noqa: BLE001 - this is the one place where errors leave a service
            self._note(error, request)
            status = to_status(error, self._domain)
        else:
            self._end(call, "OK")
            context.set_trailing_metadata((("traceparent", telemetry.traceparent(call.span)),))
            return response
        return self._refuse(call, status)

    def _stream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        call = self._begin(context)
        outcome = "CANCELLED"
        try:
            self._admit(call, request)
            for response in self.behaviour(request, context):
                self._rules.conceal(response, current_caller())
                yield response
        except GeneratorExit:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._note(error, request)
            status = to_status(error, self._domain)
            outcome = ""
        else:
            outcome = "OK"
            context.set_trailing_metadata((("traceparent", telemetry.traceparent(call.span)),))
        finally:
            if outcome:
                self._end(call, outcome)
        if not outcome:
            self._refuse(call, status)

    def _begin(self, context: grpc.ServicerContext) -> _Call:
        call = _Call(context)
        given = context.time_remaining()
        seconds = self._seconds if given is None else min(given, self._seconds)
        call.limits = Limits(seconds, context.is_active)
        deadlines.set_limits(call.limits)
        parent = telemetry.parent_context("" if self._quiet else str(call.metadata.get("traceparent", "")))
        call.span = telemetry.recorder().start_span(
            self._name, context=parent, kind=SpanKind.SERVER, attributes=self._attributes
        )
        otel_context.attach(set_span_in_context(call.span))
        return call

    def _admit(self, call: _Call, request: Any) -> None:
        origins.set_source(self._gateway_secret, call.metadata, call.context)
        if self._public:
            set_caller(_ANONYMOUS)
        else:
            caller = self._authenticator.caller(_bearer(call.metadata))
            set_caller(caller)
            if caller.calls_per_minute:
                self._authenticator.rates.take(caller.subject, caller.calls_per_minute)
            if caller.partner_id is not None and not self._partners:
                raise Denied("EMPLOYEES_ONLY", "this is open to the company's own people, not to partners")
            if self._permission:
                caller.scope(self._permission)
        if isinstance(request, DomainError):
            raise request
        if isinstance(request, Message):
            self._check(request)
        if time.monotonic() >= call.limits.at:
            raise DeadlineExceeded("DEADLINE_EXCEEDED", "the call waited longer than its deadline; nothing was changed")

    def _checked(self, requests: Iterator[Any]) -> Iterator[Any]:
        for request in requests:
            if isinstance(request, DomainError):
                raise request
            self._check(request)
            yield request

    def _check(self, request: Message) -> None:
        if self._moments is not None:
            self._moments.check(request)
        self._rules.check(request, current_caller())

    def _note(self, error: Exception, request: Any) -> None:
        """Log that the caller may not do this, or could not sign in. What another service refused, that one logs."""
        if isinstance(error, Denied) or (self._public and isinstance(error, Unauthenticated)):
            self._refusals.note(current_caller(), self._name, error, request)

    def _end(self, call: _Call, code: str) -> None:
        seconds = time.perf_counter() - call.started
        self._duration.observe(seconds)
        self._outcomes[code].inc()
        if code != "OK":
            call.span.set_status(StatusCode.ERROR, code)
        if not self._quiet or code != "OK":
            _log(self._name, code, seconds)
        call.span.end()

    def _refuse(self, call: _Call, status: status_pb2.Status) -> None:
        self._end(call, _CODES[status.code].name)
        call.context.abort_with_status(_Refusal(status, telemetry.traceparent(call.span)))


class _Refusal(grpc.Status):
    """A rich status as grpcio takes it, with the trace in the trailing metadata."""

    def __init__(self, status: status_pb2.Status, traceparent: str) -> None:
        self.code = _CODES[status.code]
        self.details = status.message
        self.trailing_metadata = (
            ("grpc-status-details-bin", status.SerializeToString()),
            ("traceparent", traceparent),
        )


def _bearer(metadata: Mapping[str, Any]) -> str:
    header = metadata.get("authorization", "")
    scheme, _, token = header.partition(" ")
    if header and (scheme.lower() != "bearer" or not token.strip()):
        raise Unauthenticated("INVALID_TOKEN", "the authorization header must read `Bearer` and an access token")
    return cast(str, token.strip())


def _log(name: str, code: str, seconds: float) -> None:
    try:
        subject = current_caller().subject
    except LookupError:
        subject = ""
    fields = {"method": name, "code": code, "ms": round(seconds * 1000, 2), "subject": subject}
    if code == "OK":
        note_routine(calls_logger, "call", **fields)
    else:
        calls_logger.info("call", extra=fields)


def _careful(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Read a message, or return the error that says why it cannot be read, to be raised once the caller is known."""

    def read(data: bytes) -> Any:
        if len(data) > MESSAGE_BYTES:
            return Exhausted(
                "MESSAGE_TOO_LARGE",
                f"a request may have at most {MESSAGE_BYTES} bytes",
                size=len(data),
                maximum=MESSAGE_BYTES,
            )
        try:
            return deserialize(data)
        except DecodeError:
            return Invalid("MALFORMED_REQUEST", "the request is not a message of the type that the method takes")

    return read


def _within(context: Context, items: Iterator[Item]) -> Iterator[Item]:
    """Produce each item in a context, whichever thread asks for it."""
    try:
        while True:
            try:
                item = context.run(next, items)
            except StopIteration:
                return
            yield item
    finally:
        context.run(items.close)  # type: ignore[attr-defined]
