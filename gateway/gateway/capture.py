"""What the world sends: forms of websites and webhooks come in here, without a token, and people confirm that they want
to be contacted."""

import asyncio
import random
from html import escape
from urllib.parse import parse_qsl

import orjson
from chassis import telemetry
from chassis.names import new_id
from crm.leads.v1 import capture_service_pb2 as pb
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.bodies import Refusal, bad_request, read_body
from gateway.calls import Calls
from gateway.downloads import failure_response, refusal_response
from gateway.failures import CallFailed
from gateway.http import origin_of
from gateway.locales import locale_of
from gateway.services import Services

BODY_BYTES = 64 * 1024
PREFLIGHT_SECONDS = 600
PAUSES = (0.1, 0.3, 1.0)
"""How long to wait before something is given to a service again that did not answer. It is taken in once all the
same."""

_HEADERS = "content-type, x-capture-key"
_AGAIN_SECONDS = 5
_FORM_ENCODED = "application/x-www-form-urlencoded"
_PAGE = """<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<body style="font: 1.1rem system-ui; max-width: 32rem; margin: 4rem auto; padding: 0 1rem"><h1>{title}</h1>{body}"""
_BUTTON = '<form method="post"><input type="hidden" name="token" value="{token}"><button>{label}</button></form>'
_WORDS = {
    "zh-CN": ("确认联系请求", "我确认，请与我联系", "已确认，我们会尽快与您联系。", "无法确认"),
    "zh-TW": ("確認聯絡請求", "我確認，請與我聯絡", "已確認，我們會盡快與您聯絡。", "無法確認"),
    "en": ("Please confirm", "Yes, get in touch with me", "Confirmed. You will hear from us.", "Not confirmed"),
}
"""For the page that a link in a mail leads to: title, button, what is said afterwards, and the title if it fails."""


async def submit(request: Request, services: Services) -> Response:
    """Take in what a form or a webhook sends: 202 with a receipt once it is safe."""
    parent, origin = request.headers.get("traceparent", ""), request.headers.get("origin", "")
    with telemetry.span_from(parent, "POST /capture", kind=SpanKind.SERVER):
        trace = {"x-trace-id": telemetry.current_trace_id()}
        calls = Calls(services, "", origin_of(request))
        source = f"captureSources/{request.path_params['key']}"
        try:
            body = await read_body(request, BODY_BYTES)
        except Refusal as refusal:
            return refusal_response(request, refusal, trace)
        wanted = pb.SubmitRequest(
            source=source,
            body=body,
            content_type=request.headers.get("content-type", ""),
            origin=origin,
            key=request.headers.get("x-capture-key", ""),
            signature=request.headers.get("x-capture-signature", ""),
            timestamp=request.headers.get("x-capture-timestamp", ""),
            request_id=str(new_id()),
        )
        try:
            receipt = await _submitted(calls, wanted)
        except CallFailed as failure:
            allowed = await _allowed(calls, source, origin)
            return failure_response(failure, request, trace | _retry_after(failure) | _shared(origin, allowed=allowed))
    told = {"receipt": receipt.submission, "receiveTime": receipt.receive_time.ToJsonString()}
    headers = trace | _shared(origin, allowed=receipt.origin_allowed)
    return Response(orjson.dumps(told), 202, headers, media_type="application/json")


async def preflight(request: Request, services: Services) -> Response:
    """Tell a browser whether a page of a website may send a form (the CORS protocol of the Fetch standard)."""
    origin = request.headers.get("origin", "")
    calls = Calls(services, "", origin_of(request))
    allowed = await _allowed(calls, f"captureSources/{request.path_params['key']}", origin)
    headers = _shared(origin, allowed=allowed)
    if allowed:
        headers |= {
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": _HEADERS,
            "access-control-max-age": str(PREFLIGHT_SECONDS),
        }
    return Response(status_code=204, headers=headers)


async def confirm(request: Request, services: Services) -> Response:
    """Where the link in a mail leads: a page with a button, as programs that look through mails open links, too."""
    locale = locale_of(request.headers.get("accept-language", ""))
    title, label, done, failed = _WORDS[locale]
    if request.method == "GET":
        button = _BUTTON.format(token=escape(request.query_params.get("token", "")), label=label)
        return _page(locale, title, button)
    try:
        token = await _token(request)
        calls = Calls(services, "", origin_of(request))
        await calls(services.capture.ConfirmOptIn, pb.ConfirmOptInRequest(token=token))
    except CallFailed as failure:
        answer = failure_response(failure, request)
        message = orjson.loads(bytes(answer.body))["message"]
        return _page(locale, failed, f"<p>{escape(message)}</p>", answer.status_code)
    except Refusal as refusal:
        return refusal_response(request, refusal, {})
    return _page(locale, title, f"<p>{done}</p>")


async def _submitted(calls: Calls, wanted: pb.SubmitRequest) -> pb.SubmitResponse:
    """Give something to the service, several times if it does not answer: it knows it by its request id."""
    for pause in PAUSES:
        try:
            return await calls(calls.services.capture.Submit, wanted)
        except CallFailed as failure:
            if failure.code.name not in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                raise
        await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads retries, no secret
    return await calls(calls.services.capture.Submit, wanted)


async def _allowed(calls: Calls, source: str, origin: str) -> bool:
    if not origin:
        return False
    wanted = pb.CheckCaptureOriginRequest(source=source, origin=origin)
    try:
        return (await calls(calls.services.capture.CheckCaptureOrigin, wanted)).allowed
    except CallFailed:
        return False  # the browser keeps the answer from the page; the request itself is answered all the same


async def _token(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_ENCODED:
        raise bad_request("the form must be sent as it is")
    body = await read_body(request, BODY_BYTES)
    return dict(parse_qsl(body.decode("ascii", "replace"))).get("token", "")


def _shared(origin: str, *, allowed: bool) -> dict[str, str]:
    """The headers that let a page of a website read the answer."""
    return {"vary": "origin"} | ({"access-control-allow-origin": origin} if allowed else {})


def _retry_after(failure: CallFailed) -> dict[str, str]:
    if failure.code.name in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
        return {"retry-after": str(_AGAIN_SECONDS)}
    seconds = failure.details.get("retry_after_seconds")
    return {"retry-after": seconds} if seconds else {}


def _page(locale: str, title: str, body: str, status: int = 200) -> Response:
    headers = {
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    }
    return HTMLResponse(_PAGE.format(language=locale, title=title, body=body), status, headers)
