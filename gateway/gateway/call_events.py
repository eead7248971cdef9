"""What the telephone system tells of calls comes in here, signed and without a token."""

from chassis import telemetry
from crm.leads.v1 import call_service_pb2 as pb
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import Response

from gateway.bodies import Refusal, read_body
from gateway.calls import Calls
from gateway.downloads import failure_response, refusal_response
from gateway.failures import CallFailed
from gateway.http import origin_of
from gateway.services import Services

BODY_BYTES = 16 * 1024


async def receive(request: Request, services: Services) -> Response:
    """Pass on what is told: 204 once it is noted, also if it was noted before."""
    with telemetry.span_from(request.headers.get("traceparent", ""), "POST /calls/events", kind=SpanKind.SERVER):
        trace = {"x-trace-id": telemetry.current_trace_id()}
        try:
            wanted = pb.ReceiveCallEventRequest(
                body=await read_body(request, BODY_BYTES),
                timestamp=request.headers.get("x-timestamp", ""),
                signature=request.headers.get("x-signature", ""),
            )
            await Calls(services, "", origin_of(request))(services.calls.ReceiveCallEvent, wanted)
        except Refusal as refusal:
            return refusal_response(request, refusal, trace)
        except CallFailed as failure:
            return failure_response(failure, request, trace)
    return Response(status_code=204, headers=trace)
