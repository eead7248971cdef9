"""Calendars for the programs that read them by a secret link: iCalendar over plain HTTP."""

from chassis import telemetry
from crm.leads.v1 import calendar_service_pb2
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import Response

from gateway.calls import Calls
from gateway.downloads import failure_response
from gateway.failures import CallFailed
from gateway.http import origin_of
from gateway.services import Services

MEDIA_TYPE = "text/calendar; charset=utf-8"
PATH = "/calendar/{token}.ics"


async def calendar_feed(request: Request, services: Services) -> Response:
    """Somebody's calendar. Whoever has the version already, by `If-None-Match`, is told so and no more."""
    parent = request.headers.get("traceparent", "")
    # The link is a secret, so that the path is named without it.
    with telemetry.span_from(parent, f"GET {PATH}", kind=SpanKind.SERVER):
        trace = {"x-trace-id": telemetry.current_trace_id()}
        known = _versions(request.headers.get("if-none-match", ""))
        wanted = calendar_service_pb2.GetCalendarFeedRequest(token=request.path_params["token"])
        try:
            found = await Calls(services, "", origin_of(request))(services.calendars.GetCalendarFeed, wanted)
        except CallFailed as failure:
            return failure_response(failure, request, {**trace, "cache-control": "no-store"})
    headers = {
        **trace,
        "etag": f'"{found.version}"',
        "cache-control": "private, no-cache",
        "x-content-type-options": "nosniff",
    }
    if found.version in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(found.data, headers={**headers, "content-type": MEDIA_TYPE})


def _versions(header: str) -> set[str]:
    """The versions that an `If-None-Match` names; weak ones count as well (RFC 9110, 13.1.2)."""
    return {part.strip().removeprefix("W/").strip('"') for part in header.split(",") if part.strip()}
