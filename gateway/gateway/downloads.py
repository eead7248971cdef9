"""Files for download, streamed from the service that has them."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

import grpc
import orjson
from chassis import telemetry
from crm.common.v1 import job_pb2, personal_data_part_service_pb2
from crm.customers.v1 import customer_batch_service_pb2, transfer_service_pb2
from crm.identity.v1 import organisation_service_pb2, personal_data_pb2, personal_data_service_pb2
from crm.leads.v1 import lead_transfer_service_pb2, visit_service_pb2, work_log_service_pb2
from graphql import GraphQLError
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.bodies import Refusal
from gateway.calls import Calls
from gateway.errors import described, formatted
from gateway.failures import CallFailed
from gateway.http import origin_of
from gateway.locales import locale_of
from gateway.refused_rows import told
from gateway.services import Services

DOWNLOAD_SECONDS = 600.0
STATUSES = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}

Chunks = AsyncIterator[job_pb2.FileChunk]


async def import_errors(request: Request, services: Services) -> Response:
    """The refused rows of an import."""

    def chunks(calls: Calls, key: str) -> Chunks:
        wanted = transfer_service_pb2.DownloadImportErrorsRequest(name=f"importJobs/{key}")
        found = calls.download(services.transfers.DownloadImportErrors, wanted, seconds=DOWNLOAD_SECONDS)
        return told(found, _locale(request))

    return await _download(request, services, chunks)


async def lead_import_errors(request: Request, services: Services) -> Response:
    """The refused rows of an import of leads."""

    def chunks(calls: Calls, key: str) -> Chunks:
        wanted = lead_transfer_service_pb2.DownloadLeadImportErrorsRequest(name=f"leadImportJobs/{key}")
        found = calls.download(services.lead_transfers.DownloadLeadImportErrors, wanted, seconds=DOWNLOAD_SECONDS)
        return told(found, _locale(request))

    return await _download(request, services, chunks)


async def export_file(request: Request, services: Services) -> Response:
    """The file of a finished export."""

    def chunks(calls: Calls, key: str) -> Chunks:
        wanted = transfer_service_pb2.DownloadExportRequest(name=f"exportJobs/{key}")
        return calls.download(services.transfers.DownloadExport, wanted, seconds=DOWNLOAD_SECONDS)

    return await _download(request, services, chunks)


async def work_export(request: Request, services: Services) -> Response:
    """The file of a finished export of the work log."""

    def chunks(calls: Calls, key: str) -> Chunks:
        wanted = work_log_service_pb2.DownloadWorkExportRequest(name=f"workExports/{key}")
        return calls.download(services.work_log.DownloadWorkExport, wanted, seconds=DOWNLOAD_SECONDS)

    return await _download(request, services, chunks)


async def personal_data(request: Request, services: Services) -> Response:
    """All that the services have collected about a person, as one JSON object."""

    async def chunks(calls: Calls, key: str) -> Chunks:
        name = f"personalDataRequests/{key}"
        wanted = personal_data_service_pb2.GetPersonalDataRequestRequest(name=name)
        found = await calls(services.personal_data.GetPersonalDataRequest, wanted)
        if found.state == personal_data_pb2.PERSONAL_DATA_STATE_RUNNING:
            message = "the services are still collecting; try again shortly"
            raise CallFailed(grpc.StatusCode.FAILED_PRECONDITION, "NOT_FINISHED", message, "identity")
        head = orjson.dumps({"request": found.name, "subject": found.subject, "reason": found.reason})
        yield job_pb2.FileChunk(
            file_name=f"personal-data-{key}.json", content_type="application/json", data=head[:-1] + b',"services":{'
        )
        for number, part in enumerate(found.parts):
            yield job_pb2.FileChunk(data=b"%s%s:" % (b"," if number else b"", orjson.dumps(part.service)))
            download = services.personal_data_parts[part.service].DownloadPersonalDataPart
            mine = personal_data_part_service_pb2.DownloadPersonalDataPartRequest(service=part.service, request=name)
            async for chunk in calls.download(download, mine, seconds=DOWNLOAD_SECONDS):
                yield chunk
        yield job_pb2.FileChunk(data=b"}}")

    return await _download(request, services, chunks)


async def visit_photo(request: Request, services: Services) -> Response:
    """A picture of a visit."""

    def chunks(calls: Calls, key: str) -> Chunks:
        wanted = visit_service_pb2.DownloadVisitPhotoRequest(name=f"visitPhotos/{key}")
        return calls.download(services.visits.DownloadVisitPhoto, wanted, seconds=DOWNLOAD_SECONDS)

    return await _download(request, services, chunks)


async def batch_errors(request: Request, services: Services) -> Response:
    """The customers that an action on many refused."""

    def chunks(calls: Calls, key: str) -> Chunks:
        wanted = customer_batch_service_pb2.DownloadCustomerBatchErrorsRequest(name=f"customerBatches/{key}")
        found = calls.download(services.batches.DownloadCustomerBatchErrors, wanted, seconds=DOWNLOAD_SECONDS)
        return told(found, _locale(request))

    return await _download(request, services, chunks)


async def logo(request: Request, services: Services) -> Response:
    """The company's logo. Its address changes with it, so that clients may keep it."""
    with telemetry.span_from(request.headers.get("traceparent", ""), "GET logo", kind=SpanKind.SERVER):
        trace = {"x-trace-id": telemetry.current_trace_id()}
        calls = Calls(services, request.headers.get("authorization", ""), origin_of(request))
        try:
            wanted = organisation_service_pb2.GetOrganisationLogoRequest()
            found = await calls(services.organisation.GetOrganisationLogo, wanted)
        except CallFailed as failure:
            return failure_response(failure, request, trace)
    headers = {**trace, "cache-control": "private, max-age=86400", "x-content-type-options": "nosniff"}
    return Response(found.data, headers=headers, media_type=found.content_type)


