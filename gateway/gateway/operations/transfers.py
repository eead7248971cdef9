"""Customers in from files and out to files."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import strawberry
from crm.common.v1 import job_pb2
from crm.customers.v1 import customer_pb2, transfer_service_pb2
from starlette.datastructures import UploadFile

from gateway.conditions import FilterInput, to_fields, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.scalars import Upload
from gateway.types.customers import ExportJob, ImportJob

UPLOAD_SECONDS = 300.0
"""The longest that a file may take from the gateway to the service."""
PART_BYTES = 512 * 1024

if TYPE_CHECKING:
    from enum import Enum as FileFormat
else:
    FileFormat = enum_of(job_pb2.FileFormat.DESCRIPTOR)


@strawberry.type
class TransfersQuery:
    @field("An import with its progress.")
    async def import_job(self, info: Info, key: Key) -> ImportJob | None:
        request = transfer_service_pb2.GetImportJobRequest(name=key)
        return ImportJob(await info.context.calls(info.context.services.transfers.GetImportJob, request))

    @field("Imports, newest first.")
    async def import_jobs(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[ImportJob] | None:
        method, request = info.context.services.transfers.ListImportJobs, transfer_service_pb2.ListImportJobsRequest
        return await connect(first, after, ImportJob, pages(info.context, method, request, "import_jobs"))

    @field("An export with its progress.")
    async def export_job(self, info: Info, key: Key) -> ExportJob | None:
        request = transfer_service_pb2.GetExportJobRequest(name=key)
        return ExportJob(await info.context.calls(info.context.services.transfers.GetExportJob, request))


@derive_input(job_pb2.ImportOptions, hide={"request_id"})
class ImportCustomersInput(Input[job_pb2.ImportOptions]):
    request_id: RequestId = None


@strawberry.input(description="Which job is meant.")
class JobInput:
    id: strawberry.ID
    request_id: RequestId = None


@strawberry.input(description="Which customers to export, and how.")
class ExportCustomersInput:
    filter: FilterInput | None = None
    search: str | None = None
    format: FileFormat | None = strawberry.field(default=None, description="CSV if not given.")
    fields: list[str] | None = strawberry.field(
        default=None, description="The fields to write, as the type calls them, in order; all if not given."
    )
    request_id: RequestId = None


@strawberry.type
class TransfersMutation:
    @mutation("Uploads a file of customers and queues its import, or only its check.")
    async def import_customers(
        self,
        info: Info,
        file: Upload,
        input: ImportCustomersInput | None = None,  # noqa: A002
    ) -> ImportJob | None:
        options = input.to_proto() if input else job_pb2.ImportOptions()
        options.request_id = (input.request_id if input else None) or ""
        options.file_name = options.file_name or file.filename or ""
        calls = info.context.calls
        parts = parts_of(options, file)
        return ImportJob(await calls.upload(calls.services.transfers.ImportCustomers, parts, seconds=UPLOAD_SECONDS))

    @mutation("Imports the file of a finished check, without another upload.")
    async def run_checked_import(self, info: Info, input: JobInput) -> ImportJob | None:  # noqa: A002
        request = transfer_service_pb2.RunCheckedImportRequest(name=input.id, request_id=input.request_id or "")
        return ImportJob(await info.context.calls(info.context.services.transfers.RunCheckedImport, request))

    @mutation("Stops an import. Rows already imported stay.")
    async def cancel_import(self, info: Info, input: JobInput) -> ImportJob | None:  # noqa: A002
        request = transfer_service_pb2.CancelImportJobRequest(name=input.id, request_id=input.request_id or "")
        return ImportJob(await info.context.calls(info.context.services.transfers.CancelImportJob, request))

    @mutation("Queues an export of the customers that the filter and search find.")
    async def export_customers(self, info: Info, input: ExportCustomersInput) -> ExportJob | None:  # noqa: A002
        request = transfer_service_pb2.ExportCustomersRequest(
            filter=to_filter(input.filter, customer_pb2.Customer.DESCRIPTOR),
            search=input.search or "",
            fields=to_fields(input.fields, customer_pb2.Customer.DESCRIPTOR),
            request_id=input.request_id or "",
        )
        if input.format is not None:
            request.format = input.format.value
        return ExportJob(await info.context.calls(info.context.services.transfers.ExportCustomers, request))


async def parts_of(options: job_pb2.ImportOptions, file: UploadFile) -> AsyncIterator[job_pb2.UploadChunk]:
    """A file as a service takes it."""
    yield job_pb2.UploadChunk(options=options)
    while data := await file.read(PART_BYTES):
        yield job_pb2.UploadChunk(data=data)
