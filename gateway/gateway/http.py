"""GraphQL over HTTP, as its specification has it."""

from collections.abc import Callable
from typing import Any

import orjson
from chassis import telemetry
from chassis.errors import Invalid
from chassis.origins import Origin
from graphql import GraphQLError
from opentelemetry.trace import Span, SpanKind
from starlette.requests import HTTPConnection
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from gateway.bodies import Refusal, operation_in
from gateway.context import Context
from gateway.engine import Engine, Operation, Refused
from gateway.errors import formatted
from gateway.locales import locale_of

RESPONSE = "application/graphql-response+json"
JSON = "application/json"
_KNOWN = {RESPONSE: RESPONSE, JSON: JSON, "application/*": JSON, "*/*": JSON}

Contexts = Callable[[str, str, Origin], Context]
"""(value of `authorization`, locale, where the client is) → the context of an operation."""


class GraphQLOverHttp:
    """Answers `/graphql`."""

    def __init__(self, engine: Engine, contexts: Contexts, page: Callable[[], Response]) -> None:
        """`page` is what a browser is shown that comes without an operation."""
        self._engine = engine
        self._contexts = contexts
        self._page = page

    async def answer(self, request: HttpRequest) -> Response:
        """Answer one request."""
        accept = request.headers.get("accept", "")
        if request.method == "GET" and "query" not in request.query_params and "text/html" in accept:
            return self._page()
        with telemetry.span_from(request.headers.get("traceparent", ""), "graphql", kind=SpanKind.SERVER) as span:
            response = await self._respond(request, _media_type(accept), span)
            response.headers["x-trace-id"] = telemetry.current_trace_id()
            response.headers["traceparent"] = telemetry.current_traceparent()
        return response

    async def _respond(self, request: HttpRequest, media_type: str | None, span: Span) -> Response:
        locale = locale_of(request.headers.get("accept-language", ""))
        try:
            if media_type is None:
                raise Refusal(406, Invalid("NOT_ACCEPTABLE", f"accept {RESPONSE} or {JSON}"))
            async with operation_in(request) as sent:
                operation = self._engine.prepare(sent)
                _check_method(request.method, operation)
                span.update_name(operation.name)
                context = self._contexts(request.headers.get("authorization", ""), locale, origin_of(request))
                answer = await self._engine.run(operation, context)
        except Refusal as refusal:
            error = formatted(GraphQLError(refusal.error.message, original_error=refusal.error), locale)
            return _json({"errors": [error]}, media_type or JSON, refusal.status, refusal.headers)
        except Refused as refused:
            answer = {"errors": [formatted(error, locale) for error in refused.errors]}
        assert media_type is not None
        # The older media type has always been answered with 200 once the request as such could be read.
        status = 400 if "data" not in answer and media_type == RESPONSE else 200
        return _json(answer, media_type, status, _retry_after(answer))


def _retry_after(answer: dict[str, Any]) -> dict[str, str]:
    """The header that says when to try again, if a service has said so of a part of the answer."""
    extensions = [error.get("extensions", {}) for error in answer.get("errors") or ()]
    seconds = [int(each["retry_after_seconds"]) for each in extensions if "retry_after_seconds" in each]
    return {"retry-after": str(max(seconds))} if seconds else {}


def origin_of(connection: HTTPConnection) -> Origin:
    """Where a client is. Behind proxies the server has worked that out already, as far as it trusts them."""
    address = connection.client.host if connection.client else ""
    return Origin(address, connection.headers.get("user-agent", ""))


def _check_method(method: str, operation: Operation) -> None:
    if operation.kind == "subscription":
        error = Invalid("SUBSCRIPTION_OVER_HTTP", "subscribe over WebSocket, by graphql-transport-ws")
        raise Refusal(400, error)
    if method == "GET" and operation.kind != "query":
        error = Invalid("METHOD_NOT_ALLOWED", "send mutations by POST")
        raise Refusal(405, error, {"allow": "POST"})


def _media_type(accept: str) -> str | None:
    """The media type to answer with: the most wanted of those we have, JSON if none is named."""
    if not accept.strip():
        return JSON
    wanted = []
    for place, part in enumerate(accept.split(",")):
        name, _, parameters = part.strip().partition(";")
        known = _KNOWN.get(name.strip().lower())
        quality = _quality(parameters)
        if known and quality > 0:
            wanted.append((-quality, place, known))
    return min(wanted)[2] if wanted else None


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _json(answer: dict[str, Any], media_type: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(answer, default=str), status, headers, media_type=f"{media_type}; charset=utf-8")