async def _download(request: Request, services: Services, open_: Callable[[Calls, str], Chunks]) -> Response:
    parent = request.headers.get("traceparent", "")
    with telemetry.span_from(parent, f"GET {request.scope['route'].path}", kind=SpanKind.SERVER):
        trace = {"x-trace-id": telemetry.current_trace_id()}
        chunks = open_(
            Calls(services, request.headers.get("authorization", ""), origin_of(request)), request.path_params["key"]
        )
        try:
            # Only the first chunk can still become an error of HTTP.
            first = await anext(chunks, None)
        except CallFailed as failure:
            return failure_response(failure, request, trace)
    if first is None:
        return Response(b"", headers=trace)
    return StreamingResponse(
        _data(first, chunks),
        media_type=first.content_type or "application/octet-stream",
        headers={
            **trace,
            "content-disposition": f"attachment; filename*=UTF-8''{quote(first.file_name or 'file')}",
            "cache-control": "private, no-store",
            "x-content-type-options": "nosniff",
        },
    )


async def _data(first: job_pb2.FileChunk, rest: Chunks) -> AsyncIterator[bytes]:
    yield first.data
    async for chunk in rest:
        yield chunk.data


def failure_response(failure: CallFailed, request: Request, headers: dict[str, str] | None = None) -> Response:
    """A failed call as an answer of HTTP."""
    message, extensions = described(failure, failure.message, _locale(request))
    body: dict[str, Any] = {"message": message, **extensions}
    return Response(orjson.dumps(body), STATUSES.get(failure.code, 500), headers, media_type="application/json")


def refusal_response(request: Request, refusal: Refusal, headers: dict[str, str]) -> Response:
    """A request that HTTP itself has an answer for, as that answer."""
    error = formatted(GraphQLError(refusal.error.message, original_error=refusal.error), _locale(request))
    body = orjson.dumps({"message": error["message"], **error["extensions"]})
    return Response(body, refusal.status, {**headers, **refusal.headers}, media_type="application/json")


def _locale(request: Request) -> str:
    return locale_of(request.headers.get("accept-language", ""))
