"""The gRPC methods of TransferService."""

from collections.abc import Iterator, Mapping
from typing import Any

from chassis import audit, custom_fields
from chassis.callers import Caller
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.field_rules import unreadable
from chassis.import_calls import ImportCalls, ImportKind
from chassis.jobs import create_job, get_job, read_file
from chassis.names import parse_name
from chassis.settings import Settings
from chassis.transfers import file_head
from crm.common.v1 import job_pb2
from crm.customers.v1 import transfer_service_pb2, transfer_service_pb2_grpc
from google.protobuf.json_format import MessageToDict

from customers.duplicate_finding.queries import MERGE
from customers.own_fields import CONTACT_ENTITY, ENTITY
from customers.rules import CUSTOMER_RULES
from customers.transfer import mapping
from customers.transfer.exporting import check_fields, exported, file_name, require_shown
from customers.transfer.headings import check_columns

IMPORTS, EXPORTS = "importJobs", "exportJobs"

_EXPORT = "customer.export"


class TransferServicer(transfer_service_pb2_grpc.TransferServiceServicer):
    """Implements TransferService."""

    def __init__(self, calls: Calls, settings: Settings) -> None:
        self.calls, self._imports = calls, ImportCalls(calls, _KIND, settings)

    def ImportCustomers(self, request_iterator: Iterator[job_pb2.UploadChunk], context: Any) -> job_pb2.ImportJob:
        return self._imports.start(request_iterator)

    def RunCheckedImport(
        self, request: transfer_service_pb2.RunCheckedImportRequest, context: Any
    ) -> job_pb2.ImportJob:
        return self._imports.run_checked(request)

    def GetImportJob(self, request: transfer_service_pb2.GetImportJobRequest, context: Any) -> job_pb2.ImportJob:
        return self._imports.get(request)

    def ListImportJobs(
        self, request: transfer_service_pb2.ListImportJobsRequest, context: Any
    ) -> transfer_service_pb2.ListImportJobsResponse:
        jobs, token = self._imports.page(request)
        return transfer_service_pb2.ListImportJobsResponse(import_jobs=jobs, next_page_token=token)

    def CancelImportJob(self, request: transfer_service_pb2.CancelImportJobRequest, context: Any) -> job_pb2.ImportJob:
        return self._imports.cancel(request)

    def DownloadImportErrors(
        self, request: transfer_service_pb2.DownloadImportErrorsRequest, context: Any
    ) -> Iterator[job_pb2.FileChunk]:
        return self._imports.download_errors(request)

    def ExportCustomers(self, request: transfer_service_pb2.ExportCustomersRequest, context: Any) -> job_pb2.ExportJob:
        def create(session: ServiceSession) -> job_pb2.ExportJob:
            check_fields(session, request.fields)
            exported(session, request.filter, request.search)  # refuses what cannot be listed
            options = {
                "filter": MessageToDict(request.filter),
                "search": request.search,
                "format": mapping.format_name(request.format),
                "fields": list(request.fields),
            }
            return mapping.export_job_to_proto(create_job(session, EXPORTS, options), "")

        return self.calls.write(request, job_pb2.ExportJob, create)

    def GetExportJob(self, request: transfer_service_pb2.GetExportJobRequest, context: Any) -> job_pb2.ExportJob:
        with self.calls.read() as session:
            job = get_job(session, EXPORTS, parse_name(EXPORTS, request.name), _EXPORT)
        return mapping.export_job_to_proto(job, file_name(job.create_time, job.options["format"]))

    def DownloadExport(
        self, request: transfer_service_pb2.DownloadExportRequest, context: Any
    ) -> Iterator[job_pb2.FileChunk]:
        with self.calls.read() as session:
            job = get_job(session, EXPORTS, parse_name(EXPORTS, request.name), _EXPORT)
            if job.output_file is None:
                raise Conflict("NOT_FINISHED", "the export has no file yet, or none came of it", state=job.state)
            require_shown(session.caller, job.result.get("fields") or dict.fromkeys(CUSTOMER_RULES, 0))
            parts = read_file(session, job.output_file)
            first = next(parts)
            with self.calls.transaction() as noting:  # who takes a file away is noted before its first byte is sent
                after = {"rows": job.total} | ({"sha256": digest} if (digest := job.result.get("sha256")) else {})
                audit.record(noting, "customer.download_export", job.name, None, after)
            yield file_head(file_name(job.create_time, job.options["format"]))
            yield job_pb2.FileChunk(data=first)
            for part in parts:
                yield job_pb2.FileChunk(data=part)


def _options(session: ServiceSession, options: job_pb2.ImportOptions, columns: dict[str, str]) -> Mapping[str, Any]:
    if options.flag_likely_duplicates:
        session.caller.scope(MERGE)
    check_columns(columns, custom_fields.list_fields(session, ENTITY))
    return {"flag_likely_duplicates": options.flag_likely_duplicates}


def _is_shown(caller: Caller) -> bool:
    return not (unreadable(caller, ENTITY) | unreadable(caller, CONTACT_ENTITY))


_KIND = ImportKind(IMPORTS, "customer", _options, _is_shown)
